// Owns: what a worker is made of. It has no credential but its NATS token, and no rights but to ask.
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import { bundleToken, type WorkerIdentity } from '../../api/messages/subjects.ts';
import type { Bus, Presence } from '../../ports/bus.ts';
import type { Clock, Log, Metrics } from '../../ports/system.ts';
import type { SchemaChecks } from '../json-schema.ts';
import type { Activity } from './worker.ts';

export interface WorkerPorts {
  /** Account WORK. */
  readonly bus: Bus;
  /** With it, the loss of the connection is seen at once. */
  readonly presence?: Presence;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface WorkerSettings {
  readonly namespace: string;
  readonly agent: string;
  readonly bundle: ResolvedBundle;
  readonly slots: number;
  /** Name of the pod. */
  readonly name: string;
}

export interface Worker extends WorkerPorts {
  readonly settings: WorkerSettings;
  readonly identity: WorkerIdentity;
  readonly schemas: SchemaChecks;
  readonly ended: (labels: { end: string }) => void;
  readonly activity: Activity;
  /** Slots that have nothing to do. */
  readonly free: () => number;
}

export const identityOf = ({ namespace, agent, bundle }: WorkerSettings): WorkerIdentity => ({
  namespace,
  agent,
  bundle: bundleToken(bundle.digest),
});
