// Owns: folding what people do to a run as a whole: freeze, resume, read-only; and the point from which folding may begin.
//   Z1: time in which a run was frozen is added to every deadline it has.
//   Z2: several freezes hold together; the run goes on when the last is lifted.
import type { EventOf } from '../../api/messages/history.ts';
import { initialState, type ActivityState, type OpenEscalation, type RunState } from './state.ts';

type PauseEvent = 'RunFrozen' | 'RunResumed' | 'ReadOnlyChanged' | 'HistoryContinued';
type Folders = { readonly [T in PauseEvent]: (state: RunState, event: EventOf<T>) => RunState };

export const pauseFolders: Folders = {
  RunFrozen: (state, { at, source, by, reason }) => ({
    ...state,
    status: state.status === 'Closed' ? 'Closed' : 'Frozen',
    frozen: {
      since: state.frozen?.since ?? at,
      holds: [...(state.frozen?.holds ?? []).filter((hold) => hold.source !== source), { source, by, reason }],
    },
  }),
  RunResumed: (state, { at, source }) => {
    if (state.frozen === undefined) return state;
    const holds = state.frozen.holds.filter((hold) => hold.source !== source);
    if (holds.length > 0) return { ...state, frozen: { ...state.frozen, holds } };
    return thawed(state, Math.max(0, at - state.frozen.since));
  },
  ReadOnlyChanged: ({ readOnlyRule: _rule, ...state }, { readOnly }) => ({ ...state, readOnly }),
  HistoryContinued: (state, { seq, folded }) => ({
    ...initialState(state.run),
    ...(folded as unknown as Partial<RunState>),
    continuedAt: seq,
  }),
};

function thawed(state: RunState, ms: number): RunState {
  const { frozen: _frozen, activity, escalation, ...rest } = state;
  const waits = escalation?.facts.action === 'freeze' ? 'Frozen' : 'Waiting';
  return {
    ...rest,
    status: escalation === undefined ? 'Running' : waits,
    deadline: state.deadline + ms,
    enteredAt: state.enteredAt + ms,
    frozenMs: (state.frozenMs ?? 0) + ms,
    ...(activity === undefined ? {} : { activity: movedActivity(activity, ms) }),
    ...(escalation === undefined ? {} : movedEscalation(state, escalation, ms)),
  };
}

const movedActivity = (activity: ActivityState, ms: number): ActivityState => ({
  ...activity,
  notBefore: activity.notBefore + ms,
  deadline: activity.deadline + ms,
  since: activity.since + ms,
});

/** The time people had before counts, the time in which nothing could be answered does not. */
function movedEscalation(state: RunState, open: OpenEscalation, ms: number): Partial<RunState> {
  const facts = { ...open.facts, deadline: open.facts.deadline + ms };
  return {
    escalation: { ...open, facts, openedAt: open.openedAt + ms },
    escalations: state.escalations.map((known) => (known.facts.id === facts.id ? { ...known, facts } : known)),
  };
}
