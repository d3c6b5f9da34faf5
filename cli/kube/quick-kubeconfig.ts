// Owns: reading a kubeconfig in milliseconds where it is plain: one file, a token or a client certificate. Anything else
// (exec plugins, OIDC, several files) is left to the official library, which takes a second to load.
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { SignalboxError } from '../../api/errors.ts';
import type { ClusterAccess, ClusterCredentials } from '../host.ts';

interface ClusterEntry {
  readonly server?: string;
  readonly 'certificate-authority'?: string;
  readonly 'certificate-authority-data'?: string;
  readonly 'insecure-skip-tls-verify'?: boolean;
  readonly 'tls-server-name'?: string;
  readonly [other: string]: unknown;
}

interface UserEntry {
  readonly token?: string;
  readonly tokenFile?: string;
  readonly 'client-certificate'?: string;
  readonly 'client-certificate-data'?: string;
  readonly 'client-key'?: string;
  readonly 'client-key-data'?: string;
  readonly [other: string]: unknown;
}

interface ContextEntry {
  readonly cluster?: string;
  readonly user?: string;
  readonly namespace?: string;
}

interface Kubeconfig {
  readonly clusters?: readonly { readonly name: string; readonly cluster?: ClusterEntry }[];
  readonly users?: readonly { readonly name: string; readonly user?: UserEntry }[];
  readonly contexts?: readonly { readonly name: string; readonly context?: ContextEntry }[];
  readonly 'current-context'?: string;
}

const clusterMembers = new Set([
  'server',
  'certificate-authority',
  'certificate-authority-data',
  'insecure-skip-tls-verify',
  'tls-server-name',
]);
const userMembers = new Set([
  'token',
  'tokenFile',
  'client-certificate',
  'client-certificate-data',
  'client-key',
  'client-key-data',
]);

/** The access a plain kubeconfig gives; undefined when it is not plain. */
export async function quickAccess(path: string, context?: string): Promise<ClusterAccess | undefined> {
  const { cluster, user, namespace, instance } = choose(await readConfig(path), context);
  if (cluster?.server === undefined || user === undefined) return undefined;
  if (!only(cluster, clusterMembers) || !only(user, userMembers)) return undefined;
  const folder = dirname(path);
  const ca = await pem(folder, cluster['certificate-authority-data'], cluster['certificate-authority']);
  const serverName = cluster['tls-server-name'];
  return {
    server: cluster.server.replace(/\/+$/, ''),
    ...(ca === undefined ? {} : { ca }),
    ...(cluster['insecure-skip-tls-verify'] === true ? { insecure: true } : {}),
    ...(serverName === undefined ? {} : { serverName }),
    namespace,
    ...(instance === undefined ? {} : { instance }),
    credentials: () => credentialsOf(folder, user),
  };
}

interface Chosen {
  readonly cluster: ClusterEntry | undefined;
  readonly user: UserEntry | undefined;
  readonly namespace: string;
  readonly instance: string | undefined;
}

function choose(config: Kubeconfig, context: string | undefined): Chosen {
  const wanted = context ?? config['current-context'];
  const chosen = config.contexts?.find(({ name }) => name === wanted)?.context;
  if (context !== undefined && chosen === undefined) throw unknownContext(context, config);
  const { cluster = '', user, namespace = 'default' } = chosen ?? {};
  return {
    cluster: config.clusters?.find(({ name }) => name === cluster)?.cluster,
    user: config.users?.find(({ name }) => name === user)?.user,
    namespace,
    instance: instanceName.exec(cluster)?.[1],
  };
}

/** What `signalbox kubeconfig` calls the cluster of an instance. */
const instanceName = /^signalbox-([a-z0-9](?:[-a-z0-9]{0,38}[a-z0-9])?)$/;

async function readConfig(path: string): Promise<Kubeconfig> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new SignalboxError('CONFIG_INVALID', `kubeconfig ${path} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  const { parse } = await import('../output/yaml.ts');
  try {
    return (parse(text, { maxAliasCount: 10 }) ?? {}) as Kubeconfig;
  } catch (cause) {
    throw new SignalboxError('CONFIG_INVALID', `kubeconfig ${path} is no YAML: ${(cause as Error).message}`, { cause });
  }
}

function unknownContext(context: string, config: Kubeconfig): SignalboxError {
  const known = (config.contexts ?? []).map((entry) => entry.name).join(', ') || 'none';
  return new SignalboxError('CONFIG_INVALID', `context "${context}" is not in the kubeconfig; it has: ${known}`);
}

const only = (entry: object, allowed: ReadonlySet<string>): boolean =>
  Object.keys(entry).every((member) => allowed.has(member));

async function credentialsOf(folder: string, user: UserEntry): Promise<ClusterCredentials> {
  const token = user.token ?? (user.tokenFile === undefined ? undefined : (await text(folder, user.tokenFile)).trim());
  const cert = await pem(folder, user['client-certificate-data'], user['client-certificate']);
  const key = await pem(folder, user['client-key-data'], user['client-key']);
  return {
    ...(token === undefined ? {} : { token }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

async function pem(folder: string, inline: string | undefined, file: string | undefined): Promise<string | undefined> {
  if (inline !== undefined) return Buffer.from(inline, 'base64').toString('utf8');
  return file === undefined ? undefined : text(folder, file);
}

async function text(folder: string, file: string): Promise<string> {
  const path = resolve(folder, file);
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new SignalboxError('CONFIG_INVALID', `${path}, named by the kubeconfig, cannot be read`, { cause });
  }
}
