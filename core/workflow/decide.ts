// Owns: a person's answer, cancellation, and what happens when nobody answers.
//   D1: an escalation is decided at most once; the same decision again gets the same answer.
//   D2: the decision names the digest of what was shown and the queue it is in; its author is not who asked for the run.
//   D3: a frozen run takes no answer, and refuses none for good: whoever asks again after it was resumed is answered.
import type { CancelRequest, DecideRequest, EngineReply } from '../../api/messages/asks.ts';
import { durationMs } from '../routing/duration.ts';
import { askForCall } from './approval.ts';
import { continueHere } from './continue.ts';
import { frozenBy } from './current.ts';
import { firstState, type Given, policyFor, queueFor, stateOf } from './definition.ts';
import { Draft, type Reaction } from './draft.ts';
import { abandonCompensation, end, retryCompensation } from './end.ts';
import { handOver } from './escalate.ts';
import { afterFailure } from './failure.ts';
import { close, enter, exit, leave, stateDeadline } from './flow.ts';
import { undecided } from './turn.ts';
import { openChildren } from './fold-children.ts';
import type { OpenEscalation, RunState } from './state.ts';

export interface DecideResult {
  readonly escalation: string;
  readonly option: 'approve' | 'reject';
  readonly message: string;
}

const dayMs = 86_400_000;
const no = (code: string, message: string): Reaction<EngineReply<never>> => ({
  events: [],
  reply: { ok: false, code, message },
});

export function answerEscalation(given: Given, request: DecideRequest): Reaction<EngineReply<DecideResult>> {
  const { state } = given;
  const known = state.escalations.find((escalation) => escalation.facts.id === request.escalation);
  if (known === undefined) return no('NOT_FOUND', `run ${state.run} has no escalation ${request.escalation}`);
  const result = (message: string): EngineReply<DecideResult> => ({
    ok: true,
    result: { escalation: request.escalation, option: request.option, message },
  });
  if (state.parked !== undefined) return no('STALE', state.parked);
  if (known.decision === request.decision) return { events: [], reply: result('already decided by this decision') };
  const open = state.escalation?.facts.id === request.escalation ? state.escalation : undefined;
  if (open === undefined || state.status === 'Closed') {
    const how = known.status === 'Decided' ? `${known.option} by ${known.by}` : known.status.toLowerCase();
    return no('STALE', `escalation ${request.escalation} is no longer open: ${how}`);
  }
  const refusal = whyNot(given, open, request);
  if (refusal !== undefined) return refusal;
  const draft = new Draft(given, `decide/${request.decision}`);
  const { option, by, reason, digest, decision } = request;
  draft.add({ type: 'EscalationDecided', id: request.escalation, option, by, reason, digest, decision });
  if (option === 'approve') resume(draft, open);
  else if (open.facts.signal === 'compensation') abandonCompensation(draft, by, reason);
  else reject(draft, open, `rejected by ${by}: ${reason}`);
  return draft.reaction(result(option === 'approve' ? 'the run goes on' : 'the run was turned away'));
}

function whyNot(
  { state, now }: Given,
  open: OpenEscalation,
  request: DecideRequest,
): ReturnType<typeof no> | undefined {
  if (state.frozen !== undefined) {
    return no('FROZEN', `run ${state.run} is frozen by ${frozenBy(state.frozen.holds)}: resume it first, then answer`);
  }
  if (now >= open.facts.deadline) {
    return no('STALE', `escalation ${request.escalation} expired; look at the run for what happened then`);
  }
  if (request.digest !== open.facts.digest) {
    return no(
      'DENIED',
      `the decision is for digest ${request.digest}, but the escalation asks about ${open.facts.digest}`,
    );
  }
  if (request.queue !== open.facts.queue) {
    return no(
      'DENIED',
      `the decision is for queue ${request.queue}, but the question is in queue ${open.facts.queue} now`,
    );
  }
  if (request.by === state.requestedBy) {
    return no('DENIED', `${request.by} started the run and may not decide it: ask somebody else`);
  }
  return undefined;
}

/** Goes on exactly where the question stopped the run. */
function resume(draft: Draft, asked: OpenEscalation): void {
  const { state } = draft;
  if (asked.facts.signal === 'compensation') {
    retryCompensation(draft);
    return;
  }
  if (asked.facts.signal === 'history') continueHere(draft);
  if (state.state === '') {
    enter(draft, firstState(draft));
    return;
  }
  switch (state.activity?.phase) {
    case undefined:
      leave(draft, 'approved');
      return;
    case 'Completed':
      leave(draft, 'done');
      return;
    case 'Failed':
      afterFailure(draft);
      return;
    case 'Scheduled': {
      // Also after a question about something else: the worker cannot go on without an answer about its call.
      const next = undecided(state.activity);
      if (next !== undefined) askForCall(draft, next);
    }
  }
}

function reject(draft: Draft, asked: OpenEscalation, message: string): void {
  const { state } = draft;
  const spec = stateOf(draft.definition, state.state);
  if (spec?.exits?.rejected !== undefined) exit(draft, 'rejected', message);
  else if (asked.facts.proposal !== undefined) exit(draft, 'error', message);
  else close(draft, 'handedOver', message);
}

/** The deadline of the open escalation has passed: the next queue, another workflow, or a rejection. */
export function expire(draft: Draft, open: OpenEscalation): void {
  const { facts } = open;
  const spec = stateOf(draft.definition, draft.state.state);
  const limit = spec?.type === 'approval' ? stateDeadline(draft, spec) : Number.POSITIVE_INFINITY;
  if (draft.now < limit && passOn(draft, open, limit)) return;
  draft.add({ type: 'EscalationExpired', id: facts.id, next: 'rejected' });
  const message = `nobody answered in queue ${facts.queue} in time`;
  if (spec?.exits?.expired !== undefined) exit(draft, 'expired', message);
  else reject(draft, open, message);
}

/** True when the queue says who is next; a circle of queues is left after one round. */
function passOn(draft: Draft, { facts, moves }: OpenEscalation, limit: number): boolean {
  const onExpiry = queueFor(draft, facts.queue)?.onExpiry;
  const next = onExpiry?.next;
  if (next !== undefined && moves < (policyFor(draft)?.spec.queues.length ?? 0)) {
    const deadline = Math.min(limit, draft.now + durationMs(queueFor(draft, next)?.deadline, dayMs));
    draft.add({ type: 'EscalationMoved', id: facts.id, queue: next, deadline });
    return true;
  }
  const workflow = onExpiry?.fallbackWorkflow;
  // What a run owes stays with it: without an answer it is asked again.
  if (workflow === undefined || draft.state.ending !== undefined) return false;
  draft.add({ type: 'EscalationExpired', id: facts.id, next: `workflow ${workflow}` });
  handOver(draft, workflow, `nobody answered in queue ${facts.queue}`);
  return true;
}

export function cancelRun(given: Given, request: CancelRequest): Reaction<EngineReply<{ readonly message: string }>> {
  const { state } = given;
  if (state.parked !== undefined) return no('STALE', state.parked);
  if (state.status === 'Closed') {
    const message = state.outcome === 'cancelled' ? 'already cancelled' : `already closed: ${state.outcome ?? ''}`;
    return { events: [], reply: { ok: true, result: { message } } };
  }
  if (state.ending !== undefined) {
    return {
      events: [],
      reply: { ok: true, result: { message: `already ending with ${state.ending.outcome}; ${left(state)}` } },
    };
  }
  const draft = new Draft(given, `cancel/${request.by}`);
  draft.add({ type: 'CancelRequested', by: request.by, reason: request.reason });
  const message = `cancelled by ${request.by}: ${request.reason}`;
  end(draft, { outcome: 'cancelled', message, compensate: true });
  const answer = draft.state.status === 'Closed' ? 'cancelled' : `cancelled; ${left(draft.state)}`;
  return draft.reaction({ ok: true, result: { message: answer } });
}

/** What is still to come before the run is closed. */
function left(state: RunState): string {
  const children = openChildren(state).length;
  const parts = [
    ...(state.frozen === undefined ? [] : ['the run is frozen and goes on when it is resumed']),
    ...(children === 0 ? [] : [`${children} of its children are still open`]),
    ...(state.owed.length === 0 || state.ending?.compensate !== true
      ? []
      : [`${state.owed.length} tasks are still to be undone`]),
  ];
  return parts.join(', ');
}
