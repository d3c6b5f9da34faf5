// Owns: what all pods we make have in common: the restricted security profile, probes, small heaps.

export const podSecurity = {
  runAsNonRoot: true,
  runAsUser: 65532,
  runAsGroup: 65532,
  seccompProfile: { type: 'RuntimeDefault' },
} as const;

export const containerSecurity = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
} as const;

const get = (path: string) => ({ httpGet: { path, port: 'http' } });

/** The process listens on POD_IP:8080. */
export const probes = {
  startupProbe: { ...get('/healthz'), periodSeconds: 1, failureThreshold: 30 },
  livenessProbe: { ...get('/healthz'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 },
  readinessProbe: { ...get('/readyz'), periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 2 },
} as const;

const fromField = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });

export const downward = [
  fromField('POD_IP', 'status.podIP'),
  fromField('POD_NAME', 'metadata.name'),
  fromField('POD_NAMESPACE', 'metadata.namespace'),
] as const;

/**
 * Heaps in MiB. A young generation of 2 keeps a process small; whoever takes part in every step collects garbage with a third of
 * its time then, and gets more. Measured with `make bench-runtime`: `docs/adr/0002-durable-runtime.md`.
 */
const heaps = {
  // For 150,000 runs that wait: `docs/how-to/size-the-engine.md`.
  engine: { young: 16, old: 256 },
  worker: { young: 8, old: 96 },
  gateway: { young: 2, old: 96 },
  operator: { young: 2, old: 96 },
} as const;

/** What each of our processes is started with, in manifests, pods and benchmarks. */
export function nodeOptions(of: keyof typeof heaps): string {
  const { young, old } = heaps[of];
  return `--max-semi-space-size=${young} --max-old-space-size=${old}`;
}

/** Bounded heap, and few arenas of the C library: they keep what they once had. */
export const smallMemory = (of: keyof typeof heaps) => [
  { name: 'NODE_OPTIONS', value: nodeOptions(of) },
  { name: 'MALLOC_ARENA_MAX', value: '2' },
];
