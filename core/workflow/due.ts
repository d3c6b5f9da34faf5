// Owns: time. Deadlines are in folded state; a timer that fires late, twice or for nothing changes nothing.
import { durationMs } from '../routing/duration.ts';
import { expire } from './decide.ts';
import { type Given, hasChildren, rulesFor, stateOf } from './definition.ts';
import { Draft, type Reaction } from './draft.ts';
import { escalate, isSettled } from './escalate.ts';
import { enter, exit, leave, stateDeadline, takeKept } from './flow.ts';
import { keptSignal } from './fold-incoming.ts';
import { end } from './end.ts';
import { timeOut } from './failure.ts';
import { timeOutChildren } from './join.ts';
import type { KeptSignal } from '../../api/messages/incoming.ts';
import { begin } from './start.ts';
import type { RunState } from './state.ts';
import { observeActivity } from './observe.ts';

/** When the run needs to be looked at again, undefined when never by itself. */
export function nextDue(given: Omit<Given, 'now'>): number | undefined {
  const { state, definition } = given;
  if (state.status === 'Closed' || state.parked !== undefined || state.frozen !== undefined) return undefined;
  if (isDelayed(state)) return Math.min(state.deadline, state.startAt);
  const times = state.ending === undefined ? [state.deadline] : [];
  if (state.escalation !== undefined) times.push(state.escalation.facts.deadline);
  else {
    const spec = stateOf(definition, state.state);
    if (state.activity !== undefined) {
      times.push(state.activity.deadline);
      const slow = slowAt(given);
      if (slow !== undefined) times.push(slow);
    } else if (state.ending === undefined && spec !== undefined) {
      if (spec.type === 'wait') times.push(waitEnd(given).at);
      else if (hasChildren(spec)) times.push(stateDeadline({ state }, spec));
    }
  }
  return times.length === 0 ? undefined : Math.min(...times);
}

/** True until the time for which it was started. */
export const isDelayed = (state: RunState): state is RunState & { readonly startAt: number } =>
  state.state === '' && state.startAt !== undefined && state.status === 'Running';

/** A signal that came while the run could not take it. */
const keptFor = ({ state, definition }: Omit<Given, 'now'>): KeptSignal | undefined =>
  keptSignal(state, stateOf(definition, state.state)?.for?.signal);

/** When the first latency rule that has not had its say fires. */
function slowAt(given: Omit<Given, 'now'>): number | undefined {
  const { activity } = given.state;
  if (activity === undefined || activity.phase !== 'Scheduled') return undefined;
  const times = rulesFor(given)
    .filter((rule) => rule.signal === 'abnormalLatency' && !isSettled(given, rule))
    .map((rule) => activity.since + durationMs(rule.above, Number.POSITIVE_INFINITY))
    .filter((at) => Number.isFinite(at));
  return times.length === 0 ? undefined : Math.min(...times);
}

function waitEnd({ state, definition }: Omit<Given, 'now'>): { readonly at: number; readonly timedOut: boolean } {
  const spec = stateOf(definition, state.state);
  if (spec === undefined) return { at: state.enteredAt, timedOut: true };
  if (keptSignal(state, spec.for?.signal) !== undefined) return { at: state.enteredAt, timedOut: false };
  const duration = spec.for?.duration;
  const deadline = stateDeadline({ state }, spec);
  if (duration === undefined) return { at: deadline, timedOut: true };
  const end = state.enteredAt + durationMs(duration, 0);
  return spec.timeout !== undefined && deadline < end ? { at: deadline, timedOut: true } : { at: end, timedOut: false };
}

export function fireDue(given: Given): Reaction<undefined> {
  const { state, now } = given;
  const draft = new Draft(given, `due/${now}`);
  const due = nextDue(given);
  if (due === undefined || now < due) return { events: [], reply: undefined };
  if (state.ending === undefined && now >= state.deadline) {
    end(draft, { outcome: 'timedOut', message: 'the run took longer than allowed', compensate: true });
  } else if (state.escalation !== undefined) expire(draft, state.escalation);
  else if (isDelayed(state)) begin(draft);
  else if (state.activity !== undefined) fireActivity(draft);
  else if (stateOf(draft.definition, state.state)?.type === 'wait') fireWait(draft);
  else timeOutChildren(draft);
  return draft.reaction(undefined);
}

function fireActivity(draft: Draft): void {
  const { activity } = draft.state;
  if (activity === undefined) return;
  if (draft.now >= activity.deadline) timeOut(draft);
  else escalate(draft, observeActivity(draft, activity), { activity: activity.id, attempt: activity.attempt });
}

function fireWait(draft: Draft): void {
  const { state } = draft;
  const kept = keptFor(draft);
  if (kept !== undefined) {
    const to = takeKept(draft, kept);
    if (to !== undefined) enter(draft, to);
    return;
  }
  const { timedOut } = waitEnd(draft);
  draft.add({ type: 'WaitElapsed', state: state.state, visit: state.visit, timedOut });
  if (timedOut) exit(draft, 'timeout', `nothing came in state ${state.state} in time`);
  else leave(draft, 'received');
}
