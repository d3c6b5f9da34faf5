// Owns: the order in which events of one partition become facts: the partition's only writer, as a synchronous state machine.
//   P1: a reply is given after the commit of everything it rests on: its ticket says which commit that is.
//   P2: while one append is in flight the next record fills: under load many runs share one fsync, alone a run waits for nobody.
//   P3: when an append fails, everything in memory is dropped; the partition is folded again by a new writer.
// Whoever drives it: `submit` → `next` → append → `appended` or `failed`.
import { SignalboxError } from '../../api/errors.ts';
import type { CommitRecord } from '../../api/messages/history.ts';
import type { Reaction } from '../workflow/draft.ts';
import { foldHistory } from '../workflow/evolve.ts';
import { initialState, type RunState } from '../workflow/state.ts';
import { type ChainEnd, chainStart, follow } from './chain.ts';
import type { StatePacking, TableEntry } from './entries.ts';
import { type EventsText, eventsText, type RecordText, recordText, together } from './record-text.ts';
import { Rollouts } from './rollouts.ts';
import { RunTable } from './table.ts';

/** Bound of one commit record, far below the server's 1 MB. */
export const recordBytesMax = 400_000;
/** Bound of the records that wait to be written. */
export const recordsWaitingMax = 10_000;

export interface WriterOptions {
  readonly partition: number;
  readonly owner: string;
  /** Absent: every run stays unpacked. */
  readonly packing?: StatePacking | undefined;
}

export interface Submitted<R> {
  readonly reply: R;
  /** The reply may be given when this ticket is committed; 0: it rests on facts alone. */
  readonly ticket: number;
}

export interface NextRecord {
  readonly record: RecordText;
  /** The sequence to write after: the fence. */
  readonly expectedSeq: number;
}

export interface Committed {
  /** Replies up to this ticket may be given. */
  readonly ticket: number;
  readonly seq: number;
  readonly runs: readonly string[];
  readonly events: number;
}

interface Batch {
  readonly ticket: number;
  readonly runs: Map<string, EventsText>;
  bytes: number;
}

export class PartitionWriter {
  readonly #options: WriterOptions;
  /** Every run of the partition. */
  readonly table: RunTable;
  /** Runs of rollouts; facts alone. */
  readonly rollouts = new Rollouts();
  /** Where in the journal a run's events are that are not archived. */
  readonly #records = new Map<string, number | number[]>();
  /** The last ticket that a run's state rests on, while it is no fact yet. */
  readonly #uncommitted = new Map<string, number>();
  #queue: Batch[] = [];
  #inFlight: Batch | undefined;
  #lastTicket = 0;
  #end: ChainEnd = chainStart;
  #epoch = 0;
  #serving = false;
  /** Nothing more goes into the record with this ticket. */
  #sealed = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.table = new RunTable(options.packing);
  }

  /** Begins after a checkpoint instead of at the journal's first record. */
  resume(end: ChainEnd): void {
    this.#end = end;
  }

  /** Folds one record of the journal, in order, before the writer serves. @throws SignalboxError JOURNAL_CORRUPT at a gap or a broken link. */
  fold(seq: number, record: CommitRecord, digest = ''): void {
    this.#end = follow(this.#options.partition, this.#end, { seq, record, digest });
    for (const { run, events } of record.runs) {
      // A closed run was forgotten, and its business key has started anew.
      if (events[0]?.seq === 1) this.forget(run);
      this.table.set(run, foldHistory(this.table.get(run) ?? initialState(run), events));
      this.#remember(run, seq);
      this.rollouts.changed(run, this.table.rolesOf(run), seq);
    }
  }

  /** A run of the checkpoint that it resumes after. */
  restore(entry: TableEntry): void {
    this.table.restore(entry);
    this.rollouts.changed(entry.run, this.table.rolesOf(entry.run), this.#end.seq);
  }

  /** Everything is folded: causes may act from now on. */
  serve(): void {
    this.#epoch = this.#end.seq;
    this.#serving = true;
  }

  /** Sequence of the last fact. */
  get seq(): number {
    return this.#end.seq;
  }

  get end(): ChainEnd {
    return this.#end;
  }

  get serving(): boolean {
    return this.#serving;
  }

  /** The last commit that anything decided so far rests on; 0: everything is a fact. */
  get lastTicket(): number {
    return this.idle ? 0 : this.#lastTicket;
  }

  /** True when nothing is waiting to be written. */
  get idle(): boolean {
    return this.#inFlight === undefined && this.#queue.length === 0;
  }

  state(run: string): RunState | undefined {
    return this.table.get(run);
  }

  /** Every run, unpacked for the moment. */
  runs(): IterableIterator<RunState> {
    return this.table.states();
  }

  /** Sequences of the records that carry the run's events and are not archived, in order. */
  recordsOf(run: string): readonly number[] {
    const seqs = this.#records.get(run) ?? [];
    return typeof seqs === 'number' ? [seqs] : seqs;
  }

  /** Runs with events that are not archived. */
  unarchived(): IterableIterator<string> {
    return this.#records.keys();
  }

  /** The run's events up to the record `seq` are in this segment of the archive, which names the ones before. */
  archived(run: string, seq: number, segment: number): void {
    this.table.archived(run, segment);
    const rest = this.recordsOf(run).filter((known) => known > seq);
    if (rest.length === 0) this.#records.delete(run);
    else this.#records.set(run, rest);
  }

  /**
   * Seals what is decided so far, for a checkpoint: the states of now are those of the commit with the returned ticket; 0: they
   * are facts already.
   */
  cut(): number {
    this.#sealed = this.#lastTicket;
    this.table.beginSnapshot();
    return this.idle ? 0 : this.#lastTicket;
  }

  /**
   * Nothing that an owner of before has decided can become a fact after the commit of the returned ticket; 0: nothing can already.
   * A takeover alone writes nothing, and what was under way before it may still arrive.
   */
  fence(): number {
    if (this.#end.seq > this.#epoch) return 0;
    return this.#inFlight?.ticket ?? this.#batchFor(0).ticket;
  }

  /** Lets `react` look at the run; its events are folded at once, so that the next cause sees them. */
  submit<R>(run: string, react: (state: RunState | undefined) => Reaction<R>): Submitted<R> {
    if (!this.#serving) throw notOwner(this.#options.partition);
    const state = this.table.get(run);
    const { events, reply, folded } = react(state);
    if (events.length === 0) return { reply, ticket: this.#uncommitted.get(run) ?? 0 };
    const added = eventsText(events);
    const batch = this.#batchFor(added.bytes);
    this.table.set(run, folded ?? foldHistory(state ?? initialState(run), events));
    batch.runs.set(run, together(batch.runs.get(run), added));
    this.#uncommitted.set(run, batch.ticket);
    return { reply, ticket: batch.ticket };
  }

  /** The record to append now under this id; undefined while one is in flight, or when nothing waits. */
  next(id: string): NextRecord | undefined {
    if (!this.#serving || this.#inFlight !== undefined) return undefined;
    const batch = this.#queue.shift();
    if (batch === undefined) return undefined;
    this.#inFlight = batch;
    const { owner } = this.#options;
    const head = { v: 1, id, owner, epoch: this.#epoch, prev: this.#end.digest } as const;
    return { record: recordText(head, batch.runs), expectedSeq: this.#end.seq };
  }

  /** The record in flight is on disk at `seq`; `digest` is of its stored bytes. */
  appended(seq: number, digest = ''): Committed {
    const batch = this.#inFlight;
    if (batch === undefined) throw new Error(`record ${seq} was not given out by this writer`);
    this.#inFlight = undefined;
    this.#end = { seq, digest, linked: true };
    let events = 0;
    for (const [run, added] of batch.runs) {
      this.#remember(run, seq);
      this.rollouts.changed(run, this.table.rolesOf(run), seq);
      events += added.count;
      if (this.#uncommitted.get(run) === batch.ticket) this.#uncommitted.delete(run);
    }
    return { ticket: batch.ticket, seq, runs: [...batch.runs.keys()], events };
  }

  /** P3: nobody knows what became of the record in flight: nothing more is taken, everything that waits is dropped. */
  failed(): void {
    this.stop();
    this.#inFlight = undefined;
  }

  /** Nothing more is taken, what waits is dropped. Returns the ticket in flight, which may still be a fact; 0: none is. */
  stop(): number {
    this.#serving = false;
    this.#queue = [];
    return this.#inFlight?.ticket ?? 0;
  }

  #batchFor(bytes: number): Batch {
    const last = this.#queue.at(-1);
    if (last !== undefined && last.ticket > this.#sealed && last.bytes + bytes <= recordBytesMax) {
      last.bytes += bytes;
      return last;
    }
    if (this.#queue.length >= recordsWaitingMax) {
      const { partition } = this.#options;
      throw new SignalboxError('TIMEOUT', `partition ${partition} has too much waiting to be written; try again`);
    }
    this.#lastTicket += 1;
    const batch: Batch = { ticket: this.#lastTicket, runs: new Map(), bytes };
    this.#queue.push(batch);
    return batch;
  }

  /** A closed run leaves memory. */
  forget(run: string): void {
    this.rollouts.dropped(run, this.table.rolesOf(run));
    this.table.drop(run);
    this.#records.delete(run);
  }

  #remember(run: string, seq: number): void {
    const seqs = this.#records.get(run);
    if (seqs === undefined) this.#records.set(run, seq);
    else if (typeof seqs !== 'number') seqs.push(seq);
    else if (seqs !== seq) this.#records.set(run, [seqs, seq]);
  }
}

/** Whoever asked asks again: of this engine after a reload, or of the next owner. */
export function notOwner(partition: number): SignalboxError {
  return new SignalboxError('NOT_OWNER', `partition ${partition} has no owner here right now; ask again`);
}
