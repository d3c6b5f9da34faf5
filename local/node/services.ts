// Owns: which Pod a Service name and port mean, as cluster DNS and kube-proxy would say. Pure.
import type { KubeObject } from '../../ports/kube.ts';
import { resolvePort, type Pod } from './pod-spec.ts';

export interface Service extends KubeObject {
  readonly spec: {
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports?: readonly {
      readonly name?: string;
      readonly port: number;
      readonly targetPort?: number | string;
    }[];
  };
}

export interface ServiceName {
  readonly namespace: string;
  readonly service: string;
  /** The name can only be a Service: an unknown one is an error and never looked up elsewhere. */
  readonly certain: boolean;
}

/** Reads `svc`, `svc.ns`, `svc.ns.svc` and `svc.ns.svc.cluster.local`; other hosts are undefined. */
export function parseServiceHost(host: string, clientNamespace: string): ServiceName | undefined {
  const labels = host.toLowerCase().split('.');
  if (labels.some((label) => !/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(label))) return undefined;
  const [service = '', namespace = clientNamespace, svc, ...domain] = labels;
  if (service === 'localhost') return undefined;
  if (svc === undefined) return { service, namespace, certain: false };
  const known = svc === 'svc' && (domain.length === 0 || domain.join('.') === 'cluster.local');
  return known ? { service, namespace, certain: true } : undefined;
}

export type Backend =
  | { readonly host: string; readonly port: number }
  /** Why nobody can answer, in words for the caller. */
  | { readonly refusal: string };

/** One ready Pod of the Service; `turn` spreads calls over them. */
export function backendOf(
  service: Service,
  pods: readonly Pod[],
  port: number | string | undefined,
  turn: number,
): Backend {
  const { ports = [], selector } = service.spec;
  const text = `Service ${service.metadata.namespace}/${service.metadata.name}`;
  const wanted = port === undefined ? ports[0] : ports.find((one) => one.port === port || one.name === port);
  if (wanted === undefined) {
    return { refusal: `${text} has no port ${port}; it has ${ports.map((one) => one.port).join(', ') || 'none'}` };
  }
  if (selector === undefined || Object.keys(selector).length === 0) return { refusal: `${text} has no selector` };
  const matching = pods.filter((pod) =>
    Object.entries(selector).every(([key, value]) => pod.metadata.labels?.[key] === value),
  );
  const ready = matching.filter(isServing);
  const pod = ready[turn % Math.max(ready.length, 1)];
  if (pod === undefined) {
    return { refusal: `${text} has no ready Pod (${matching.length} match its selector, none is Ready)` };
  }
  const target = resolvePort(wanted.targetPort ?? wanted.port, pod.spec.containers);
  if (target === undefined) return { refusal: `${text}: Pod ${pod.metadata.name} has no port "${wanted.targetPort}"` };
  return { host: pod.status?.podIP as string, port: target };
}

function isServing(pod: Pod): boolean {
  if (pod.metadata.deletionTimestamp !== undefined || pod.status?.podIP === undefined) return false;
  return (pod.status.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');
}
