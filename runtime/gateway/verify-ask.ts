// Owns: the verifier's judgement of a result. The whole conversation is built here from folded state: the worker brings only
// the result. A missing or garbled verdict is a rejection.
import type { VerifyAsk, VerifyAskReply } from '../../api/messages/asks.ts';
import type { WorkerIdentity } from '../../api/messages/subjects.ts';
import { readVerdict, verdictSchema, verifierMessages } from '../../core/agent/prompt.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { admit } from './admission.ts';
import { callModel } from './model-call.ts';
import type { Gateway } from './ports.ts';
import { receiptOf } from './receipt.ts';
import { scriptOf } from './script.ts';

export async function answerVerifyAsk(
  gateway: Gateway,
  worker: WorkerIdentity,
  ask: VerifyAsk,
): Promise<VerifyAskReply> {
  const startedAt = gateway.clock.now();
  const admitted = await admit(gateway, worker, ask, { kind: 'verify' });
  if ('kind' in admitted) return refusal(admitted.code, admitted.message);
  const { allowed, bundle } = admitted;
  if (bundle.spec.verifier.model === undefined) {
    return refusal(
      'INVALID_INPUT',
      `bundle "${bundle.name}" has no verifier.model; its rules are checked by the engine`,
    );
  }
  if (admitted.budgetLeftMicros !== undefined && admitted.budgetLeftMicros <= 0) {
    return refusal('DENIED', 'budget: nothing is left of the budget of the run, the activity or the agent');
  }
  const judged = digest(ask.result);
  const { run, activity, attempt, turn } = ask;
  const outcome = await callModel(gateway, admitted, {
    role: 'verifier',
    messages: verifierMessages({
      bundle,
      goal: allowed.goal,
      input: allowed.input,
      facts: allowed.facts,
      result: ask.result,
      turns: allowed.turns,
    }),
    tools: [],
    output: verdictSchema,
    script: scriptOf(admitted, { role: 'verifier', turn, attempt, feedback: '', result: ask.result }),
    idempotencyKey: digest({ run, activity, attempt, turn, judged }).replace(/^sha256:/, ''),
  });
  if (outcome.kind === 'Failed') return { ...outcome, kind: 'Error' };
  const verdict = readVerdict(outcome.reply.text);
  const receipt = receiptOf(gateway, ask, startedAt, {
    kind: 'verify',
    name: outcome.model,
    outcome: verdict.approved ? 'ok' : 'rejected',
    digest: judged,
    costMicros: outcome.costMicros,
    inputTokens: outcome.reply.inputTokens,
    outputTokens: outcome.reply.outputTokens,
    ...(outcome.backup ? { backup: true } : {}),
    note: verdict.reason,
  });
  return { kind: 'Verdict', ...verdict, receipt };
}

const refusal = (code: string, message: string): VerifyAskReply => ({ kind: 'Error', code, message, retryable: false });
