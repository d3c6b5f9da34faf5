// Owns: the buckets `runs` and `escalations`: what operators and people see. Derived: written after the commit, coalesced, and
// written again whole after a takeover or a reconnect.
//   O1: a run that an object shows, or that has asked a person, is written at once, to its end.
//   O2: any other is not there: lists come from the engine, and which versions runs keep to is told as counts
//       (`version-reports.ts`). So what is there grows with what people look at, not with what is open.
//   O3: an entry is replaced only by whoever has seen it and then the end of the journal, and knows it: what another owner has
//       shown meanwhile rests on a record. What is shown is a fact. Neither rests on a lease.
import { escalationsOf, isShown, summaryOf } from '../../core/workflow/summary.ts';
import type { EscalationRecord, RunSummary } from '../../api/messages/history.ts';
import { buckets } from '../../api/messages/subjects.ts';
import type { RunState } from '../../core/workflow/state.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import type { Log } from '../../ports/system.ts';
import { failpoint } from '../../ports/failpoint.ts';
import type { Partition } from './partition.ts';

const parallelMax = 16;
const RETRY_MS = 500;
/** Tries in a row, half a second apart. */
const triesMax = 40;
/** Closed runs of a partition that stay in the bucket; older ones are in the journal only. */
export const closedMax = 2_000;
/** Runs that are looked at before others have their turn. */
const portionMax = 256;

export interface Opening {
  readonly partition: number;
  /** Open runs that belong into the buckets. */
  readonly open: () => readonly string[];
  readonly changed: Iterable<string>;
  /** Every closed run that belonged into the buckets when it ended, the first to end first. */
  readonly closed: readonly string[];
}

/** Bucket `projected`, key `p<partition>`. */
interface Mark {
  /** The writing of everything that it is of: one that began before the buckets vanished says nothing of the new ones. */
  readonly by: string;
  readonly whole: boolean;
}

interface Shown {
  readonly runs: Bucket<RunSummary>;
  readonly escalations: Bucket<EscalationRecord>;
}

interface Known extends Pick<Partition, 'settled' | 'assertNewest'> {
  readonly table: Pick<Partition['table'], 'peek' | 'namespaceOf'>;
}

export class Projections {
  readonly #bus: Bus;
  readonly #log: Log;
  readonly #newId: () => string;
  readonly #partition: Known;
  readonly #givenUp: (run: string, tries: number, error: unknown) => void;
  readonly #failures = new Map<string, number>();
  readonly #dirty = new Set<string>();
  /** Keys of the closed runs in the bucket, the first to end first. */
  readonly #closed = new Set<string>();
  /** Closed runs that are too old for the bucket, and may still be in it. */
  readonly #passed = new Set<string>();
  readonly #settled = new Set<string>();
  #runs: Bucket<RunSummary> | undefined;
  #escalations: Bucket<EscalationRecord> | undefined;
  #marks: Bucket<Mark> | undefined;
  /** The newest writing of everything. */
  #opening = '';
  /** What gets its mark when everything is written. */
  #whole: { readonly key: string; readonly by: string } | undefined;
  readonly #writing = new Set<string>();
  #working = false;
  #stopped = false;

  /** `givenUp`: the projection of this run could not be written although the bus was there; it is left until it changes. */
  constructor(
    { bus, log, newId }: { readonly bus: Bus; readonly log: Log; readonly newId: () => string },
    of: { readonly partition: Known; readonly givenUp: (run: string, tries: number, error: unknown) => void },
  ) {
    this.#partition = of.partition;
    this.#bus = bus;
    this.#givenUp = of.givenUp;
    this.#log = log;
    this.#newId = newId;
  }

  /** These runs have changed. */
  touch(runs: Iterable<string>): void {
    for (const run of runs) this.#touch(run);
    if (this.#dirty.size > 0) void this.#work();
  }

  #touch(run: string): void {
    const state = this.#partition.table.peek(run);
    if (state !== undefined && isShown(state)) this.#dirty.add(run);
  }

  /**
   * `changed` is corrected. Everything else too, unless a mark, which vanishes with the buckets, says that they were whole when
   * the last owner went.
   */
  async open({ partition, open, changed, closed }: Opening): Promise<void> {
    const kept = closed.slice(-closedMax);
    for (const run of kept) this.#closed.add(`${this.#partition.table.namespaceOf(run)}.${run}`);
    const passed = new Set(closed.slice(0, -closedMax));
    for (const run of changed) if (passed.has(run)) this.#passed.add(run);
    const [key, by] = [`p${partition}`, this.#newId()];
    [this.#opening, this.#whole] = [by, undefined];
    this.touch(changed);
    if (await this.#isMarked(key, by)) return;
    this.#settled.clear();
    for (const [at, run] of [...open(), ...kept.toReversed()].entries()) {
      if (this.#stopped || this.#opening !== by) return;
      this.#touch(run);
      if (at % portionMax === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    this.#whole = { key, by };
    void this.#work();
  }

  /** Where not everything is written, says that it will be. */
  async #isMarked(key: string, by: string): Promise<boolean> {
    while (!this.#stopped && this.#opening === by) {
      try {
        this.#marks ??= await this.#bus.bucket<Mark>(buckets.projected);
        if ((await this.#marks.get(key))?.value.whole === true) return true;
        await this.#marks.put(key, { by, whole: false });
        return false;
      } catch (error) {
        this.#log.debug('it is not known yet whether projections are whole', { error });
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    return true;
  }

  /** True when the run is not shown as it is, and should be. */
  isBehind(run: string): boolean {
    return this.#dirty.has(run) || this.#writing.has(run);
  }

  get behind(): number {
    return this.#dirty.size;
  }

  stop(): void {
    this.#stopped = true;
    this.#dirty.clear();
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

  /** Everything is written: says so once, and whether there is more to do. */
  async #marked(): Promise<boolean> {
    const whole = this.#whole;
    this.#whole = undefined;
    if (whole !== undefined && !this.#stopped) {
      try {
        await this.#mark(whole.key, whole.by);
      } catch (error) {
        this.#log.debug('it could not be noted that projections are whole; it is tried again', { error });
        if (this.#opening === whole.by) this.#whole = whole;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    return this.#dirty.size > 0 || this.#whole !== undefined;
  }

  async #mark(key: string, by: string): Promise<void> {
    const begun = await this.#marks?.get(key);
    if (begun?.value.by === by) await this.#marks?.update(key, { by, whole: true }, begun.revision);
  }

  /** Resolves to the run when it has to be written again. */
  async #write(run: string): Promise<readonly string[]> {
    const state = this.#partition.table.peek(run);
    if (state?.status !== 'Closed') this.#passed.delete(run);
    if (state === undefined) return [];
    const later = (): readonly string[] => (this.#stopped ? [] : [run]);
    try {
      failpoint('engine.projection.before');
      this.#runs ??= await this.#bus.bucket<RunSummary>(buckets.runs);
      this.#escalations ??= await this.#bus.bucket<EscalationRecord>(buckets.escalations);
      const to = { runs: this.#runs, escalations: this.#escalations };
      if (!(await (this.#passed.has(run) ? this.#takeOut(state, to.runs) : this.#show(state, to)))) return later();
      this.#failures.delete(run);
      return [];
    } catch (error) {
      this.#log.debug('a projection could not be written; it is tried again', { run, error });
      return this.#isTooMuch(run, error) ? [] : later();
    }
  }

  /** Its questions first: whoever sees that it asks finds them. False: to be tried again. */
  async #show(state: RunState, { runs, escalations }: Shown): Promise<boolean> {
    const key = `${state.namespace}.${state.run}`;
    // A key that is used again is a run that is open again.
    if (state.status !== 'Closed') this.#closed.delete(key);
    for (const record of escalationsOf(state)) {
      const settled = keyOf(record);
      if (this.#settled.has(settled)) continue;
      if (!(await this.#replace(escalations, settled, record))) return false;
      failpoint('engine.projection.escalation');
      if (record.status !== 'Open') this.#settled.add(settled);
    }
    if (!(await this.#replace(runs, key, summaryOf(state)))) return false;
    failpoint('engine.projection.run');
    return state.status !== 'Closed' || (await this.#keepClosed(state, runs));
  }

  /** Too old for the bucket: whatever is said of it there is over. False: to be tried again. */
  async #takeOut({ namespace, run }: RunState, runs: Bucket<RunSummary>): Promise<boolean> {
    const key = `${namespace}.${run}`;
    if ((await runs.get(key)) !== undefined) {
      if (!(await this.#isNewest())) return false;
      await runs.delete(key);
    }
    this.#passed.delete(run);
    return true;
  }

  /** O3. False: to be tried again. */
  async #replace<T>(bucket: Bucket<T>, key: string, value: T): Promise<boolean> {
    const seen = await bucket.get(key);
    return (await this.#isNewest()) && (await bucket.update(key, value, seen?.revision ?? 0)) !== undefined;
  }

  /** True when all that is known here is a fact, and all there is. */
  async #isNewest(): Promise<boolean> {
    try {
      await this.#partition.settled();
      await this.#partition.assertNewest();
      return true;
    } catch {
      // Another owner has written, or NATS is away.
      return false;
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

  /** The first to end make room. False: to be tried again. */
  async #keepClosed(state: RunState, runs: Bucket<RunSummary>): Promise<boolean> {
    for (const record of escalationsOf(state)) this.#settled.delete(keyOf(record));
    this.#closed.add(`${state.namespace}.${state.run}`);
    while (this.#closed.size > closedMax) {
      const [oldest = ''] = this.#closed;
      if (!(await this.#isNewest())) return false;
      if (!this.#closed.has(oldest)) continue;
      await runs.delete(oldest);
      this.#closed.delete(oldest);
    }
    return true;
  }
}

const keyOf = ({ namespace, escalation }: EscalationRecord): string => `${namespace}.${escalation.id}`;
