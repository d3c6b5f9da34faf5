// Owns: folding the end of a run: what it owes, and undoing it.
import type { EventOf } from '../../api/messages/history.ts';
import { cancelOpen } from './fold-children.ts';
import type { RunState } from './state.ts';

type EndingEvent =
  'CompensationOwed' | 'RunEnding' | 'CompensationStarted' | 'CompensationCompleted' | 'CompensationAbandoned';
type Folders = { readonly [T in EndingEvent]: (state: RunState, event: EventOf<T>) => RunState };

export const endingFolders: Folders = {
  CompensationOwed: (state, { activity, state: undoneBy, completed }) => ({
    ...state,
    owed: [...state.owed, { activity, state: undoneBy, facts: completed ? state.result : {} }],
  }),
  RunEnding: (state, { outcome, state: at, message, compensate }) => {
    const { activity: _activity, escalation, ...rest } = state;
    return {
      ...rest,
      status: state.frozen === undefined ? 'Running' : 'Frozen',
      ending: { outcome, state: at, message, compensate },
      children: cancelOpen(state.children),
      escalations: state.escalations.map((known) =>
        known.facts.id === escalation?.facts.id ? { ...known, status: 'Closed' } : known,
      ),
    };
  },
  CompensationStarted: (state, event) => {
    const { activity: _activity, ...rest } = state;
    const compensating = state.owed.findLast(({ activity }) => activity === event.of);
    return {
      ...rest,
      state: event.state,
      visit: event.visit,
      visits: { ...state.visits, [event.state]: event.visit },
      enteredAt: event.at,
      ...(compensating === undefined ? {} : { compensating }),
    };
  },
  CompensationCompleted: (state, event) => settled(state, event.of),
  CompensationAbandoned: (state, event) => settled(state, event.of),
};

function settled(state: RunState, of: string): RunState {
  const { activity: _activity, compensating: _compensating, ...rest } = state;
  const last = state.owed.findLastIndex(({ activity }) => activity === of);
  return { ...rest, owed: state.owed.filter((_, index) => index !== last) };
}
