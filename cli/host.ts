// Owns: what a verb may use of the world. `main.ts` fills it in; tests fill it with their own. No verb touches the process.
import type { Kube } from '../ports/kube.ts';
import type { Clock } from '../ports/system.ts';
import type { LocalPlane } from './local-plane.ts';
import type { Screen } from './output/screen.ts';

/** One API server and how this caller proves who they are. */
export interface ClusterAccess {
  /** Base URL without a trailing slash. */
  readonly server: string;
  /** PEM bundle; the machine's roots when absent. */
  readonly ca?: string;
  readonly insecure?: boolean;
  readonly serverName?: string;
  /** Used where no namespace is given. */
  readonly namespace: string;
  /** The local instance this may be, by the name of its cluster. */
  readonly instance?: string;
  credentials(refresh?: boolean): Promise<ClusterCredentials>;
}

export interface ClusterCredentials {
  readonly token?: string;
  readonly basic?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
}

/** A connection that must be closed, or the program would wait for it. */
export interface OpenKube extends Kube {
  close(): Promise<void>;
}

export interface Host {
  readonly screen: Screen;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Fires on Ctrl-C: whatever waits or follows ends quietly. */
  readonly interrupted: AbortSignal;
  readonly version: string;
  /** Everything on standard input, at most 1 MiB. */
  readStdin(): Promise<string>;
  /** The local control plane; loaded on first use. */
  local(): Promise<LocalPlane>;
  /** Reads a kubeconfig with the official library: exec plugins, OIDC. Slow to load, so only where the quick reader cannot. */
  kubeconfigAccess(path?: string, context?: string): Promise<ClusterAccess>;
  connect(access: ClusterAccess, timeoutMs: number): Promise<OpenKube>;
}
