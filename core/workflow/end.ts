// Owns: how a run ends: its children first, then what it owes is undone, then it is closed.
//   X1: a run is closed once, and after all its children; the first reason to end holds.
//   X2: what is owed is undone in reverse order; only a person gives one up, with a reason. Nothing is skipped silently.
import type { Owed } from '../../api/messages/family.ts';
import type { EventOf } from '../../api/messages/history.ts';
import { askForCompensation } from './approval.ts';
import { stateOf } from './definition.ts';
import type { Draft } from './draft.ts';
import { openChildren } from './fold-children.ts';
import { type Assignment, goalOf, schedule } from './schedule.ts';

type End = Pick<EventOf<'RunEnding'>, 'outcome' | 'message' | 'compensate'>;

export function end(draft: Draft, { outcome, message, compensate }: End): void {
  if (draft.state.ending !== undefined || draft.state.status === 'Closed') return;
  if (compensate) oweInterrupted(draft);
  const { state, owed } = draft.state;
  if (openChildren(draft.state).length === 0 && (!compensate || owed.length === 0)) {
    draft.add({ type: 'RunClosed', outcome, state, message });
    return;
  }
  draft.add({ type: 'RunEnding', outcome, state, message, compensate });
  goOnEnding(draft);
}

/** What is next on the way to the end; nothing while children are open, a compensation is at work or a person is asked. */
export function goOnEnding(draft: Draft): void {
  const { ending, frozen, escalation, compensating, owed } = draft.state;
  if (ending === undefined || frozen !== undefined || escalation !== undefined || compensating !== undefined) return;
  if (openChildren(draft.state).length > 0) return;
  const next = ending.compensate ? owed.at(-1) : undefined;
  if (next === undefined) {
    const { outcome, state, message } = ending;
    draft.add({ type: 'RunClosed', outcome, state, message });
  } else compensate(draft, next);
}

function compensate(draft: Draft, { activity, state }: Owed): void {
  const visit = (draft.state.visits[state] ?? 0) + 1;
  draft.add({ type: 'CompensationStarted', of: activity, state, visit });
  giveOut(draft, {});
}

function giveOut(draft: Draft, more: Pick<Assignment, 'reason' | 'renewed'>): void {
  const spec = stateOf(draft.definition, draft.state.state);
  const goal = spec === undefined ? undefined : goalOf(draft.state, spec);
  if (goal?.ok === false) compensationFailed(draft, `its goal cannot be filled in: ${goal.text}`);
  else if (!schedule(draft, { route: 'primary', agent: spec?.agent ?? '', ...more })) {
    compensationFailed(draft, `agent ${spec?.agent ?? ''} has no bundle in this run`);
  }
}

export function compensationDone(draft: Draft): void {
  const { compensating } = draft.state;
  if (compensating === undefined) return;
  draft.add({ type: 'CompensationCompleted', of: compensating.activity, state: compensating.state });
  goOnEnding(draft);
}

export function compensationFailed(draft: Draft, problem: string): void {
  if (draft.state.compensating === undefined || draft.state.escalation !== undefined) return;
  askForCompensation(draft, problem);
}

/** A person's yes: the same activity, so that effects that were made are found again. */
export function retryCompensation(draft: Draft): void {
  giveOut(draft, { reason: 'a person had it tried again', renewed: true });
}

export function abandonCompensation(draft: Draft, by: string, reason: string): void {
  const { compensating } = draft.state;
  if (compensating === undefined) return;
  const { activity: of, state } = compensating;
  draft.add({ type: 'CompensationAbandoned', of, state, by, reason });
  goOnEnding(draft);
}

/** After a task with a compensation is done. */
export function owe(draft: Draft): void {
  const { state, visit } = draft.state;
  const undoneBy = stateOf(draft.definition, state)?.compensation;
  if (undoneBy === undefined) return;
  draft.add({ type: 'CompensationOwed', activity: `${state}.${visit}`, state: undoneBy, completed: true });
}

/** A task that is left undone owes its compensation too, once it may have had an effect; so does one whose result is in doubt. */
export function oweInterrupted(draft: Draft): void {
  const { activity, owed } = draft.state;
  if (activity === undefined) return;
  const undoneBy = stateOf(draft.definition, activity.state)?.compensation;
  const completed = activity.phase === 'Completed';
  if (undoneBy === undefined || !(completed || activity.acted || activity.proposed !== undefined)) return;
  if (owed.some((known) => known.activity === activity.id)) return;
  draft.add({ type: 'CompensationOwed', activity: activity.id, state: undoneBy, completed });
}
