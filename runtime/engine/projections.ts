// Owns: the buckets `runs` and `escalations`: what operators and people see. Derived: written after the commit, coalesced, and
// written again whole after a takeover or a reconnect.
import { escalationsOf, summaryOf } from '../../core/workflow/summary.ts';
import type { EscalationRecord, RunSummary } from '../../api/messages/history.ts';
import { buckets } from '../../api/messages/subjects.ts';
import type { RunState } from '../../core/workflow/state.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import type { Log } from '../../ports/system.ts';
import { failpoint } from '../../ports/failpoint.ts';

const parallelMax = 16;
const RETRY_MS = 500;
/** Closed runs of a partition that stay in the bucket; older ones are in the journal only. */
const closedMax = 2_000;

export class Projections {
  readonly #bus: Bus;
  readonly #log: Log;
  readonly #state: (run: string) => RunState | undefined;
  readonly #dirty = new Set<string>();
  readonly #closed: string[] = [];
  readonly #settled = new Set<string>();
  #runs: Bucket<RunSummary> | undefined;
  #escalations: Bucket<EscalationRecord> | undefined;
  #working = false;
  #stopped = false;

  constructor(bus: Bus, log: Log, state: (run: string) => RunState | undefined) {
    this.#bus = bus;
    this.#log = log;
    this.#state = state;
  }

  /** These runs have changed. */
  touch(runs: Iterable<string>): void {
    for (const run of runs) this.#dirty.add(run);
    void this.#work();
  }

  /** Escalations of closed runs are written once more too: the bucket may be new. */
  rewrite(runs: Iterable<string>): void {
    this.#settled.clear();
    this.touch(runs);
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
      while (this.#dirty.size > 0 && !this.#stopped) {
        const some = [...this.#dirty].slice(0, parallelMax);
        for (const run of some) this.#dirty.delete(run);
        const failed = (await Promise.all(some.map((run) => this.#write(run)))).flat();
        if (failed.length > 0) {
          for (const run of failed) this.#dirty.add(run);
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        }
      }
    } finally {
      this.#working = false;
    }
  }

  /** Resolves to the run when it has to be written again. */
  async #write(run: string): Promise<readonly string[]> {
    const state = this.#state(run);
    if (state === undefined) return [];
    try {
      failpoint('engine.projection.before');
      this.#runs ??= await this.#bus.bucket<RunSummary>(buckets.runs);
      this.#escalations ??= await this.#bus.bucket<EscalationRecord>(buckets.escalations);
      for (const record of escalationsOf(state)) {
        const key = `${record.namespace}.${record.escalation.id}`;
        if (this.#settled.has(key)) continue;
        await this.#escalations.put(key, record);
        failpoint('engine.projection.escalation');
        if (record.status !== 'Open') this.#settled.add(key);
      }
      await this.#runs.put(`${state.namespace}.${run}`, summaryOf(state));
      failpoint('engine.projection.run');
      if (state.status === 'Closed') await this.#keepClosed(state);
      return [];
    } catch (error) {
      this.#log.debug('a projection could not be written; it is tried again', { run, error });
      return this.#stopped ? [] : [run];
    }
  }

  async #keepClosed(state: RunState): Promise<void> {
    const key = `${state.namespace}.${state.run}`;
    if (this.#closed.includes(key)) return;
    this.#closed.push(key);
    const oldest = this.#closed.length > closedMax ? this.#closed.shift() : undefined;
    if (oldest !== undefined) await this.#runs?.delete(oldest);
  }
}
