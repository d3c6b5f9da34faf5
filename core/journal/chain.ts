// Owns: how one sees that a partition's journal is whole: sequences have no gap, and each record names the digest of the one
// before. Records of before the chain carry no link; once one does, all later ones must.
import { SignalboxError } from '../../api/errors.ts';
import type { CommitRecord } from '../../api/messages/history.ts';

/** Where a journal ends: everything up to here is known and in order. */
export interface ChainEnd {
  readonly seq: number;
  /** Of the stored bytes of the record `seq`; empty before the first one. */
  readonly digest: string;
  /** True from the first record on that carries a link. */
  readonly linked: boolean;
}

export const chainStart: ChainEnd = { seq: 0, digest: '', linked: false };

export interface ChainRecord {
  readonly seq: number;
  readonly digest: string;
  readonly record: Pick<CommitRecord, 'prev'>;
}

/** The end after this record. @throws SignalboxError JOURNAL_CORRUPT when it does not follow. */
export function follow(partition: number, end: ChainEnd, { seq, digest, record }: ChainRecord): ChainEnd {
  if (seq !== end.seq + 1) {
    const missing = seq === end.seq + 2 ? `record ${end.seq + 1} is` : `records ${end.seq + 1} to ${seq - 1} are`;
    throw corrupt(partition, `${missing} missing before record ${seq}`);
  }
  if (record.prev === undefined) {
    if (end.linked) throw corrupt(partition, `record ${seq} names no record before it, though record ${end.seq} does`);
    return { seq, digest, linked: false };
  }
  if (record.prev !== end.digest) {
    throw corrupt(partition, `record ${seq} was written after another record ${end.seq} than the one that is stored`);
  }
  return { seq, digest, linked: true };
}

/** The journal must reach to where the store says that it ends. */
export function assertReaches(partition: number, end: ChainEnd, lastSeq: number): void {
  if (end.seq >= lastSeq) return;
  throw corrupt(partition, `the store counts ${lastSeq} records, but after record ${end.seq} none can be read`);
}

export function corrupt(partition: number, what: string): SignalboxError {
  return new SignalboxError(
    'JOURNAL_CORRUPT',
    `partition ${partition}: ${what}. Nothing of this partition is served: restore the journal's store, then start the engine again`,
  );
}

/** The store ends before what was committed. */
export function rolledBack(partition: number, committed: number, lastSeq: number): SignalboxError {
  return new SignalboxError(
    'JOURNAL_ROLLED_BACK',
    `partition ${partition}: its journal ends at record ${lastSeq}, but record ${committed} was committed: the store is an older copy. Nothing of this partition is served: bring back the newer store`,
  );
}
