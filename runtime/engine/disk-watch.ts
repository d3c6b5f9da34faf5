// Owns: noticing that nats-server cannot write some stream to its disk, whichever it is. Without the ledger or the bus events
// nothing goes on either, and the server itself only stays silent.
import { isSignalboxError, type SignalboxError } from '../../api/errors.ts';
import type { Journal } from '../../ports/journal.ts';
import type { Log } from '../../ports/system.ts';

const LOOK_MS = 5_000;

export class DiskWatch {
  readonly #journal: Pick<Journal, 'assertWritable'>;
  readonly #log: Log;
  readonly #looking: NodeJS.Timeout;
  #problem: SignalboxError | undefined;

  constructor(journal: Pick<Journal, 'assertWritable'>, log: Log) {
    this.#journal = journal;
    this.#log = log;
    this.#looking = setInterval(() => void this.#look(), LOOK_MS);
  }

  get problem(): string | undefined {
    return this.#problem?.message;
  }

  /** Rejects starts: what has begun may go on as far as it comes, nothing new is taken. */
  assertWritable(): void {
    if (this.#problem !== undefined) throw this.#problem;
  }

  stop(): void {
    clearInterval(this.#looking);
  }

  async #look(): Promise<void> {
    const before = this.#problem;
    try {
      await this.#journal.assertWritable();
      this.#problem = undefined;
      if (before !== undefined) this.#log.info('nats-server can write to its disk again');
    } catch (error) {
      // That the page is away is said by the connection; the last finding holds.
      if (!isSignalboxError(error, 'JOURNAL_FULL') && !isSignalboxError(error, 'JOURNAL_UNWRITABLE')) return;
      this.#problem = error;
      if (before?.message !== error.message) this.#log.error('nats-server cannot write to its disk', { error });
    }
  }
}
