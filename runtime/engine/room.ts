// Owns: how much of a partition's journal is used, and what it is kept for: first no new run is taken, then no new work, so that
// what people decide, cancels and compensations can always be written.
import { SignalboxError } from '../../api/errors.ts';
import type { PartitionJournal } from '../../ports/journal.ts';

/** Share of the journal up to which new runs are taken. */
export const startsUpTo = 0.8;
/** Share up to which runs get new work: tasks, signals, events. Behind it they are only decided, cancelled, undone and ended. */
export const workUpTo = 0.95;

export class Room {
  readonly #journal: PartitionJournal;
  #fullness = 0;

  constructor(journal: PartitionJournal) {
    this.#journal = journal;
  }

  get fullness(): number {
    return this.#fullness;
  }

  async measure(): Promise<{ readonly bytes: number; readonly fullness: number }> {
    const size = await this.#journal.size();
    this.#fullness = size.fullness;
    return size;
  }

  /** Rejects with JOURNAL_FULL while no new runs are taken. */
  assertStarts(): void {
    if (this.#fullness >= startsUpTo) throw this.#full(startsUpTo, 'new runs are refused', 'running ones can end');
  }

  /** Rejects with JOURNAL_FULL while only what ends runs may still be written. */
  assertWork(): void {
    const problem = this.workProblem;
    if (problem !== undefined) throw problem;
  }

  /** Why no new work is given out. */
  get workProblem(): SignalboxError | undefined {
    if (this.#fullness < workUpTo) return undefined;
    return this.#full(workUpTo, 'new work is refused', 'decisions, cancels and compensations can be written');
  }

  #full(from: number, refused: string, so: string): SignalboxError {
    const percent = Math.floor(this.#fullness * 100);
    return new SignalboxError(
      'JOURNAL_FULL',
      `partition ${this.#journal.partition}: its journal is ${percent} % full; ${refused} from ${from * 100} % on, so that ${so}. A checkpoint makes room in a moment; else enlarge the stream`,
    );
  }
}
