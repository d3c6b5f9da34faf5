// Owns: what goes into a receipt.
import type { Receipt } from '../../api/messages/history.ts';
import { signReceipt } from '../receipts.ts';
import type { Target } from './admission.ts';
import type { Gateway } from './ports.ts';
import { failpoint } from '../../ports/failpoint.ts';

export type ReceiptFacts = Omit<Receipt, 'mac' | 'at' | 'elapsedMs' | keyof Target>;

/** Signs what the gateway did for one call that began at `startedAt`. */
export function receiptOf(gateway: Gateway, target: Target, startedAt: number, facts: ReceiptFacts): Receipt {
  const now = gateway.clock.now();
  const { run, activity, attempt, turn } = target;
  const { note, ...rest } = facts;
  gateway.counted.call({ kind: facts.kind, outcome: facts.outcome });
  gateway.counted.seconds(Math.max(0, now - startedAt) / 1_000, { kind: facts.kind });
  const receipt = signReceipt(gateway.receiptKey, {
    ...rest,
    run,
    activity,
    attempt,
    turn,
    at: now,
    elapsedMs: Math.max(0, now - startedAt),
    ...(note === undefined ? {} : { note: note.slice(0, 500) }),
  });
  failpoint('gateway.receipt.signed');
  return receipt;
}
