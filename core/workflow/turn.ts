// Owns: what a worker reports while it works.
//   T1: a turn is accepted in order and once; the same report again gets the same answer and makes no event.
//   T2: what counts (cost, effects, outcomes) comes from receipts; a result that claims more than its receipt is refused.
import type { ReportReply, TurnAsk } from '../../api/messages/asks.ts';
import type { Json, JsonObject, Receipt, ToolResult, Turn } from '../../api/messages/history.ts';
import { canonicalJson, digest } from '../canonical/canonical.ts';
import { callDigest } from '../permission/digest.ts';
import { askForCall } from './approval.ts';
import { stopRunaway } from './continue.ts';
import { after, current } from './current.ts';
import type { Given } from './definition.ts';
import { Draft, type Reaction } from './draft.ts';
import { escalate } from './escalate.ts';
import { observeTurn } from './observe.ts';
import type { ActivityState } from './state.ts';

export function reportTurn(given: Given, ask: TurnAsk): Reaction<ReportReply> {
  const now = current(given.state, ask);
  if (now.kind === 'Known') return { events: [], reply: { kind: 'Stop', message: `${ask.activity} is complete` } };
  if (now.kind === 'Stale') return { events: [], reply: { kind: 'Stop', message: now.message } };
  const { activity } = now;
  const refusal = wrongReceipt(given, ask);
  if (refusal !== undefined) return { events: [], reply: { kind: 'Error', code: 'DENIED', message: refusal } };
  const place = placeOf(activity, ask);
  if (place === 'Known') return { events: [], reply: { kind: 'Go' } };
  if (place === 'Gap') {
    const message = `turn ${ask.turn.turn} does not follow turn ${activity.turns.at(-1)?.turn ?? 0}; claim again`;
    return { events: [], reply: { kind: 'Error', code: 'STALE', message } };
  }
  const draft = new Draft(
    given,
    `turn/${ask.activity}/${ask.attempt}/${ask.turn.turn}${ask.proposed ? '/proposed' : ''}`,
  );
  draft.add({
    type: ask.proposed ? 'TurnProposed' : 'TurnCompleted',
    activity: ask.activity,
    attempt: ask.attempt,
    turn: ask.turn,
    worker: ask.worker,
  });
  if (!stopRunaway(draft)) afterTurn(draft, activity, ask.turn);
  return draft.reaction(after(draft.state, ask));
}

function afterTurn(draft: Draft, before: ActivityState, turn: Turn): void {
  const { run, activity } = draft.state;
  const subject = turn.calls.map((call) => callDigest({ run, activity: activity?.id ?? '', ...call }));
  if (escalate(draft, observeTurn(draft, before, turn), { calls: subject, results: turn.results.length }) !== 'Go')
    return;
  const waiting = undecided(draft.state.activity);
  if (waiting !== undefined) askForCall(draft, waiting);
}

/** The next call of the last turn that waits for a person and has no answer yet. */
export function undecided(activity: ActivityState | undefined): ToolResult | undefined {
  return activity?.turns
    .at(-1)
    ?.results.find(
      (result) =>
        result.outcome === 'approvalRequired' &&
        !activity.answers.some((answer) => answer.digest === result.approval?.digest),
    );
}

/** Known: nothing new. Next: it follows. Gap: something is missing before it. */
function placeOf(activity: ActivityState, { turn, proposed }: TurnAsk): 'Known' | 'Next' | 'Gap' {
  const last = activity.turns.at(-1);
  const expected = (last?.turn ?? 0) + 1;
  if (turn.turn === expected) return activity.proposed === undefined ? 'Next' : 'Gap';
  if (turn.turn > expected) return 'Gap';
  if (last === undefined || turn.turn !== last.turn) return 'Known';
  if (activity.proposed === turn.turn) return proposed ? 'Known' : 'Next';
  if (proposed || isSettled(last)) return 'Known';
  // Calls that waited for a person are reported again under the turn's own number.
  return canonicalJson(last.results) === canonicalJson(turn.results) ? 'Known' : 'Next';
}

function isSettled(turn: Turn): boolean {
  return turn.calls.every((call) =>
    turn.results.some((result) => result.id === call.id && result.outcome !== 'approvalRequired'),
  );
}

const needReceipt: readonly ToolResult['outcome'][] = ['ok', 'ambiguous', 'approvalRequired', 'recommended'];

/** What is wrong with the receipts of a turn (the shell has checked that they are genuine). */
function wrongReceipt({ state }: Given, { turn, activity, attempt }: TurnAsk): string | undefined {
  const about: About = (receipt) =>
    receipt.run === state.run && receipt.activity === activity && receipt.attempt === attempt;
  const { receipt, role } = turn;
  if (role !== 'verifier' && receipt?.kind !== 'model') return `turn ${turn.turn} has no receipt of a model call`;
  if (receipt !== undefined && !about(receipt))
    return `the receipt of turn ${turn.turn} is for another activity or attempt`;
  for (const result of turn.results) {
    const wrong = wrongResult(result, about, callOf(state.run, activity, result));
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

type About = (receipt: Receipt) => boolean;

const callOf = (run: string, activity: string, { tool, args }: ToolResult): string =>
  callDigest({ run, activity, tool, args });

/** `call`: digest of the call that the result is said to be of. */
function wrongResult(reported: ToolResult, about: About, call: string): string | undefined {
  const { id, receipt, outcome, tool } = reported;
  if (receipt === undefined) {
    return needReceipt.includes(outcome) ? `result ${id} of ${tool} says ${outcome} without a receipt` : undefined;
  }
  const fits = receipt.kind === 'tool' && receipt.name === tool && receipt.outcome === outcome && about(receipt);
  if (fits && receipt.digest !== call) return `the receipt of ${tool} is for other arguments than result ${id} says`;
  if (fits && !isHandedOver(reported, receipt)) return `result ${id} of ${tool} is not what the gateway handed over`;
  return fits ? undefined : `the receipt of ${tool} (${receipt.outcome}) does not fit the reported result (${outcome})`;
}

/** The result as the gateway gave it, or said to be left out for its size. */
function isHandedOver({ result }: ToolResult, receipt: Receipt): boolean {
  return receipt.result === digest(result) || (isObject(result) && result['truncated'] === true && size(result) === 2);
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const size = (value: JsonObject): number => Object.keys(value).length;
