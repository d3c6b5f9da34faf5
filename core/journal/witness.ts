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

/** What the operator tells engines from outside of the store. */
export interface ToldWitness extends Witness {
  /** Id of the acceptance of a loss: what was known before it counts no more. */
  readonly accepted?: string;
}

/** Keys of the bucket `witness`: what engines write, and what they are told. */
export const witnessKeys = {
  end: (partition: number): string => `p${partition}`,
  told: (partition: number): string => `told.p${partition}`,
};

/** The partition that a told key is of. */
export function toldPartition(key: string): number | undefined {
  const found = /^told\.p([0-9]{1,4})$/.exec(key)?.[1];
  return found === undefined ? undefined : Number(found);
}
