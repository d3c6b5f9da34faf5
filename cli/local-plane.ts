// Owns: what the verbs need of the local control plane. The layer `local` has more; only `main.ts` knows it.
import type { Scenario } from '../api/v1alpha1/scenario.ts';
import type { Manifests } from '../core/evaluation/catalog.ts';
import type { TrialRecord } from '../core/evaluation/record.ts';

export interface Instance {
  readonly name?: string;
  readonly stateDir?: string;
}

export interface ServerLine {
  readonly name: string;
  readonly version: string;
  readonly pid?: number;
  readonly port: number;
  readonly restarts: number;
  readonly rssMiB?: number;
  readonly state: string;
}

export interface PodLine {
  readonly namespace: string;
  readonly name: string;
  readonly role: string;
  /** Name of the Agent, for workers. */
  readonly agent?: string;
  readonly phase: string;
  readonly ready: boolean;
  readonly restarts: number;
  readonly ip?: string;
  readonly pid?: number;
  readonly rssMiB?: number;
  readonly reason?: string;
}

export interface LocalStatus {
  readonly instance: string;
  readonly stateDir: string;
  readonly running: boolean;
  readonly supervisorPid?: number;
  readonly supervisorRssMiB?: number;
  readonly uptimeSeconds?: number;
  readonly kubeServer?: string;
  readonly natsUrl?: string;
  readonly servers: readonly ServerLine[];
  readonly pods: readonly PodLine[];
  readonly nats?: { readonly version: string; readonly jetstream: boolean; readonly syncAlways: boolean };
}

export interface UpAnswer {
  readonly status: LocalStatus;
  readonly started: boolean;
  readonly stop?: () => Promise<void>;
  readonly ended?: Promise<void>;
}

export interface LocalLogs extends Instance {
  readonly namespace: string;
  readonly pod: string;
  readonly container?: string;
  readonly follow?: boolean;
  readonly tail?: number;
  readonly signal?: AbortSignal;
}

/** A server, or the role of a Pod: what a fault may strike. */
export type KillRole =
  'etcd' | 'apiserver' | 'kcm' | 'nats-server' | 'operator' | 'engine' | 'gateway' | 'worker' | 'supervisor';

type Progress = (line: string) => void;

/** Plays trials on this machine; rejects when it is gone. */
export interface LocalSandbox {
  play(scenario: Scenario, trial: number): Promise<TrialRecord>;
  stop(): Promise<void>;
}

export interface LocalPlane {
  up(options: Instance & { readonly foreground?: boolean }, progress: Progress): Promise<UpAnswer>;
  down(options: Instance & { readonly keepData?: boolean }, progress: Progress): Promise<{ readonly existed: boolean }>;
  status(options?: Instance): Promise<LocalStatus>;
  kubeconfig(options?: Instance): Promise<string>;
  kubeConnection(
    options?: Instance,
  ): Promise<{ readonly server: string; readonly token: string; readonly caPem: string }>;
  logs(options: LocalLogs): AsyncIterable<string>;
  /** `http://<address>:<port>` of one ready Pod behind a Service. */
  serviceUrl(query: Instance & { readonly namespace: string; readonly service: string }): Promise<string>;
  startSandbox(manifests: Manifests, progress: Progress): Promise<LocalSandbox>;
  /** SIGKILL, as a fault. */
  killProcess(instance: Instance, role: KillRole): Promise<{ readonly pid: number; readonly what: string }>;
}
