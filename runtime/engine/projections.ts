// Owns: the buckets `runs` and `escalations`: what operators and people see. Derived: written after the commit, coalesced, and
// written again whole after a takeover or a reconnect.
//   O1: a run that an object shows, or that has asked a person, is written at once, to its end.
//   O2: any other is written when it stays open for a while, so that its pins are known, and then at its end: a run that ends
//       sooner costs nothing here. What the bucket says is open is open, or is corrected soon.
//   O3: nothing is written on a lease that may be over: another engine's newer word would be lost.
import { escalationsOf, summaryOf } from '../../core/workflow/summary.ts';
import type { EscalationRecord, RunSummary } from '../../api/messages/history.ts';
import { buckets } from '../../api/messages/subjects.ts';
import type { RunState } from '../../core/workflow/state.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import type { Log } from '../../ports/system.ts';
import { failpoint } from '../../ports/failpoint.ts';

const parallelMax = 16;
const RETRY_MS = 500;
/** Tries in a row, half a second apart. */
const triesMax = 40;
/** Closed runs of a partition that stay in the bucket; older ones are in the journal only. */
export const closedMax = 2_000;
/** Runs that are looked at before others have their turn. */
const portionMax = 256;
/** A run that nobody asks for by name is written when it has been open, or unwritten, for this long. */
const settleMs = 200;

export interface Opening {
  readonly partition: number;
  readonly all: () => Iterable<string>;
  readonly changed: Iterable<string>;
  /** Keys of closed runs that may be in the bucket, the oldest first. */
  readonly closed: readonly string[];
}

export class Projections {
  readonly #bus: Bus;
  readonly #log: Log;
  readonly #state: (run: string) => RunState | undefined;
  readonly #serving: () => boolean;
  readonly #givenUp: (run: string, tries: number, error: unknown) => void;
  readonly #failures = new Map<string, number>();
  readonly #dirty = new Set<string>();
  /** Runs that changed lately and are not written yet, oldest first, with the time. */
  readonly #young = new Map<string, number>();
  /** Runs that the bucket shows as open. */
  readonly #written = new Set<string>();
  readonly #closed = new Set<string>();
  readonly #settled = new Set<string>();
  #runs: Bucket<RunSummary> | undefined;
  #escalations: Bucket<EscalationRecord> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #marks: Bucket<boolean> | undefined;
  /** The partition that gets its mark when everything is written. */
  #whole: number | undefined;
  /** The bucket may show runs that an owner before has written. */
  #inherited = false;
  readonly #writing = new Set<string>();
  #working = false;
  #stopped = false;

  /** `givenUp`: the projection of this run could not be written although the bus was there; it is left until it changes. */
  constructor(
    { bus, log }: { readonly bus: Bus; readonly log: Log },
    of: {
      readonly state: (run: string) => RunState | undefined;
      readonly serving: () => boolean;
      readonly givenUp: (run: string, tries: number, error: unknown) => void;
    },
  ) {
    this.#serving = of.serving;
    this.#bus = bus;
    this.#givenUp = of.givenUp;
    this.#log = log;
    this.#state = of.state;
  }

  /** These runs have changed. */
  touch(runs: Iterable<string>): void {
    for (const run of runs) this.#touch(run);
    if (this.#dirty.size > 0) void this.#work();
  }

  #touch(run: string): void {
    const state = this.#state(run);
    if (state === undefined) return;
    if (state.object !== undefined || state.escalations.length > 0) this.#dirty.add(run);
    else if (state.status === 'Closed') {
      this.#young.delete(run);
      // A run that changed lately may have begun long ago, and be shown as open by an owner before.
      if (this.#written.has(run) || this.#inherited) this.#dirty.add(run);
    } else if (!this.#young.has(run)) {
      this.#young.set(run, performance.now());
      this.#timer ??= setTimeout(() => this.#settle(), settleMs);
    }
  }

  /** Those that are not young any more. */
  #settle(): void {
    this.#timer = undefined;
    const until = performance.now() - settleMs;
    for (const [run, since] of this.#young) {
      if (since > until) break;
      this.#young.delete(run);
      this.#dirty.add(run);
    }
    if (this.#young.size > 0 && !this.#stopped) this.#timer = setTimeout(() => this.#settle(), settleMs / 2);
    void this.#work();
  }

  /**
   * `changed` is corrected. Everything else too, unless a mark, which vanishes with the buckets, says that they were whole when
   * the last owner went.
   */
  async open({ partition, all, changed, closed }: Opening): Promise<void> {
    for (const key of closed) this.#closed.add(key);
    for (const run of changed) this.#dirty.add(run);
    void this.#work();
    if (await this.#isMarked(partition)) return;
    this.#settled.clear();
    this.#written.clear();
    let looked = 0;
    for (const run of all()) {
      if (this.#stopped) return;
      const state = this.#state(run);
      const shown = state?.object !== undefined || (state?.escalations.length ?? 0) > 0;
      if (state?.status !== 'Closed' || shown) this.#dirty.add(run);
      looked += 1;
      if (looked % portionMax === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await this.#correct();
    this.#whole = partition;
    void this.#work();
  }

  async #isMarked(partition: number): Promise<boolean> {
    while (!this.#stopped) {
      try {
        this.#marks ??= await this.#bus.bucket<boolean>(buckets.projected);
        this.#inherited = (await this.#marks.get(`p${partition}`)) !== undefined;
        return this.#inherited;
      } catch (error) {
        this.#log.debug('it is not known yet whether projections are whole', { error });
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    return true;
  }

  /** True when the run is not shown as it is, and should be. */
  isBehind(run: string): boolean {
    return this.#dirty.has(run) || this.#writing.has(run) || this.#young.has(run);
  }

  async #correct(): Promise<void> {
    while (!this.#stopped) {
      try {
        this.#runs ??= await this.#bus.bucket<RunSummary>(buckets.runs);
        const shown = (await this.#runs.keys()).map((key) => key.slice(key.indexOf('.') + 1));
        for (const run of shown) if (this.#state(run) !== undefined) this.#dirty.add(run);
        void this.#work();
        return;
      } catch (error) {
        this.#log.debug('the projection of runs could not be read; it is tried again', { error });
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  get behind(): number {
    return this.#dirty.size + this.#young.size;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#dirty.clear();
    this.#young.clear();
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    try {
      while ((this.#dirty.size > 0 || (await this.#marked())) && !this.#stopped) {
        const some = this.#take();
        const failed = (await Promise.all(some.map((run) => this.#write(run)))).flat();
        this.#writing.clear();
        if (failed.length > 0) {
          for (const run of failed) this.#dirty.add(run);
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        }
      }
    } finally {
      this.#working = false;
    }
  }

  #take(): readonly string[] {
    const some: string[] = [];
    for (const run of this.#dirty) {
      if (some.length >= parallelMax) break;
      some.push(run);
      this.#dirty.delete(run);
      this.#writing.add(run);
    }
    return some;
  }

  /** Everything is written: says so once, and whether more has come meanwhile. */
  async #marked(): Promise<boolean> {
    const partition = this.#whole;
    this.#whole = undefined;
    if (partition !== undefined && !this.#stopped) await this.#marks?.put(`p${partition}`, true).catch(() => undefined);
    return this.#dirty.size > 0;
  }

  /** Resolves to the run when it has to be written again. */
  async #write(run: string): Promise<readonly string[]> {
    const later = (): readonly string[] => (this.#stopped ? [] : [run]);
    const state = this.#state(run);
    if (state === undefined) return [];
    // Said before anything is waited for: a run that ends meanwhile is written once more.
    if (state.status !== 'Closed') this.#written.add(run);
    try {
      failpoint('engine.projection.before');
      this.#runs ??= await this.#bus.bucket<RunSummary>(buckets.runs);
      this.#escalations ??= await this.#bus.bucket<EscalationRecord>(buckets.escalations);
      for (const record of escalationsOf(state)) {
        const key = `${record.namespace}.${record.escalation.id}`;
        if (this.#settled.has(key)) continue;
        if (!this.#serving()) return later();
        await this.#escalations.put(key, record);
        failpoint('engine.projection.escalation');
        if (record.status !== 'Open') this.#settled.add(key);
      }
      if (!this.#serving()) return later();
      await this.#runs.put(`${state.namespace}.${run}`, summaryOf(state));
      failpoint('engine.projection.run');
      if (state.status === 'Closed') {
        this.#written.delete(run);
        await this.#keepClosed(state);
      }
      this.#failures.delete(run);
      return [];
    } catch (error) {
      this.#log.debug('a projection could not be written; it is tried again', { run, error });
      return this.#isTooMuch(run, error) ? [] : later();
    }
  }

  /** Failures while the bus is away do not count. */
  #isTooMuch(run: string, error: unknown): boolean {
    if (this.#bus.problem() !== undefined) return false;
    const tries = (this.#failures.get(run) ?? 0) + 1;
    this.#failures.set(run, tries);
    if (tries < triesMax) return false;
    this.#failures.delete(run);
    this.#givenUp(run, tries, error);
    return true;
  }

  async #keepClosed(state: RunState): Promise<void> {
    const key = `${state.namespace}.${state.run}`;
    if (this.#closed.has(key)) return;
    this.#closed.add(key);
    if (this.#closed.size <= closedMax) return;
    const [oldest] = this.#closed;
    if (oldest === undefined) return;
    this.#closed.delete(oldest);
    await this.#runs?.delete(oldest);
  }
}
