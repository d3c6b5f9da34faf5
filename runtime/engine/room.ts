// Owns: how much of a partition's journal is used, and that starts leave room for what ends runs.
import { SignalboxError } from '../../api/errors.ts';
import type { PartitionJournal } from '../../ports/journal.ts';

/** Share of the journal up to which new runs are taken. */
const startsUpTo = 0.8;

export class Room {
  readonly #journal: PartitionJournal;
  #fullness = 0;

  constructor(journal: PartitionJournal) {
    this.#journal = journal;
  }

  async measure(): Promise<{ readonly bytes: number; readonly fullness: number }> {
    const size = await this.#journal.size();
    this.#fullness = size.fullness;
    return size;
  }

  /** Rejects with JOURNAL_FULL while only what ends runs may still be written. */
  assert(): void {
    if (this.#fullness < startsUpTo) return;
    const percent = Math.floor(this.#fullness * 100);
    throw new SignalboxError(
      'JOURNAL_FULL',
      `partition ${this.#journal.partition}: its journal is ${percent} % full; new runs are refused from ${startsUpTo * 100} % on, so that running ones can end. A checkpoint makes room in a moment; else enlarge the stream`,
    );
  }
}
