// Owns: what people do to a run as a whole: freeze it, resume it, make it read-only.
//   Z1: a frozen run does nothing: no task, call, timer or answer. It may still be cancelled; that takes effect when it is resumed.
//   Z2: a freeze is lifted in the way it was set.
import type { EngineReply, FreezeRequest, ReadOnlyRequest } from '../../api/messages/asks.ts';
import { goOn } from './join.ts';
import type { Given } from './definition.ts';
import { Draft, type Reaction } from './draft.ts';
import type { RunState } from './state.ts';

type Told = EngineReply<{ readonly message: string }>;

const told = (message: string): Reaction<Told> => ({ events: [], reply: { ok: true, result: { message } } });
const stale = (message: string): Reaction<Told> => ({ events: [], reply: { ok: false, code: 'STALE', message } });

export function freezeRun(given: Given, { source, by, reason }: FreezeRequest): Reaction<Told> {
  const { state } = given;
  if (state.parked !== undefined) return stale(state.parked);
  if (state.status === 'Closed') return stale(`run ${state.run} is closed: ${state.outcome ?? ''}`);
  if (state.frozen?.holds.some((hold) => hold.source === source) === true) return told('already frozen');
  const draft = new Draft(given, `freeze/${source}/${by}`);
  draft.add({ type: 'RunFrozen', source, by, reason });
  return draft.reaction({ ok: true, result: { message: 'frozen' } });
}

export function resumeRun(given: Given, { source, by, reason }: FreezeRequest): Reaction<Told> {
  const { state } = given;
  if (state.parked !== undefined) return stale(state.parked);
  if (state.status === 'Closed') return stale(`run ${state.run} is closed: ${state.outcome ?? ''}`);
  if (state.frozen === undefined) return told(`not frozen${howItGoesOn(state)}`);
  const others = state.frozen.holds.filter((hold) => hold.source !== source);
  if (others.length === state.frozen.holds.length)
    return stale(`run ${state.run} is frozen ${others.map(how).join(', and ')}`);
  const draft = new Draft(given, `resume/${source}/${by}`);
  draft.add({ type: 'RunResumed', source, by, reason });
  goOn(draft);
  const message = others.length === 0 ? 'resumed' : `still frozen ${others.map(how).join(', and ')}`;
  return draft.reaction({ ok: true, result: { message } });
}

/** A rule stops a run too, and may say freeze: an answer lifts that. */
const howItGoesOn = ({ escalation }: RunState): string =>
  escalation === undefined
    ? ''
    : `: it goes on when escalation ${escalation.facts.id} in queue ${escalation.facts.queue} is decided`;

const howToLift = {
  person: 'resume it with `signalbox run resume`',
  object: 'set spec.suspend of its WorkflowRun to false',
  parent: 'resume its parent',
} as const;

const how = ({ source, by, reason }: Omit<FreezeRequest, 'namespace' | 'run'>): string =>
  `by ${by} (${reason}): ${howToLift[source]}`;

/** What a rule has set is not for who asked for the run to lift, as its escalations are not for them to decide. */
function notTheirs({ readOnlyRule: rule, requestedBy }: RunState, by: string): Reaction<Told> | undefined {
  if (rule === undefined || by !== requestedBy) return undefined;
  const message = `rule ${rule} made the run read-only, and ${by} started it and may not lift that: ask somebody else`;
  return { events: [], reply: { ok: false, code: 'DENIED', message } };
}

export function setReadOnly(given: Given, { readOnly, by, reason }: ReadOnlyRequest): Reaction<Told> {
  const { state } = given;
  if (state.parked !== undefined) return stale(state.parked);
  if (state.status === 'Closed') return stale(`run ${state.run} is closed: ${state.outcome ?? ''}`);
  const now = readOnly ? 'read-only: calls with an effect are denied' : 'calls with an effect are allowed';
  if (state.readOnly === readOnly) return told(`already ${now}`);
  const refused = notTheirs(state, by);
  if (refused !== undefined) return refused;
  const draft = new Draft(given, `readonly/${by}`);
  draft.add({ type: 'ReadOnlyChanged', readOnly, by, reason });
  return draft.reaction({ ok: true, result: { message: now } });
}
