// Owns: driving the writer of one partition (`core/journal/writer.ts`): promises for its tickets, and appends to the journal.
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type { ChainEnd } from '../../core/journal/chain.ts';
import type { StatePacking } from '../../core/journal/entries.ts';
import type { RunTable } from '../../core/journal/table.ts';
import { assertNotBehind, type Witness } from '../../core/journal/witness.ts';
import { type NextRecord, notOwner, PartitionWriter } from '../../core/journal/writer.ts';
import type { Reaction } from '../../core/workflow/draft.ts';
import type { RunState } from '../../core/workflow/state.ts';
import { failpoint } from '../../ports/failpoint.ts';
import type { Appended, PartitionJournal } from '../../ports/journal.ts';
import { type EventsPage, Histories } from './histories.ts';
import { type Loaded, loadPartition } from './loading.ts';

export interface PartitionEvents {
  /** These runs have new facts. */
  committed(runs: readonly string[], events: number): void;
  /** The partition must be loaded again; nothing is answered any more. */
  lost(error: unknown): void;
}

export interface PartitionOptions {
  readonly journal: PartitionJournal;
  readonly owner: string;
  readonly newId: () => string;
  readonly packing: StatePacking;
  /** False when the lease may be over: then nothing is answered. */
  readonly holding: () => boolean;
  readonly events: PartitionEvents;
}

export class Partition {
  readonly number: number;
  readonly #options: PartitionOptions;
  readonly #writer: PartitionWriter;
  /** Who waits for which commit. */
  readonly #tickets = new Map<number, PromiseWithResolvers<void>>();
  readonly #histories: Histories;
  #flushing = false;
  #flushed: Promise<void> = Promise.resolve();
  /** The record that is on its way to the journal. */
  #writing: Promise<void> | undefined;
  /** The last look at the end of the journal, and the next one: it serves everybody who asks before it begins. */
  #looked: Promise<unknown> = Promise.resolve();
  #nextLook: Promise<number> | undefined;
  #cut: { readonly ticket: number; readonly end: PromiseWithResolvers<ChainEnd> } | undefined;

  constructor(options: PartitionOptions) {
    this.#options = options;
    this.number = options.journal.partition;
    const { journal, owner, packing } = options;
    this.#writer = new PartitionWriter({ partition: this.number, owner, packing });
    this.#histories = new Histories(this.#writer, journal);
  }

  /** Folds the partition; serves from then on. `witnesses`: what is known to have been committed. */
  load(witnesses: readonly Witness[] = []): Promise<Loaded> {
    return loadPartition(this.#writer, this.#options.journal, witnesses);
  }

  get seq(): number {
    return this.#writer.seq;
  }

  /** The last fact that this engine knows of. */
  get end(): ChainEnd {
    return this.#writer.end;
  }

  /** Every run of the partition, at work or packed. */
  get table(): RunTable {
    return this.#writer.table;
  }

  get writer(): PartitionWriter {
    return this.#writer;
  }

  /**
   * Begins a snapshot of the partition for a checkpoint, and resolves with the record it stands at when all of it is a fact.
   * Rejects with NOT_OWNER when that comes to nothing.
   */
  async cut(): Promise<ChainEnd> {
    if (!this.serving) throw notOwner(this.number);
    const ticket = this.#writer.cut();
    if (ticket === 0) return this.#writer.end;
    const end = Promise.withResolvers<ChainEnd>();
    this.#cut = { ticket, end };
    return end.promise;
  }

  /** Rejects with JOURNAL_ROLLED_BACK when the store ends before what was committed here. */
  async assertNotBehind(): Promise<void> {
    const known = this.end;
    assertNotBehind(this.number, [known], await this.#options.journal.lastSeq());
  }

  /**
   * An owner before this one may have written once more after this one had read the end: then nobody's next append would say
   * so if there is none; and what is asked meanwhile would be answered from old memory.
   */
  async notice(): Promise<void> {
    if (this.#writer.serving) await this.#newest();
  }

  /**
   * Resolves when this engine knows every fact there was when it was asked: what it does not know is not there. Rejects with
   * NOT_OWNER when somebody else has written: a lease may be believed in after it is lost.
   */
  async assertNewest(): Promise<void> {
    if (!(await this.#newest()) || !this.serving) throw notOwner(this.number);
  }

  /** Resolves when everything that is decided now is a fact; rejects with NOT_OWNER when that comes to nothing. */
  async settled(): Promise<void> {
    if (!this.serving) throw notOwner(this.number);
    const { lastTicket } = this.#writer;
    if (lastTicket !== 0) await this.#committed(lastTicket);
  }

  /** Resolves when no owner of before can add anything; rejects with NOT_OWNER when that comes to nothing. */
  async fence(): Promise<void> {
    if (!this.serving) throw notOwner(this.number);
    await this.#after(this.#writer.fence());
  }

  get serving(): boolean {
    return this.#writer.serving && this.#options.holding();
  }

  /** True when nothing is waiting to be written. */
  get idle(): boolean {
    return this.#writer.idle;
  }

  state(run: string): RunState | undefined {
    return this.#writer.state(run);
  }

  runs(): IterableIterator<RunState> {
    return this.#writer.runs();
  }

  /** Lets `react` look at the run and resolves with its reply when its events are facts. */
  async submit<R>(run: string, react: (state: RunState | undefined) => Reaction<R>): Promise<R> {
    if (!this.serving) throw notOwner(this.number);
    const { reply, ticket } = this.#writer.submit(run, react);
    await this.#after(ticket);
    return reply;
  }

  /** Everything that happened to a run from its event `afterSeq` on, read from archive and journal. */
  history(run: string, afterSeq: number, bytesMax: number): Promise<EventsPage> {
    return this.#histories.read(run, afterSeq, bytesMax);
  }

  notOwner(): SignalboxError {
    return notOwner(this.number);
  }

  /** Stops answering; what is in flight is settled by the journal, and the promise inside resolves then. */
  stop(): Promise<void> {
    const served = this.#writer.serving;
    this.#reject(notOwner(this.number), this.#writer.stop());
    if (served) this.#options.events.lost(notOwner(this.number));
    return this.#flushed;
  }

  /** Resolves when the ticket is committed; something may have been added that nobody writes yet. */
  async #after(ticket: number): Promise<void> {
    if (ticket === 0) return;
    const committed = this.#committed(ticket);
    if (!this.#flushing) this.#flushed = this.#flush();
    await committed;
  }

  #committed(ticket: number): Promise<void> {
    const known = this.#tickets.get(ticket);
    if (known !== undefined) return known.promise;
    const waiting = Promise.withResolvers<void>();
    this.#tickets.set(ticket, waiting);
    return waiting.promise;
  }

  async #flush(): Promise<void> {
    this.#flushing = true;
    // What is asked at the same moment shares the first record too.
    await Promise.resolve();
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        this.#writing = this.#write(next);
        await this.#writing;
      }
    } finally {
      this.#writing = undefined;
      this.#flushing = false;
    }
  }

  #next(): NextRecord | undefined {
    return this.#writer.idle ? undefined : this.#writer.next(this.#options.newId());
  }

  async #write({ record, expectedSeq }: NextRecord): Promise<void> {
    let stored: Appended;
    try {
      failpoint('engine.append.before');
      stored = await this.#options.journal.append(record, expectedSeq);
      failpoint('engine.append.after');
    } catch (error) {
      this.#fail(error);
      return;
    }
    const { ticket, runs, events } = this.#writer.appended(stored.seq, stored.digest);
    this.#tickets.get(ticket)?.resolve();
    this.#tickets.delete(ticket);
    if (this.#cut?.ticket === ticket) {
      this.#cut.end.resolve(this.#writer.end);
      this.#cut = undefined;
    }
    if (this.#writer.serving) this.#options.events.committed(runs, events);
  }

  /** False when another owner has written, or nothing is served here any more. */
  async #newest(): Promise<boolean> {
    const last = await this.#lastSeq();
    // What is one's own and under way there is known here in a moment.
    while (last > this.end.seq && this.#writing !== undefined) await this.#writing;
    if (!this.#writer.serving) return false;
    const known = this.end.seq;
    if (last <= known) return true;
    const message = `partition ${this.number} ends at record ${last}, here at ${known}: another owner wrote; it is loaded again`;
    this.#fail(new SignalboxError('JOURNAL_FENCED', message));
    return false;
  }

  #lastSeq(): Promise<number> {
    this.#nextLook ??= this.#looked
      .catch(() => undefined)
      .then(() => {
        this.#nextLook = undefined;
        const look = this.#options.journal.lastSeq();
        this.#looked = look;
        return look;
      });
    return this.#nextLook;
  }

  #fail(error: unknown): void {
    const served = this.#writer.serving;
    this.#writer.failed();
    this.#reject(this.#replyFor(error));
    if (served) this.#options.events.lost(error);
  }

  #reject(error: SignalboxError, except = 0): void {
    if (this.#cut !== undefined && this.#cut.ticket !== except) {
      this.#cut.end.reject(error);
      this.#cut = undefined;
    }
    for (const [ticket, waiting] of this.#tickets) {
      if (ticket === except) continue;
      waiting.reject(error);
      this.#tickets.delete(ticket);
    }
  }

  /** Whoever asked asks again: of this engine after a reload, or of the next owner. */
  #replyFor(error: unknown): SignalboxError {
    return isSignalboxError(error, 'JOURNAL_FULL') ? error : notOwner(this.number);
  }
}
