// Owns: how a program reaches and proves itself to an API server.
import { readFile } from 'node:fs/promises';
import { SignalboxError } from '../../api/errors.ts';

/** What proves who we are: a bearer token, a client certificate, or both absent (anonymous). */
export interface Credentials {
  readonly token?: string;
  /** `user:password`. */
  readonly basic?: string;
  /** PEM bundle, where it may change while we run; else `KubeAccess.ca` holds. */
  readonly ca?: string;
  /** PEM. */
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
}

/** One API server and the credentials for it. */
export interface KubeAccess {
  /** Base URL without a trailing slash. */
  readonly server: string;
  /** PEM bundle; the machine's roots when absent. */
  readonly ca?: string;
  readonly insecure?: boolean;
  /** Name the server's certificate must carry, when it differs from the URL's host. */
  readonly serverName?: string;
  /** Namespace used where none is given. */
  readonly namespace: string;
  /** Current credentials, at most 60 s old; `refresh` reads them again (after a 401). */
  credentials(refresh?: boolean): Promise<Credentials>;
}

const MAX_AGE_MS = 60_000;

/** Keeps what `read` gave for 60 s; concurrent callers share one read. */
export function cached<T>(read: () => Promise<T>): (refresh?: boolean) => Promise<T> {
  let last: { readonly at: number; readonly value: Promise<T> } | undefined;
  return (refresh = false) => {
    const now = performance.now();
    if (last === undefined || refresh || now - last.at > MAX_AGE_MS) {
      const entry = { at: now, value: read() };
      last = entry;
      entry.value.catch(() => {
        if (last === entry) last = undefined;
      });
    }
    return last.value;
  };
}

const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * The service account of the Pod. `SIGNALBOX_ROOT` stands for the Pod's root directory where Pods run as plain
 * processes.
 */
export async function inClusterConfig(environment: NodeJS.ProcessEnv = process.env): Promise<KubeAccess> {
  const host = environment['KUBERNETES_SERVICE_HOST'];
  const port = environment['KUBERNETES_SERVICE_PORT'];
  if (host === undefined || host === '' || port === undefined || port === '') {
    throw new SignalboxError(
      'CONFIG_INVALID',
      'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no Pod; use a kubeconfig instead',
    );
  }
  const folder = `${environment['SIGNALBOX_ROOT'] ?? ''}${ACCOUNT_FOLDER}`;
  const [ca, namespace] = await Promise.all([readText(`${folder}/ca.crt`), readText(`${folder}/namespace`)]);
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca,
    namespace: namespace.trim(),
    credentials: cached(async () => ({
      token: (await readText(`${folder}/token`)).trim(),
      ca: await readText(`${folder}/ca.crt`),
    })),
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new SignalboxError(
      'CONFIG_INVALID',
      `${path} cannot be read: the Pod needs automountServiceAccountToken or a projected token volume`,
      { cause },
    );
  }
}
