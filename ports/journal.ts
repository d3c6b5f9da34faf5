// Owns: the journal as the engine sees it. One partition, one writer at a time; compare-and-set is the only fence.
import type { CommitRecord, HistoryEvent } from '../api/messages/history.ts';
import type { ArchivedRun, ArchiveSegment } from '../core/journal/archive.ts';
import type { CheckpointHead, CheckpointTail } from '../core/journal/checkpoint.ts';
import type { RecordText } from '../core/journal/record-text.ts';

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
  /** Bytes on disk, and their share of the bound, 0 … 1: starts are refused before it is full, so that a cancel can be written. */
  size(): Promise<{ readonly bytes: number; readonly fullness: number }>;
  /**
   * Appends with fsync before it resolves. Resolves with the record's sequence, also when an earlier try of the same
   * `record.id` is found at the tail after a lost answer. Rejects with JOURNAL_FENCED when another owner has written,
   * JOURNAL_ROLLED_BACK when the store ends before `expectedSeq`, JOURNAL_FULL at the stream's bound, BUS_UNREACHABLE when the
   * outcome is unknown: reload before going on.
   */
  append(record: RecordText, expectedSeq: number): Promise<Appended>;
  /** Like `read`, with the bytes that each record takes, and large fields left where they are: for the archive. */
  readStored(fromSeq: number): AsyncIterable<StoredRecord & { readonly bytes: number }>;
  /** Takes the records before `seq` out of the journal. A checkpoint at `seq` or later must be complete. */
  purgeBefore(seq: number): Promise<void>;
  readonly checkpoints: Checkpoints;
  readonly archive: Archive;
}

/** A checkpoint that is being read; its runs come before its tail. */
export interface StoredCheckpoint {
  readonly head: CheckpointHead;
  readonly bytes: number;
  /** Pieces of encoded entries, cut anywhere. Rejects with JOURNAL_CORRUPT unless all of them are what was written. */
  pieces(): AsyncIterable<Uint8Array>;
  /** After the pieces. */
  tail(): CheckpointTail;
}

/** Checkpoints of one partition. One counts when its last piece is stored; older ones are then taken away. */
export interface Checkpoints {
  newest(): Promise<StoredCheckpoint | undefined>;
  /**
   * Writes one, and resolves with its bytes; rejects with JOURNAL_FENCED when somebody else has written one since the last look,
   * or a newer one is there.
   */
  write(head: CheckpointHead, pieces: AsyncIterable<Uint8Array>, tail: () => CheckpointTail): Promise<number>;
  /** Takes away what is older than the newest complete one. */
  purgeOlder(): Promise<void>;
}

/** Histories that have left the journal of one partition. */
export interface Archive {
  /** Stores a segment and resolves with its number, from 1 on. */
  append(segment: ArchiveSegment): Promise<number>;
  read(segment: number): Promise<ArchiveSegment | undefined>;
  /** The run's events with their large fields. */
  whole(archived: ArchivedRun): Promise<readonly HistoryEvent[]>;
  /** Takes away the segments before this one. */
  purgeBefore(segment: number): Promise<void>;
  bytes(): Promise<number>;
}

/** When an acknowledgement counts: on a disk, or in the memory of a majority of three servers. */
export const durabilities = ['disk', 'replicated'] as const;
export type Durability = (typeof durabilities)[number];

export interface Journal {
  /**
   * Rejects with NOT_FOUND when there is no such stream, JOURNAL_FULL or JOURNAL_UNWRITABLE while the disk under it takes nothing:
   * then nothing may be served, since nothing could be acknowledged.
   */
  partition(partition: number): Promise<PartitionJournal>;
  /** Reads the servers' settings back: what is promised, in words; rejects with BUS_NOT_DURABLE when the profile is not what runs. */
  assertDurable(): Promise<string>;
  /** Rejects with JOURNAL_FULL or JOURNAL_UNWRITABLE while the server cannot write some stream to its disk. */
  assertWritable(): Promise<void>;
}

/** Who serves a partition: a lease that expires. For speed only; safety is the journal's compare-and-set. */
export interface Ownership {
  /** Takes or renews the lease; resolves false while another holds it. */
  hold(partition: number, owner: string): Promise<boolean>;
  release(partition: number, owner: string): Promise<void>;
  holder(partition: number): Promise<string | undefined>;
  /** Says that an engine lives and will take its share; forgotten as a lease is. */
  announce(owner: string): Promise<void>;
  withdraw(owner: string): Promise<void>;
  /** All leases, and the engines that announced themselves. */
  seen(): Promise<Seen>;
}

export interface Seen {
  readonly holders: ReadonlyMap<number, string>;
  readonly engines: readonly string[];
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

/** The ledger's end of a run's life. */
export interface LedgerSweep {
  /** Takes away all entries of a run that is closed and will be forgotten: its business key may start anew. */
  forget(namespace: string, run: string): Promise<void>;
}
