// Owns: one claimed activity as a test's worker sees it, with receipts as the gateway signs them.
import type { AuthorizeReply, AuthorizeRequest, ClaimReply, ReportReply } from '../../api/messages/asks.ts';
import type { JsonObject, Receipt, Turn } from '../../api/messages/history.ts';
import type { WorkerEngineVerb } from '../../api/messages/subjects.ts';
import { signReceipt } from '../../runtime/receipts.ts';

export type Work = Extract<ClaimReply, { kind: 'Work' }>;

/** One claimed activity, as a test's worker sees it. */
export interface Desk {
  readonly work: Work;
  readonly worker: string;
  ask<T = ReportReply>(verb: WorkerEngineVerb, payload?: object): Promise<T>;
  /** A receipt of the gateway, about this activity. */
  receipt(fields: Partial<Receipt> & Pick<Receipt, 'kind' | 'name'>): Receipt;
  /** A turn of the executor with its model receipt. */
  turn(turn: number, more?: Partial<Turn>): Turn;
  report(turn: Turn, proposed?: boolean): Promise<ReportReply>;
  complete(result: JsonObject): Promise<ReportReply>;
  fail(code: string, retryable?: boolean): Promise<ReportReply>;
  authorize(request: Partial<AuthorizeRequest>): Promise<AuthorizeReply>;
}

export type Script = (desk: Desk) => Promise<void>;

/** What the stage gives a desk: the work, who speaks, and how. */
export type DeskGiven = Pick<Desk, 'work' | 'worker' | 'ask' | 'authorize'> & { readonly receiptKey: Uint8Array };

export function openDesk({ receiptKey, ...given }: DeskGiven): Desk {
  const { work, ask } = given;
  const { id: run } = work.run;
  const { activity, attempt } = work;
  const receipt: Desk['receipt'] = (fields) =>
    signReceipt(receiptKey, {
      run,
      activity,
      attempt,
      turn: 1,
      outcome: 'ok',
      digest: 'sha256:0',
      at: Date.now(),
      elapsedMs: 1,
      costMicros: fields.kind === 'model' ? 100 : 0,
      ...fields,
    });
  const turn: Desk['turn'] = (number, more = {}) => ({
    turn: number,
    role: 'executor',
    calls: [],
    results: [],
    receipt: receipt({ kind: 'model', name: 'small', turn: number }),
    ...more,
  });
  return {
    ...given,
    receipt,
    turn,
    report: (reported, proposed = false) => ask('turn', { turn: reported, proposed }),
    complete: (result) => ask('complete', { result, verification: { approved: true, rules: [] } }),
    fail: (code, retryable = true) => ask('fail', { failure: { code, message: `${code} happened` }, retryable }),
  };
}
