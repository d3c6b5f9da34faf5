// Owns: the next step of an activity, from its recorded turns alone: plan → act → final answer → verify → repair → done.
//   T1: the step after a crash is the step that the turns ask for: nothing recorded is asked or done again.
//   T2: every reason to go again is a turn of role `verifier` with feedback, so repairs are counted from the turns.
//   T3: bounded: maxTurns model calls, maxRepairs rejections.
import type { JsonObject, ToolCall, ToolResult, Turn } from '../../api/messages/history.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';

export const maxTurnsDefault = 16;
export const maxRepairsDefault = 2;

export interface PersonsDecision {
  readonly digest: string;
  readonly option: string;
  readonly reason: string;
}

/** Reads the final answer: the shell validates it against the task's output schema. */
export type ReadAnswer = (
  text: string,
) => { readonly ok: true; readonly result: JsonObject } | { readonly ok: false; readonly message: string };

export interface ActivityView {
  readonly turns: readonly Turn[];
  /** Newest last. */
  readonly decisions: readonly PersonsDecision[];
  readonly bundle: BundleSpec;
  /** The task has an output schema. */
  readonly structured: boolean;
}

export type AgentStep =
  | {
      readonly kind: 'Ask';
      readonly turn: number;
      readonly role: 'planner' | 'executor';
      /** Ask for the answer in the shape of the output schema, without tools. */
      readonly final: boolean;
      readonly feedback?: string;
    }
  /** `calls` are to be made, in order; `settled` are results already known. */
  | {
      readonly kind: 'Call';
      readonly turn: Turn;
      readonly calls: readonly ToolCall[];
      readonly settled: readonly ToolResult[];
    }
  | { readonly kind: 'Wait'; readonly message: string }
  | { readonly kind: 'Verify'; readonly turn: number; readonly result: JsonObject }
  | { readonly kind: 'Reject'; readonly turn: number; readonly feedback: string }
  | { readonly kind: 'Fail'; readonly code: string; readonly message: string; readonly retryable: boolean };

/** The next step. Total: any recorded turns have one. */
export function nextStep(view: ActivityView, read: ReadAnswer): AgentStep {
  const last = view.turns.at(-1);
  if (last === undefined)
    return ask(view, { role: view.bundle.prompts.planner === undefined ? 'executor' : 'planner' });
  if (last.role === 'planner') return ask(view, { role: 'executor' });
  if (last.role === 'verifier') return afterRejection(view, last);
  if (last.calls.length > 0) return afterCalls(view, last);
  return afterAnswer(view, last, read);
}

function ask(
  view: ActivityView,
  options: { readonly role: 'planner' | 'executor'; readonly final?: boolean; readonly feedback?: string },
): AgentStep {
  const max = view.bundle.policy?.maxTurns ?? maxTurnsDefault;
  const asked = view.turns.filter((turn) => turn.role !== 'verifier').length;
  if (asked >= max) {
    return {
      kind: 'Fail',
      code: 'MODEL_FAILED',
      message: `the agent used all ${max} turns without a final answer; raise policy.maxTurns or make the goal smaller`,
      retryable: false,
    };
  }
  const turn = nextTurn(view);
  const { role, final = false, feedback } = options;
  return { kind: 'Ask', turn, role, final, ...(feedback === undefined ? {} : { feedback }) };
}

const nextTurn = (view: ActivityView): number => (view.turns.at(-1)?.turn ?? 0) + 1;

function afterRejection(view: ActivityView, last: Turn): AgentStep {
  const feedback = last.feedback ?? last.text ?? '';
  const max = view.bundle.policy?.maxRepairs ?? maxRepairsDefault;
  const rejections = view.turns.filter((turn) => turn.role === 'verifier' && turn.feedback !== undefined).length;
  if (rejections <= max) return ask(view, { role: 'executor', feedback });
  const message = `the result was rejected ${rejections} times, allowed are ${max} repairs; last: ${feedback}`;
  return { kind: 'Fail', code: 'VERIFIER_REJECTED', message: message.slice(0, 2_000), retryable: false };
}

function afterCalls(view: ActivityView, last: Turn): AgentStep {
  const settled: ToolResult[] = [];
  const calls: ToolCall[] = [];
  let fresh = false;
  for (const call of last.calls) {
    const result = last.results.find((candidate) => candidate.id === call.id);
    if (result === undefined) calls.push(call);
    else if (result.outcome !== 'approvalRequired') settled.push(result);
    else {
      const decision = view.decisions.findLast((candidate) => candidate.digest === result.approval?.digest);
      if (decision === undefined) return { kind: 'Wait', message: `call "${call.tool}" waits for a person` };
      if (decision.option === 'approve') calls.push(call);
      else {
        fresh = true;
        settled.push(rejectedByPerson(call, decision));
      }
    }
  }
  if (calls.length > 0 || fresh) return { kind: 'Call', turn: last, calls, settled };
  return ask(view, { role: 'executor' });
}

function rejectedByPerson(call: ToolCall, decision: PersonsDecision): ToolResult {
  return {
    ...call,
    outcome: 'denied',
    result: { error: `A person rejected this call: ${decision.reason}. Do not make it again.` },
  };
}

function afterAnswer(view: ActivityView, last: Turn, read: ReadAnswer): AgentStep {
  const text = last.text ?? '';
  if (!view.structured) {
    if (text.trim() === '') return { kind: 'Reject', turn: nextTurn(view), feedback: 'The answer was empty.' };
    return { kind: 'Verify', turn: nextTurn(view), result: { text } };
  }
  const answer = read(text);
  if (answer.ok) return { kind: 'Verify', turn: nextTurn(view), result: answer.result };
  const before = view.turns.at(-2);
  const wasFinal = before !== undefined && isAnswer(before);
  if (!wasFinal) return ask(view, { role: 'executor', final: true });
  return {
    kind: 'Reject',
    turn: nextTurn(view),
    feedback: `The answer does not fit: ${answer.message}`.slice(0, 4_000),
  };
}

/** A turn that gave an answer instead of calls. */
export const isAnswer = (turn: Turn): boolean => turn.role === 'executor' && turn.calls.length === 0;

/** The turn that records why the executor has to go again. */
export function rejection(turn: number, feedback: string, receipt?: Turn['receipt']): Turn {
  const bounded = feedback.slice(0, 8_000);
  return {
    turn,
    role: 'verifier',
    text: bounded,
    feedback: bounded,
    calls: [],
    results: [],
    ...(receipt === undefined ? {} : { receipt }),
  };
}

/** Confidence in the result, 0 … 1, from where the bundle says it comes. */
export function confidenceOf(bundle: BundleSpec, result: JsonObject, turns: readonly Turn[]): number | undefined {
  const from = bundle.policy?.confidenceFrom ?? 'reported';
  if (from === 'none') return undefined;
  const reported = result['confidence'];
  if (from === 'reported' && typeof reported === 'number' && reported >= 0 && reported <= 1) return reported;
  return turns.findLast((turn) => turn.role === 'executor' && turn.receipt !== undefined)?.receipt?.confidence;
}
