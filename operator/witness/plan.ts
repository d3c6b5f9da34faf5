// Owns: what the operator makes of a journal's end, told by somebody outside of the store. Pure.
import type { Acceptance, Kept, Loss } from '../../core/journal/witness-map.ts';
import { newest, type ToldWitness, type Witness } from '../../core/journal/witness.ts';

/** Of one partition, in the store. The bucket is read before the journal: it is never ahead of a whole one. */
export interface Found {
  /** What engines have written down. */
  readonly stored?: Witness;
  readonly told?: ToldWitness;
  /** Last record of the journal. */
  readonly end: number;
  /** The record at the kept sequence; undefined: not there any more, or not yet. */
  readonly record?: Witness;
}

export type Step =
  | { readonly kind: 'Nothing' }
  | { readonly kind: 'Keep'; readonly witness: Witness }
  | { readonly kind: 'Lost'; readonly lost: Loss; readonly told: Witness }
  /** The newer store is back. */
  | { readonly kind: 'Whole' }
  | { readonly kind: 'Accept'; readonly acceptance: Acceptance; readonly lowered: boolean };

export function decide(kept: Kept, found: Found): Step {
  return accepting(kept, found) ?? comparing(kept, found);
}

function accepting({ lost, accepted }: Kept, { told, end }: Found): Step | undefined {
  if (lost === undefined || accepted === undefined || !isSame(accepted, lost)) return undefined;
  // Engines serve again from the moment that they are told, so the end may have moved since.
  const lowered = told?.accepted === accepted.id;
  return lowered || end === lost.ends ? { kind: 'Accept', acceptance: accepted, lowered } : undefined;
}

function comparing(kept: Kept, found: Found): Step {
  const { lost } = kept;
  const told = missing(kept, found);
  if (told !== undefined) {
    const now = { ends: found.end, committed: told.seq };
    const known = lost !== undefined && isSame(lost, now) && isTold(found.told, told);
    return known ? { kind: 'Nothing' } : { kind: 'Lost', lost: now, told };
  }
  if (lost !== undefined) return { kind: 'Whole' };
  const { stored } = found;
  if (stored === undefined || stored.seq <= (kept.witness?.seq ?? 0)) return { kind: 'Nothing' };
  return { kind: 'Keep', witness: { seq: stored.seq, digest: stored.digest } };
}

/** What was committed and is not in the journal any more. */
function missing({ witness }: Kept, { stored, record, end }: Found): Witness | undefined {
  const known = newest(witness, stored);
  if (known !== undefined && end < known.seq) return { seq: known.seq, digest: known.digest };
  if (witness === undefined || record?.seq !== witness.seq) return undefined;
  const other = witness.digest !== '' && record.digest !== '' && record.digest !== witness.digest;
  return other ? witness : undefined;
}

const isTold = (found: ToldWitness | undefined, told: Witness): boolean =>
  found?.seq === told.seq && found.digest === told.digest;

const isSame = (one: Loss, other: Loss): boolean => one.ends === other.ends && one.committed === other.committed;

export const lossText = (partition: number, { ends, committed }: Loss): string =>
  ends < committed
    ? `JOURNAL_ROLLED_BACK: partition ${partition} ends at record ${ends}, but record ${committed} was committed: the store of nats-server is an older copy. Bring back the newer store, or accept the loss: signalbox journal accept-loss ${partition} --reason "…"`
    : `JOURNAL_ROLLED_BACK: partition ${partition} has another record ${committed} than was committed: the store of nats-server was brought back from an older copy and written to since. Bring back the right store, or accept the loss: signalbox journal accept-loss ${partition} --reason "…"`;
