// Owns: noticing that a journal's store is an older copy. A witness is what somebody outside the store knows was committed.
import { corrupt, rolledBack } from './chain.ts';

export interface Witness {
  readonly seq: number;
  /** Of the record at `seq`; empty when only the sequence is known. */
  readonly digest: string;
}

/** @throws SignalboxError when the record at the witness's sequence is another one than it saw. */
export function assertSame(partition: number, witnesses: readonly Witness[], found: Witness): void {
  for (const { seq, digest } of witnesses) {
    if (seq !== found.seq || digest === '' || found.digest === '' || digest === found.digest) continue;
    throw corrupt(partition, `record ${seq} is another one than was committed: the store was brought back from a copy`);
  }
}

/** @throws SignalboxError JOURNAL_ROLLED_BACK when the journal ends before what a witness saw. */
export function assertNotBehind(partition: number, witnesses: readonly Witness[], lastSeq: number): void {
  for (const { seq } of witnesses) if (lastSeq < seq) throw rolledBack(partition, seq, lastSeq);
}

/** What is known of both. */
export function newest(one: Witness | undefined, other: Witness | undefined): Witness | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return other.seq > one.seq ? other : one;
}
