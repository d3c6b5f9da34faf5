// Owns: where the engine's HTTP API is. Named by the user, else the engine's own address where the cluster is on this
// machine, else through the API server, which needs no port to be open.
import { VerbError } from '../failure.ts';
import type { ClusterAccess, Host } from '../host.ts';
import type { EngineOptions } from '../options.ts';
import { findAccess, givenToken } from '../kube/session.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { POD } from '../../ports/resources.ts';
import type { Tls } from './wire.ts';

export const systemNamespace = 'signalbox-system';
const service = 'signalbox-engine';
const port = 8080;

export interface EngineAddress {
  /** Without a trailing slash. */
  readonly base: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls?: Tls;
  readonly namespace: string;
}

interface EnginePod extends KubeObject {
  readonly status?: {
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

export async function findEngine(host: Host, options: EngineOptions): Promise<EngineAddress> {
  if (options.server !== undefined) return named(host, options, options.server);
  const access = await findAccess(host, options);
  const credentials = await access.credentials();
  const namespace = options.namespace ?? access.namespace;
  if (isLoopback(access.server)) {
    const base = (await instanceAddress(host, access)) ?? (await podAddress(host, access, options.requestTimeout));
    if (base !== undefined) return { base, namespace, headers: bearer(credentials.token) };
  }
  const { token, basic: _, ...certificates } = credentials;
  return {
    base: `${access.server}/api/v1/namespaces/${systemNamespace}/services/${service}:http/proxy`,
    namespace,
    headers: { ...bearer(token), 'x-signalbox-token': token ?? needToken() },
    tls: {
      ...(access.ca === undefined ? {} : { ca: access.ca }),
      ...(access.insecure === undefined ? {} : { insecure: access.insecure }),
      ...(access.serverName === undefined ? {} : { serverName: access.serverName }),
      ...certificates,
    },
  };
}

/** A server named by the user gets the token of the user's kubeconfig, over TLS or on this machine only. */
async function named(host: Host, options: EngineOptions, server: string): Promise<EngineAddress> {
  if (!/^https?:\/\/[^/]/.test(server)) {
    throw new VerbError('CONFIG_INVALID', `--server must be an http or https URL, found "${server}"`);
  }
  const given = givenToken(host, options);
  const base = server.replace(/\/+$/, '');
  if (given !== undefined) {
    return { base, namespace: options.namespace ?? 'default', headers: bearer(given) };
  }
  const access = await findAccess(host, options);
  const { token } = await access.credentials();
  if (!server.startsWith('https:') && !isLoopback(server)) {
    throw new VerbError('CONFIG_INVALID', `${server} is not encrypted: your token would be readable on its way`, {
      attempt: 'use an https URL, or name the token yourself with --token if you accept that',
    });
  }
  return { base, namespace: options.namespace ?? access.namespace, headers: bearer(token) };
}

function bearer(token: string | undefined): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${token ?? needToken()}` };
}

function needToken(): never {
  throw new VerbError(
    'UNAUTHENTICATED',
    'your kubeconfig has no bearer token; the engine knows callers by their token only',
    {
      attempt: '--token $(kubectl create token NAME), or a kubeconfig with a token',
    },
  );
}

export function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}

/** The address the local instance itself knows: the caller needs no right to look at pods. */
async function instanceAddress(host: Host, access: ClusterAccess): Promise<string | undefined> {
  if (access.instance === undefined) return undefined;
  const plane = await host.local();
  const { kubeServer, pods } = await plane.status({ name: access.instance });
  if (kubeServer !== access.server) return undefined;
  const engine = pods.find((pod) => pod.role === 'engine' && pod.ready && pod.ip !== undefined);
  return engine === undefined ? undefined : `http://${engine.ip}:${port}`;
}

/** The address of a ready engine pod, where pods have addresses of this machine. */
async function podAddress(host: Host, access: ClusterAccess, timeoutMs: number): Promise<string | undefined> {
  const kube = await host.connect(access, timeoutMs);
  try {
    const { items } = await kube.list<EnginePod>(POD, {
      namespace: systemNamespace,
      labelSelector: 'app.kubernetes.io/component=engine',
    });
    const ready = items.find((pod) =>
      pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True'),
    );
    const ip = ready?.status?.podIP;
    if (ip?.startsWith('127.') === true) return `http://${ip}:${port}`;
    if (items.length > 0 && ready !== undefined) return undefined;
    throw new VerbError('BUS_UNREACHABLE', `no engine is ready in namespace ${systemNamespace}`, {
      attempt: 'signalbox status, then signalbox logs engine --tail 20',
    });
  } finally {
    await kube.close();
  }
}
