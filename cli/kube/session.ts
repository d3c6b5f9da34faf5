// Owns: which cluster a verb speaks to and in which namespace: what the user named, else the local instance that runs, else
// the user's own kubeconfig.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { VerbError } from '../failure.ts';
import type { ClusterAccess, Host, OpenKube } from '../host.ts';
import type { Instance } from '../local-plane.ts';
import { again, type ClusterOptions } from '../options.ts';
import { quickAccess } from './quick-kubeconfig.ts';

export interface Session {
  readonly access: ClusterAccess;
  readonly kube: OpenKube;
  readonly namespace: string;
  /** Flags for hints: ` -n clinic --name demo`. */
  readonly again: string;
}

/** Opens a session, hands it to `work` and closes it, whatever happens. */
export async function withSession<T>(
  host: Host,
  options: ClusterOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const access = await findAccess(host, options);
  const kube = await host.connect(access, options.requestTimeout);
  try {
    const namespace = options.namespace ?? access.namespace;
    return await work({ access, kube, namespace, again: again(options, namespace) });
  } finally {
    await kube.close();
  }
}

/** The token that was named in so many words: by the option, else by the environment. */
export function givenToken(host: Host, options: ClusterOptions): string | undefined {
  const token = options.token ?? host.environment['SIGNALBOX_TOKEN'];
  return token === '' ? undefined : token;
}

export async function findAccess(host: Host, options: ClusterOptions): Promise<ClusterAccess> {
  const access = await findCluster(host, options);
  const token = givenToken(host, options);
  return token === undefined ? access : { ...access, credentials: () => Promise.resolve({ token }) };
}

async function findCluster(host: Host, options: ClusterOptions): Promise<ClusterAccess> {
  if (options.kubeconfig !== undefined) return readAccess(host, options.kubeconfig, options.context);
  if (options.name !== undefined) return localAccess(host, options.name);
  const fromEnvironment = host.environment['KUBECONFIG'];
  if (fromEnvironment !== undefined && fromEnvironment !== '') {
    const single = !fromEnvironment.includes(delimiter);
    return single
      ? readAccess(host, fromEnvironment, options.context)
      : host.kubeconfigAccess(undefined, options.context);
  }
  if (options.context === undefined) {
    const local = await runningAccess(host, {});
    if (local !== undefined) return local;
  }
  const own = join(host.environment['HOME'] ?? homedir(), '.kube', 'config');
  if (existsSync(own)) return readAccess(host, own, options.context);
  throw new VerbError('CONFIG_INVALID', 'no cluster: no kubeconfig is named and no local instance runs', {
    attempt: 'signalbox up, or set KUBECONFIG, or pass --kubeconfig',
  });
}

async function readAccess(host: Host, path: string, context: string | undefined): Promise<ClusterAccess> {
  return (await quickAccess(path, context)) ?? (await host.kubeconfigAccess(path, context));
}

async function localAccess(host: Host, name: string): Promise<ClusterAccess> {
  const access = await runningAccess(host, { name });
  if (access !== undefined) return access;
  throw new VerbError('NOT_FOUND', `no local instance "${name}" runs`, { attempt: `signalbox up --name ${name}` });
}

/** Undefined when the instance is stopped or does not exist. */
async function runningAccess(host: Host, instance: Instance): Promise<ClusterAccess | undefined> {
  const plane = await host.local();
  const { running } = await plane.status(instance);
  return running ? fromConnection(instance.name ?? 'default', await plane.kubeConnection(instance)) : undefined;
}

function fromConnection(
  instance: string,
  connection: { readonly server: string; readonly token: string; readonly caPem: string },
): ClusterAccess {
  return {
    instance,
    server: connection.server,
    ca: connection.caPem,
    namespace: 'default',
    credentials: () => Promise.resolve({ token: connection.token }),
  };
}
