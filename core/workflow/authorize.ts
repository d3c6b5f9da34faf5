// Owns: what the gateway is told before each call. Folded state only; never a worker's word.
//   Z1: no call for an attempt that is not current.   Z2: no effect that was not proposed in the journal.
//   Z3: an approval is consumed once, by an event, before the call; the same call asked for again is the same consumption.
import type { AuthorizeReply, AuthorizeRequest } from '../../api/messages/asks.ts';
import { bundleToken } from '../../api/messages/subjects.ts';
import { callDigest } from '../permission/digest.ts';
import { current } from './current.ts';
import { budgetLeft, factsOf, type Given, stateOf } from './definition.ts';
import { Draft, type Reaction } from './draft.ts';
import { goalOf, outputOf } from './schedule.ts';
import type { ActivityState, RunState } from './state.ts';

type Allowed = Extract<AuthorizeReply, { readonly kind: 'Allowed' }>;

export function authorizeCall(given: Given, request: AuthorizeRequest): Reaction<AuthorizeReply> {
  const { state, now } = given;
  const found = current(state, request);
  if (found.kind !== 'Current')
    return refused('STALE', found.kind === 'Stale' ? found.message : 'the activity is complete');
  const { activity } = found;
  if (
    state.namespace !== request.namespace ||
    activity.agent !== request.agent ||
    bundleToken(activity.bundleDigest) !== bundleToken(request.bundle)
  ) {
    return refused('DENIED', `${activity.id} belongs to agent ${activity.agent} with another bundle`);
  }
  if (now >= activity.deadline) return refused('STALE', `the time of ${activity.id} is over`);
  if (request.effectful === true && !isProposed(state, activity, request)) {
    return refused('DENIED', `this call of ${request.tool ?? 'a tool'} was not proposed in the journal first`);
  }
  const draft = new Draft(given, `authorize/${request.digest ?? request.turn}`);
  const approval = consume(draft, request);
  const acted = request.digest !== undefined && state.effectDigests.includes(request.digest);
  return draft.reaction({ ...allowed(draft, activity, approval), ...(acted ? { acted } : {}) });
}

const refused = (code: string, message: string): Reaction<AuthorizeReply> => ({
  events: [],
  reply: { kind: 'Refused', code, message },
});

function isProposed(state: RunState, activity: ActivityState, { turn, digest }: AuthorizeRequest): boolean {
  const recorded = activity.turns.find((known) => known.turn === turn);
  return (
    recorded?.calls.some(
      ({ tool, args }) => callDigest({ run: state.run, activity: activity.id, tool, args }) === digest,
    ) ?? false
  );
}

function consume(draft: Draft, request: AuthorizeRequest): 'notNeeded' | 'consumed' | 'absent' {
  if (request.approvalNeeded !== true) return 'notNeeded';
  const { digest, activity, attempt } = request;
  const given = draft.state.approvals.find((known) => known.digest === digest && known.activity === activity);
  if (given === undefined || digest === undefined) return 'absent';
  if (!given.consumed) draft.add({ type: 'ApprovalConsumed', id: given.id, digest, activity, attempt });
  return 'consumed';
}

function allowed(draft: Draft, activity: ActivityState, approval: 'notNeeded' | 'consumed' | 'absent'): Allowed {
  const { state } = draft;
  const spec = stateOf(draft.definition, state.state) ?? { type: 'task' as const };
  const budgetLeftMicros = budgetLeft(draft);
  const output = outputOf(spec);
  const { run: id, namespace, workflow, requestedBy } = state;
  return {
    kind: 'Allowed',
    run: { id, namespace, workflow, requestedBy, ...(state.key === undefined ? {} : { key: state.key }) },
    bundleDigest: activity.bundleDigest,
    state: state.state,
    goal: goalOf(state, spec).text,
    ...(output === undefined ? {} : { output }),
    ...(spec.tools === undefined ? {} : { tools: spec.tools }),
    readOnly: state.readOnly || spec.readOnly === true,
    highRisk: spec.highRisk === true,
    ...(spec.override === undefined ? {} : { override: spec.override }),
    input: state.input,
    facts: factsOf(state),
    ...(budgetLeftMicros === undefined ? {} : { budgetLeftMicros }),
    spentMicros: state.costMicros - (state.childrenMicros ?? 0),
    deadline: activity.deadline,
    approval,
    turns: activity.turns,
  };
}
