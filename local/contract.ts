// Owns: the types that the CLI, tests and the supervising process share. No behaviour.

/** One line for people: what happens, from where, how long it took. */
export type Progress = (line: string) => void;

/** Which instance is meant. Several live side by side on one machine. */
export interface InstanceOptions {
  /** Lower case letters, digits and dashes; default `default`. */
  readonly name?: string;
  /** Overrides `$XDG_STATE_HOME/signalbox/<name>`. */
  readonly stateDir?: string;
}

export interface UpOptions extends InstanceOptions {
  /** Stay attached: the plane stops when the caller dies, is interrupted or calls `stop`. */
  readonly foreground?: boolean;
  /** Folder that Pods run in (`dist/engine.mjs` is found there); default: the project's root. */
  readonly root?: string;
  /** Images the local node runs as processes; default `signalbox`, matched without tag or digest. */
  readonly images?: readonly string[];
  /** Milliseconds that the Deployments of `deploy/` get to become Ready; default 60,000. */
  readonly readyTimeoutMs?: number;
  /** Apply `crds/` and `deploy/`; default true. */
  readonly system?: boolean;
}

export interface DownOptions extends InstanceOptions {
  /** Keep etcd, JetStream, keys and secrets, so that the next `up` goes on where this one ended. */
  readonly keepData?: boolean;
}

export type ServerName = 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'nats-server';

/** What `killProcess` accepts: a server, or the role of a Pod (its label `app.kubernetes.io/component`). */
export type KillRole =
  'etcd' | 'apiserver' | 'kcm' | 'nats-server' | 'operator' | 'engine' | 'gateway' | 'worker' | 'supervisor';

export interface ServerStatus {
  readonly name: ServerName;
  readonly version: string;
  readonly pid?: number;
  readonly port: number;
  readonly restarts: number;
  readonly rssMiB?: number;
  /** What the server is doing: `running`, `starting`, or why it is not. */
  readonly state: string;
}

export interface PodStatusLine {
  readonly namespace: string;
  readonly name: string;
  /** Label `app.kubernetes.io/component`, or empty. */
  readonly role: string;
  /** Label `signalbox.dev/agent`: the Agent a worker works for. */
  readonly agent?: string;
  readonly phase: string;
  readonly ready: boolean;
  readonly restarts: number;
  readonly ip?: string;
  /** Of the first container. */
  readonly pid?: number;
  /** Of the containers' own processes, without what they started. */
  readonly rssMiB?: number;
  /** Why a container waits or ended, when it does. */
  readonly reason?: string;
}

/** What nats-server says about itself over its monitoring port. */
export interface NatsSync {
  readonly version: string;
  readonly jetstream: boolean;
  /** True when every acknowledged message is on disk. */
  readonly syncAlways: boolean;
}

export interface PlaneStatus {
  readonly instance: string;
  readonly stateDir: string;
  readonly running: boolean;
  readonly supervisorPid?: number;
  readonly supervisorRssMiB?: number;
  /** Seconds since the supervising process started. */
  readonly uptimeSeconds?: number;
  readonly kubeServer?: string;
  readonly natsUrl?: string;
  /** Forward proxy that resolves Service names, such as `http://engine.signalbox-system`. */
  readonly proxyUrl?: string;
  readonly servers: readonly ServerStatus[];
  readonly pods: readonly PodStatusLine[];
  readonly nats?: NatsSync;
}

/** How processes reach NATS. Passwords are generated per instance and live in files of mode 0600. */
export interface PlaneConnection {
  readonly natsUrl: string;
  readonly monitorUrl: string;
  readonly users: Readonly<Record<NatsUser, { readonly user: string; readonly password: string }>>;
  /** Account nkey seed (`SA…`) that signs the answers of the auth callout. */
  readonly issuerSeed: string;
  readonly issuerPublic: string;
}

export type NatsUser =
  'operator' | 'engine' | 'gateway' | 'operator-work' | 'engine-work' | 'gateway-work' | 'callout' | 'system';

/** How clients reach the API server; the token is in group system:masters. */
export interface KubeConnection {
  readonly server: string;
  readonly token: string;
  readonly caPem: string;
}

export interface LogOptions extends InstanceOptions {
  readonly namespace: string;
  readonly pod: string;
  /** Default: the only container, or the first one. */
  readonly container?: string;
  /** Keep going until the signal fires or the Pod is gone. */
  readonly follow?: boolean;
  /** Last lines only; default all that is kept (two files of 10 MiB at most). */
  readonly tail?: number;
  readonly signal?: AbortSignal;
}

export interface ServiceQuery extends InstanceOptions {
  readonly namespace: string;
  readonly service: string;
  /** Service port by number or name; default the first one. */
  readonly port?: number | string;
}

export interface Killed {
  readonly pid: number;
  /** `kube-apiserver`, or `namespace/pod/container`. */
  readonly what: string;
}

/** What `up` hands back. */
export interface UpResult {
  readonly status: PlaneStatus;
  /** False when the instance was running already. */
  readonly started: boolean;
  /** Foreground only: stops everything, as `down` with `keepData` does. */
  readonly stop?: () => Promise<void>;
  /** Foreground only: resolves when the supervising process has ended. */
  readonly ended?: Promise<void>;
}
