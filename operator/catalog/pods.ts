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

/** Small young generation, bounded old one (MiB), and few arenas of the C library: they keep what they once had. */
export const smallMemory = (oldSpaceMiB: number) => [
  { name: 'NODE_OPTIONS', value: `--max-semi-space-size=2 --max-old-space-size=${oldSpaceMiB}` },
  { name: 'MALLOC_ARENA_MAX', value: '2' },
];
