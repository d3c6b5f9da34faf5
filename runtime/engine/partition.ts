// Owns: the runs of one partition, and the order in which their events become facts.
//   P1: a reply is given after the commit of everything it rests on.
//   P2: while one append is in flight the next record fills: under load many runs share one fsync, alone a run waits for nobody.
//   P3: when an append fails, everything in memory is dropped and the partition is folded again.
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type { CommitRecord, HistoryEvent } from '../../api/messages/history.ts';
import { foldHistory } from '../../core/workflow/evolve.ts';
import type { Reaction } from '../../core/workflow/draft.ts';
import { initialState, type RunState } from '../../core/workflow/state.ts';
import type { PartitionJournal } from '../../ports/journal.ts';

/** Bound of one commit record, far below the server's 1 MB. */
const batchBytesMax = 400_000;
const waitingMax = 10_000;

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
  /** False when the lease may be over: then nothing is answered. */
  readonly holding: () => boolean;
  readonly events: PartitionEvents;
}

interface Batch {
  readonly runs: Map<string, HistoryEvent[]>;
  readonly done: PromiseWithResolvers<void>;
  bytes: number;
  waiting: number;
}

export class Partition {
  readonly number: number;
  readonly #options: PartitionOptions;
  readonly #states = new Map<string, RunState>();
  /** Where in the journal a run's events are. */
  readonly #records = new Map<string, number[]>();
  readonly #uncommitted = new Map<string, Batch>();
  #queue: Batch[] = [];
  #inFlight = false;
  #seq = 0;
  #epoch = 0;
  #serving = false;

  constructor(options: PartitionOptions) {
    this.#options = options;
    this.number = options.journal.partition;
  }

  /** Folds the whole partition; serves from then on. */
  async load(): Promise<void> {
    for await (const { seq, record } of this.#options.journal.read(1)) {
      for (const { run, events } of record.runs) {
        this.#states.set(run, foldHistory(this.#states.get(run) ?? initialState(run), events));
        this.#remember(run, seq);
      }
      this.#seq = seq;
    }
    this.#epoch = this.#seq;
    this.#serving = true;
  }

  get seq(): number {
    return this.#seq;
  }

  get serving(): boolean {
    return this.#serving && this.#options.holding();
  }

  /** True when nothing is waiting to be written. */
  get idle(): boolean {
    return !this.#inFlight && this.#queue.length === 0;
  }

  state(run: string): RunState | undefined {
    return this.#states.get(run);
  }

  runs(): IterableIterator<RunState> {
    return this.#states.values();
  }

  /** Lets `react` look at the run and resolves with its reply when its events are facts. */
  async submit<R>(run: string, react: (state: RunState | undefined) => Reaction<R>): Promise<R> {
    if (!this.serving) throw this.#notOwner();
    const state = this.#states.get(run);
    const { events, reply } = react(state);
    if (events.length === 0) {
      await this.#uncommitted.get(run)?.done.promise;
      return reply;
    }
    this.#states.set(run, foldHistory(state ?? initialState(run), events));
    const batch = this.#batchFor(JSON.stringify(events).length);
    const waiting = batch.runs.get(run);
    if (waiting === undefined) batch.runs.set(run, [...events]);
    else waiting.push(...events);
    this.#uncommitted.set(run, batch);
    void this.#flush();
    await batch.done.promise;
    return reply;
  }

  /** Everything that happened to a run from its event `afterSeq` on, read from the journal. */
  async history(run: string, afterSeq: number, bytesMax: number): Promise<{ events: HistoryEvent[]; more: boolean }> {
    const events: HistoryEvent[] = [];
    let bytes = 0;
    for (const seq of this.#records.get(run) ?? []) {
      const stored = await this.#options.journal.at(seq);
      for (const event of stored?.record.runs.find((entry) => entry.run === run)?.events ?? []) {
        if (event.seq <= afterSeq) continue;
        bytes += JSON.stringify(event).length;
        if (bytes > bytesMax && events.length > 0) return { events, more: true };
        events.push(event);
      }
    }
    return { events, more: false };
  }

  /** Stops answering; what is in flight is settled by the journal. */
  stop(): void {
    this.#fail(this.#notOwner());
  }

  #batchFor(bytes: number): Batch {
    const last = this.#queue.at(-1);
    if (last !== undefined && last.bytes + bytes <= batchBytesMax) {
      last.bytes += bytes;
      last.waiting += 1;
      return last;
    }
    if (this.#queue.length > waitingMax) {
      throw new SignalboxError('TIMEOUT', `partition ${this.number} has too much waiting to be written; try again`);
    }
    const done = Promise.withResolvers<void>();
    // A failure reaches those who wait; without waiters it is no news.
    done.promise.catch(() => undefined);
    const batch: Batch = { runs: new Map(), done, bytes, waiting: 1 };
    this.#queue.push(batch);
    return batch;
  }

  async #flush(): Promise<void> {
    if (this.#inFlight) return;
    this.#inFlight = true;
    try {
      for (let batch = this.#queue.shift(); batch !== undefined; batch = this.#queue.shift()) await this.#write(batch);
    } finally {
      this.#inFlight = false;
    }
  }

  async #write(batch: Batch): Promise<void> {
    const record: CommitRecord = {
      v: 1,
      id: this.#options.newId(),
      owner: this.#options.owner,
      epoch: this.#epoch,
      runs: [...batch.runs].map(([run, events]) => ({ run, events })),
    };
    try {
      if (!this.#serving) throw this.#notOwner();
      this.#seq = await this.#options.journal.append(record, this.#seq);
    } catch (error) {
      batch.done.reject(this.#replyFor(error));
      this.#fail(error);
      return;
    }
    let events = 0;
    for (const [run, added] of batch.runs) {
      this.#remember(run, this.#seq);
      events += added.length;
      if (this.#uncommitted.get(run) === batch) this.#uncommitted.delete(run);
    }
    batch.done.resolve();
    if (this.#serving) this.#options.events.committed([...batch.runs.keys()], events);
  }

  #fail(error: unknown): void {
    const served = this.#serving;
    this.#serving = false;
    for (const batch of this.#queue) batch.done.reject(this.#replyFor(error));
    this.#queue = [];
    if (served) this.#options.events.lost(error);
  }

  /** Whoever asked asks again: of this engine after a reload, or of the next owner. */
  #replyFor(error: unknown): SignalboxError {
    return isSignalboxError(error, 'JOURNAL_FULL') ? error : this.#notOwner();
  }

  #notOwner(): SignalboxError {
    return new SignalboxError('NOT_OWNER', `partition ${this.number} has no owner here right now; ask again`);
  }

  #remember(run: string, seq: number): void {
    const seqs = this.#records.get(run);
    if (seqs === undefined) this.#records.set(run, [seq]);
    else if (seqs.at(-1) !== seq) seqs.push(seq);
  }
}
