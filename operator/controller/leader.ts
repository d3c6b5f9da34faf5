// Owns: which replica leads, by a Lease. Invariants: (L1) we stop believing in our leadership before anybody else may
// begin theirs: the deadline counts from the START of the last renewal that succeeded, on a clock that never jumps;
// (L2) another's Lease is expired when WE saw it unchanged for its duration, never by comparing clocks; (L3) the epoch,
// the Lease's resourceVersion when taken, grows with every leader even if the Lease was deleted between.
import { isSignalboxError } from '../../api/errors.ts';
import type { Kube, KubeObject, ObjectKey } from '../../ports/kube.ts';
import { LEASE, apiVersionOf, keyText } from '../../ports/resources.ts';
import type { Clock, Log, Metrics } from '../../ports/system.ts';
import type { Leadership } from './guard.ts';
import { microTime } from './micro-time.ts';

/** Milliseconds. The renewal deadline must be shorter than the lease, the retry period shorter than the deadline. */
export interface LeaseTimes {
  readonly leaseMs: number;
  readonly renewMs: number;
  readonly retryMs: number;
}

export const CLUSTER_LEASE: LeaseTimes = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2_000 };

export interface ElectionOptions {
  readonly kube: Kube;
  readonly lease: ObjectKey;
  /** Unique among running replicas. The Pod's name is right: its restarted container takes its own Lease back at once. */
  readonly identity: string;
  readonly times?: LeaseTimes;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics;
  readonly monotonicMs?: () => number;
}

interface LeaseObject extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string | null;
    readonly leaseDurationSeconds?: number | null;
    readonly acquireTime?: string | null;
    readonly renewTime?: string | null;
    readonly leaseTransitions?: number | null;
  };
}

export class Election implements Leadership {
  readonly #options: ElectionOptions;
  readonly #times: LeaseTimes;
  readonly #now: () => number;
  readonly #log: Log;
  readonly #gauge: ((value: number) => void) | undefined;
  #lease: LeaseObject | undefined;
  #goodUntil = -Infinity;
  #epoch: number | undefined;
  /** The foreign record we last saw, and when it last changed before our eyes. */
  #observed: { readonly version: string; readonly at: number } | undefined;

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#times = options.times ?? CLUSTER_LEASE;
    const { leaseMs, renewMs, retryMs } = this.#times;
    if (!(leaseMs > renewMs && renewMs > retryMs && retryMs > 0)) {
      throw new RangeError(`lease times must fall: lease ${leaseMs} ms > renew ${renewMs} ms > retry ${retryMs} ms`);
    }
    this.#now = options.monotonicMs ?? (() => performance.now());
    this.#log = options.log.child({ lease: keyText(options.lease), identity: options.identity });
    const gauge = options.metrics?.gauge('leader_election_master_status', '1 while this replica leads.', ['name']);
    this.#gauge = gauge && ((value) => gauge(value, { name: options.lease.name }));
    this.#gauge?.(0);
  }

  isLeader(): boolean {
    return this.#now() < this.#goodUntil;
  }

  epoch(): number | undefined {
    return this.#epoch;
  }

  /** Resolves when we lead; rejects with the signal's reason. */
  async acquire(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (await this.#attempt(() => this.#tryAcquire())) {
        this.#gauge?.(1);
        this.#log.info('leading', { epoch: this.#epoch });
        return;
      }
      await this.#options.clock.sleep(this.#times.retryMs * (1 + Math.random() * 0.2), signal);
    }
  }

  /** Renews until the signal fires (then resolves `stopped`) or leadership is lost (`lost`: exit, do not drain). */
  async hold(signal: AbortSignal): Promise<'stopped' | 'lost'> {
    while (!signal.aborted) {
      await this.#options.clock.sleep(this.#times.retryMs, signal).catch(() => undefined);
      if (signal.aborted) break;
      if (!(await this.#attempt(() => this.#tryRenew())) && !this.isLeader()) {
        this.#goodUntil = -Infinity;
        this.#gauge?.(0);
        this.#log.error('leadership lost');
        return 'lost';
      }
    }
    return 'stopped';
  }

  /** Gives the Lease away, so that the next leader need not wait. Call once nothing writes any more. */
  async release(): Promise<void> {
    const lease = this.#lease;
    const leading = this.isLeader();
    this.#goodUntil = -Infinity;
    this.#gauge?.(0);
    if (!leading || lease?.spec === undefined) return;
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: this.#stamp() };
    await this.#options.kube.replace(LEASE, { ...lease, spec }).catch((error: unknown) => {
      this.#log.warn('the lease could not be released; the next leader waits until it expires', { error });
    });
  }

  async #attempt(step: () => Promise<boolean>): Promise<boolean> {
    try {
      return await step();
    } catch (error) {
      const conflict = isSignalboxError(error, 'KUBE_CONFLICT');
      if (!conflict) this.#log.warn('a lease request failed', { error });
      return false;
    }
  }

  async #tryAcquire(): Promise<boolean> {
    const startedAt = this.#now();
    const { kube, lease: key } = this.#options;
    const seen = await kube.get<LeaseObject>(LEASE, key);
    if (seen === undefined)
      return this.#take(startedAt, () => kube.create<LeaseObject>(LEASE, this.#object(undefined)));
    if (!this.#isFree(seen)) return false;
    return this.#take(startedAt, () => kube.replace<LeaseObject>(LEASE, this.#object(seen)));
  }

  async #take(startedAt: number, write: () => Promise<LeaseObject>): Promise<boolean> {
    const written = await write();
    this.#lease = written;
    this.#epoch = Number(written.metadata.resourceVersion);
    this.#goodUntil = startedAt + this.#times.renewMs;
    return this.isLeader();
  }

  #isFree(seen: LeaseObject): boolean {
    const holder = seen.spec?.holderIdentity ?? '';
    if (holder === '' || holder === this.#options.identity) return true;
    const version = seen.metadata.resourceVersion ?? '';
    if (this.#observed?.version !== version) {
      this.#observed = { version, at: this.#now() };
      return false;
    }
    const durationMs = (seen.spec?.leaseDurationSeconds ?? this.#times.leaseMs / 1_000) * 1_000;
    return this.#now() - this.#observed.at > durationMs;
  }

  async #tryRenew(): Promise<boolean> {
    const startedAt = this.#now();
    const lease = this.#lease;
    if (lease?.spec === undefined) return false;
    try {
      const spec = { ...lease.spec, renewTime: this.#stamp() };
      this.#lease = await this.#options.kube.replace<LeaseObject>(LEASE, { ...lease, spec });
    } catch (error) {
      await this.#afterRenewFailure(error);
      return false;
    }
    this.#goodUntil = startedAt + this.#times.renewMs;
    return true;
  }

  /** A renewal may have arrived although its answer was lost: take the record as it is now, if it is still ours. */
  async #afterRenewFailure(error: unknown): Promise<void> {
    if (!isSignalboxError(error, 'KUBE_CONFLICT') && !isSignalboxError(error, 'NOT_FOUND')) throw error;
    const seen = await this.#options.kube.get<LeaseObject>(LEASE, this.#options.lease);
    if (seen?.spec?.holderIdentity === this.#options.identity) {
      this.#lease = seen;
      return;
    }
    this.#goodUntil = -Infinity;
  }

  #object(seen: LeaseObject | undefined): LeaseObject {
    const { lease, identity } = this.#options;
    const stamp = this.#stamp();
    return {
      apiVersion: apiVersionOf(LEASE),
      kind: LEASE.kind,
      metadata: seen?.metadata ?? lease,
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(this.#times.leaseMs / 1_000),
        acquireTime: stamp,
        renewTime: stamp,
        leaseTransitions: (seen?.spec?.leaseTransitions ?? -1) + 1,
      },
    };
  }

  #stamp(): string {
    return microTime(this.#options.clock.now());
  }
}
