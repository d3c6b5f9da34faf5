// Owns: serving a partition while this engine wants it. A lease is renewed every second and lasts three; while it may be over
// nothing is answered. Two engines that both believe in theirs are kept apart by the journal's compare-and-set.
import { type ErrorCode, isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type { Subscription } from '../../ports/bus.ts';
import type { Catalog } from './catalog.ts';
import type { EngineMetrics } from './metrics.ts';
import type { EnginePorts, EngineSettings } from './ports.ts';
import { serveRefusals } from './refusing.ts';
import type { Fallback } from './fallbacks.ts';
import type { Family } from './children.ts';
import { Serving } from './serving.ts';
import { failpoint } from '../../ports/failpoint.ts';
import type { Witnesses } from './witnesses.ts';

const RENEW_MS = 1_000;
/** Shorter than the lease: nothing is answered on a lease that may be over. */
const TRUST_MS = 2_500;
const RELOAD_MS = 250;
/** A journal that cannot be served is looked at again after this, or when NATS is back: its store may have been mended. */
const LOOK_AGAIN_MS = 15_000;
/** What is under way when a partition is given to another engine gets this long; the lease lasts longer. */
const FINISH_MS = 1_000;
const FINISH_STEP_MS = 5;

export interface OwnerOptions {
  readonly ports: EnginePorts;
  readonly settings: EngineSettings;
  readonly catalog: Catalog;
  readonly metrics: EngineMetrics;
  readonly witnesses: Witnesses;
  /** Subscribes to everything that is asked of the partition. */
  readonly subscribe: (serving: Serving) => readonly Subscription[];
  readonly startFallback: (fallback: Fallback) => Promise<void>;
  readonly family: Family;
}

interface Active {
  /** Undefined: the journal is not trusted or cannot be written, and everybody is told so. */
  readonly serving?: Serving;
  readonly subscriptions: readonly Subscription[];
}

const stops: ReadonlySet<string> = new Set<ErrorCode>([
  'JOURNAL_CORRUPT',
  'JOURNAL_ROLLED_BACK',
  'JOURNAL_FULL',
  'JOURNAL_UNWRITABLE',
  'JOURNAL_NEWER',
]);
const isLoudStop = (error: unknown): error is SignalboxError => isSignalboxError(error) && stops.has(error.code);

/** One partition's life in this engine while it is wanted: take the lease, load, serve; let go, or load again. */
export class PartitionOwner {
  readonly number: number;
  readonly #options: OwnerOptions;
  #heldAt = Number.NEGATIVE_INFINITY;
  #active: Active | undefined;
  #loading = false;
  #lost = false;
  #asked = false;
  #wanted = false;
  #wake: () => void = () => undefined;
  #stopped = false;
  #running: Promise<void> | undefined;
  #problem: string | undefined;
  /** Its journal was refused, and is not served since. */
  #refused = false;
  #lookAgainAt = 0;

  constructor(number: number, options: OwnerOptions) {
    this.number = number;
    this.#options = options;
  }

  get serving(): Serving | undefined {
    return this.#active?.serving;
  }

  /** Why the partition is not served although it is this engine's. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** True once it is known who has the partition. */
  get settled(): boolean {
    return this.#asked && (this.#refused || (!this.#loading && !this.#lost));
  }

  /** Wanted here and refused, also while it is looked at once more. */
  get refused(): boolean {
    return this.#wanted && this.#refused;
  }

  /** NATS is back, perhaps with another store. */
  reconnected(): void {
    this.#lookAgainAt = 0;
    this.#active?.serving?.reconnected();
  }

  /** Somebody outside the store knows something of its journal: it is looked at again, with that. */
  told(): void {
    this.#lookAgainAt = 0;
    if (this.#problem !== undefined || (this.#active === undefined && !this.#loading)) return;
    this.#lose(new Error('the operator has told how far the journal was committed'));
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Whether this engine shall have the partition. One that it has and shall not have any more is given away in good order. */
  want(wanted: boolean): void {
    if (!wanted) this.#asked = true;
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.#refused = false;
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await this.#giveAway();
  }

  get wanted(): boolean {
    return this.#wanted;
  }

  async #attend(): Promise<void> {
    if (this.#lost && !this.#loading) await this.#letGo();
    if (this.#problem !== undefined && performance.now() >= this.#lookAgainAt) await this.#letGo();
    if (this.#wanted && this.#holding() && this.#active === undefined && !this.#loading) void this.#load();
  }

  /** Ends early when what is wanted changes. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      void this.#options.ports.clock.sleep(ms).then(resolve);
    });
  }

  #holding(): boolean {
    return performance.now() - this.#heldAt < TRUST_MS;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const wanted = this.#wanted;
      // What is being loaded is served for a moment before it is given away.
      if (wanted || this.#loading) await this.#renew();
      // What was loaded after the lease was lost is given away, too: it would answer everybody that it is not the owner.
      else if (this.#heldAt !== Number.NEGATIVE_INFINITY || this.#active !== undefined) await this.#giveAway();
      const until = performance.now() + RENEW_MS;
      while (!this.#stopped && this.#wanted === wanted && performance.now() < until) {
        await this.#attend();
        await this.#pause(Math.min(RELOAD_MS, Math.max(1, until - performance.now())));
      }
    }
  }

  async #renew(): Promise<void> {
    const { ports, settings } = this.#options;
    const asked = performance.now();
    try {
      const held = await ports.ownership.hold(this.number, settings.name);
      this.#asked = true;
      if (held) {
        // Taken again after a time without it: somebody else may have had it, and written, meanwhile.
        const { serving } = this;
        if (serving !== undefined && asked - this.#heldAt >= TRUST_MS) await serving.partition.notice();
        this.#heldAt = asked;
        failpoint('engine.lease.held');
      } else {
        this.#heldAt = Number.NEGATIVE_INFINITY;
        if (this.#active !== undefined) await this.#letGo();
      }
    } catch (error) {
      ports.log.debug('a lease could not be renewed', { partition: this.number, error });
    }
  }

  async #load(): Promise<void> {
    const { ports, settings, catalog, metrics, witnesses, startFallback, family, subscribe } = this.#options;
    const log = ports.log.child({ partition: this.number });
    this.#loading = true;
    this.#lost = false;
    const started = performance.now();
    let serving: Serving | undefined;
    try {
      const journal = await ports.journal.partition(this.number);
      serving = new Serving({
        ports,
        settings,
        catalog,
        metrics,
        journal,
        holding: () => this.#holding(),
        lost: (error) => this.#lose(error),
        startFallback,
        family,
      });
      const { partition } = serving;
      await serving.load(await witnesses.known(this.number));
      failpoint('engine.load.folded');
      witnesses.follow(this.number, () => partition.end);
      if (this.#stopped) {
        void serving.stop();
        return;
      }
      this.#active = { serving, subscriptions: subscribe(serving) };
      failpoint('engine.load.served');
      this.#refused = false;
      metrics.untrusted(this.number, false);
      metrics.parked(this.number, false);
      const ms = Math.round(performance.now() - started);
      metrics.takenOver(this.number, ms / 1_000);
      log.info('serving a partition', { records: serving.partition.seq, ms });
    } catch (error) {
      void serving?.stop();
      if (isLoudStop(error)) {
        this.#refuse(error);
        return;
      }
      const level = isSignalboxError(error, 'NOT_FOUND') ? 'debug' : 'warn';
      log[level]('a partition could not be loaded; it is tried again', { error });
      await ports.clock.sleep(RELOAD_MS);
    } finally {
      this.#loading = false;
    }
  }

  /** A loud stop: the partition stays here and answers everybody with the reason, until its store is whole. */
  #refuse(error: SignalboxError): void {
    const { ports, metrics } = this.#options;
    this.#problem = error.message;
    this.#refused = true;
    this.#lookAgainAt = performance.now() + LOOK_AGAIN_MS;
    if (error.code === 'JOURNAL_ROLLED_BACK') void this.#options.witnesses.insist(this.number);
    const parked = error.code === 'JOURNAL_NEWER';
    metrics.untrusted(this.number, !parked);
    metrics.parked(this.number, parked);
    const why = parked ? 'was written on by a newer engine' : 'is not trusted or cannot be written';
    ports.log.error(`the journal of a partition ${why}; nothing of it is served`, { partition: this.number, error });
    this.#active = { subscriptions: serveRefusals(ports, this.number, error) };
  }

  #lose(error: unknown): void {
    if (this.#stopped || !this.#wanted) return;
    this.#lost = true;
    const fenced = isSignalboxError(error, 'JOURNAL_FENCED');
    this.#options.ports.log.warn(fenced ? 'fenced by another owner; reloading' : 'reloading a partition', {
      partition: this.number,
      error,
    });
  }

  /** Nothing of this engine may be written after the lease is free: the next owner would be fenced by it. */
  async #giveAway(): Promise<void> {
    const { ports, settings } = this.#options;
    const finish = performance.now() + FINISH_MS;
    const active = this.#active;
    active?.serving?.endings.stop();
    await Promise.race([this.#unsubscribe(active), ports.clock.sleep(FINISH_MS)]);
    const { serving } = active ?? {};
    while (serving?.partition.idle === false && performance.now() < finish) await ports.clock.sleep(FINISH_STEP_MS);
    const ended = serving?.stop();
    await this.#letGo();
    await ended;
    this.#heldAt = Number.NEGATIVE_INFINITY;
    await ports.ownership.release(this.number, settings.name).catch(() => undefined);
    if (serving !== undefined) ports.log.info('a partition was given away', { partition: this.number });
  }

  async #letGo(): Promise<void> {
    const active = this.#active;
    this.#active = undefined;
    this.#lost = false;
    this.#problem = undefined;
    if (active === undefined) return;
    this.#options.witnesses.leave(this.number);
    void active.serving?.stop();
    await this.#unsubscribe(active);
  }

  async #unsubscribe(active: Active | undefined): Promise<void> {
    await Promise.all((active?.subscriptions ?? []).map((subscription) => subscription.stop()));
  }
}
