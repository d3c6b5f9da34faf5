// Owns: the journal as the engine sees it. One partition, one writer at a time; compare-and-set is the only fence.
import type { CommitRecord } from '../api/messages/history.ts';

export interface StoredRecord {
  /** Sequence of the record in its partition. */
  readonly seq: number;
  readonly record: CommitRecord;
  /** Of the stored bytes: what the next record names as the one before it. */
  readonly digest: string;
}

export interface Appended {
  readonly seq: number;
  readonly digest: string;
}

export interface PartitionJournal {
  readonly partition: number;
  /**
   * Every record from `fromSeq` on, in order, up to what was the end when it was called. Read from the leader. A record that the
   * store has lost is left out: whoever reads looks for gaps. Rejects with JOURNAL_CORRUPT when the store cannot go on.
   */
  read(fromSeq: number): AsyncIterable<StoredRecord>;
  /** One record by its sequence: for a run's history. */
  at(seq: number): Promise<StoredRecord | undefined>;
  /** Sequence of the last record, 0 when empty. */
  lastSeq(): Promise<number>;
  /** Share of the bound that is used, 0 … 1: starts are refused before the journal is full, so that a cancel can be written. */
  fullness(): Promise<number>;
  /**
   * Appends with fsync before it resolves. Resolves with the record's sequence, also when an earlier try of the same
   * `record.id` is found at the tail after a lost answer. Rejects with JOURNAL_FENCED when another owner has written,
   * JOURNAL_ROLLED_BACK when the store ends before `expectedSeq`, JOURNAL_FULL at the stream's bound, BUS_UNREACHABLE when the
   * outcome is unknown: reload before going on.
   */
  append(record: CommitRecord, expectedSeq: number): Promise<Appended>;
}

export interface Journal {
  /**
   * Rejects with NOT_FOUND when there is no such stream, JOURNAL_FULL or JOURNAL_UNWRITABLE while the disk under it takes nothing:
   * then nothing may be served, since nothing could be acknowledged.
   */
  partition(partition: number): Promise<PartitionJournal>;
  /** Reads the server's settings back; rejects with BUS_NOT_DURABLE unless it fsyncs before each acknowledgement. */
  assertDurable(): Promise<void>;
  /** Rejects with JOURNAL_FULL or JOURNAL_UNWRITABLE while the server cannot write some stream to its disk. */
  assertWritable(): Promise<void>;
}

/** Who serves a partition: a lease that expires. For speed only; safety is the journal's compare-and-set. */
export interface Ownership {
  /** Takes or renews the lease; resolves false while another holds it. */
  hold(partition: number, owner: string): Promise<boolean>;
  release(partition: number, owner: string): Promise<void>;
  holder(partition: number): Promise<string | undefined>;
}

/** One effect at a tool, keyed by run, activity, tool and canonical arguments. */
export type LedgerEntry =
  | {
      readonly state: 'open';
      readonly at: number;
      readonly deadline: number;
      readonly attempt: number;
      readonly digest: string;
      readonly opener: string;
    }
  | {
      readonly state: 'done';
      readonly at: number;
      readonly digest: string;
      readonly result: unknown;
      readonly elapsedMs: number;
    }
  /** The tool said no and nothing happened: a later turn or attempt may make the same call; this one has its answer. */
  | {
      readonly state: 'refused';
      readonly at: number;
      readonly digest: string;
      readonly error: string;
      readonly attempt?: number;
      readonly turn?: number;
      /** It never began. */
      readonly unreached?: boolean;
    }
  | { readonly state: 'ambiguous'; readonly at: number; readonly digest: string; readonly reason: string };

export interface LedgerKey {
  readonly namespace: string;
  readonly run: string;
  readonly key: string;
}

export interface Ledger {
  /** Latest entry with its revision (0 when there is none), read from the leader. */
  read(key: LedgerKey): Promise<{ readonly revision: number; readonly entry?: LedgerEntry }>;
  /** Compare-and-set; resolves with the new revision, or undefined when somebody else wrote first. */
  write(key: LedgerKey, entry: LedgerEntry, expectedRevision: number): Promise<number | undefined>;
}
