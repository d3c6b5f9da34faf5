// Owns: reading kubeconfig files, by the official client library and nothing else of it.
import { existsSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { SignalboxError } from '../../api/errors.ts';
import { cached } from './access.ts';
import type { Credentials, KubeAccess } from './access.ts';

/** What the library makes up when it finds no configuration at all. */
const LAST_RESORT = 'http://localhost:8080';

/**
 * A kubeconfig: the file given, else `KUBECONFIG`, else the user's own; the context given, else the current one. Exec
 * plugins, OIDC, tokens and client certificates work. The library is loaded only here since it costs 80 MiB.
 */
export async function kubeconfigConfig(path?: string, context?: string): Promise<KubeAccess> {
  const config = await load(path);
  if (context !== undefined) choose(config, context);
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new SignalboxError('CONFIG_INVALID', 'the kubeconfig names no current cluster; pick one with --context');
  }
  if (path === undefined && config.getCurrentContext() === 'loaded-context' && cluster.server === LAST_RESORT) {
    throw new SignalboxError(
      'CONFIG_INVALID',
      'no kubeconfig found: set KUBECONFIG, pass --kubeconfig, or start a local control plane with `signalbox up`',
    );
  }
  const first = await httpsOptions(config);
  return {
    server: cluster.server.replace(/\/+$/, ''),
    ...(first.ca === undefined ? {} : { ca: first.ca }),
    ...(cluster.skipTLSVerify === true ? { insecure: true } : {}),
    ...(cluster.tlsServerName === undefined ? {} : { serverName: cluster.tlsServerName }),
    namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? 'default',
    credentials: cached(async () => (await httpsOptions(config)).credentials),
  };
}

async function load(path: string | undefined): Promise<KubeConfig> {
  if (path !== undefined && !existsSync(path)) {
    throw new SignalboxError('CONFIG_INVALID', `kubeconfig ${path} does not exist; name another with --kubeconfig`);
  }
  const library = await import('@kubernetes/client-node');
  const config = new library.KubeConfig();
  try {
    if (path === undefined) config.loadFromDefault();
    else config.loadFromFile(path);
  } catch (cause) {
    const found = path ?? process.env['KUBECONFIG'] ?? 'of the home directory';
    throw new SignalboxError('CONFIG_INVALID', `kubeconfig ${found} is not readable: ${String(cause)}`, { cause });
  }
  return config;
}

function choose(config: KubeConfig, context: string): void {
  const known = config.getContexts().map((item) => item.name);
  if (!known.includes(context)) {
    throw new SignalboxError(
      'CONFIG_INVALID',
      `context "${context}" is not in the kubeconfig; it has: ${known.join(', ') || 'none'}`,
    );
  }
  config.setCurrentContext(context);
}

/** What client-node would send, as plain values. */
async function httpsOptions(config: KubeConfig): Promise<{ readonly ca?: string; readonly credentials: Credentials }> {
  const options: Record<string, unknown> & { headers: Record<string, string> } = { headers: {} };
  await config.applyToHTTPSOptions(options as object as RequestOptions);
  const authorization = options.headers['Authorization'] ?? options.headers['authorization'];
  const credentials: Record<string, string> = {};
  if (authorization?.startsWith('Bearer ') === true) credentials['token'] = authorization.slice('Bearer '.length);
  if (typeof options['auth'] === 'string') credentials['basic'] = options['auth'];
  for (const field of ['cert', 'key', 'passphrase'] as const) {
    const text = pemText(options[field]);
    if (text !== undefined) credentials[field] = text;
  }
  const ca = pemText(options['ca']);
  return { ...(ca === undefined ? {} : { ca }), credentials };
}

function pemText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : undefined;
}
