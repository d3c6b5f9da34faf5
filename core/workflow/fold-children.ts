// Owns: folding what children do into the run that asked for them.
//   C1: leaving the state that asked, or ending the run, cancels the children that are still open.
//   C2: what a child spent and did counts in its parent, once.
import type { EventOf, JsonObject } from '../../api/messages/history.ts';
import type { ChildState, RunState } from './state.ts';

type ChildEvent = 'ChildAsked' | 'ChildClosed' | 'ChildrenJoined';
type Folders = { readonly [T in ChildEvent]: (state: RunState, event: EventOf<T>) => RunState };

/** Closed children of earlier visits that lists and shows still name. */
const closedMax = 64;

export const openChildren = ({ children }: RunState): readonly ChildState[] =>
  children.filter(({ closed }) => closed === undefined);

/** The children of the current visit of the current state. */
export const childrenHere = ({ children, state, visit }: RunState): readonly ChildState[] =>
  children.filter((child) => child.state === state && child.visit === visit);

export const cancelOpen = (children: readonly ChildState[]): readonly ChildState[] =>
  children.map((child) => (child.closed === undefined ? { ...child, cancelled: true } : child));

export const childFolders: Folders = {
  ChildAsked: (state, event) => {
    const { type: _type, seq: _seq, at: _at, cause: _cause, ...asked } = event;
    return { ...state, children: [...state.children, { ...asked, cancelled: false }] };
  },
  ChildClosed: (state, { run, outcome, message, result, costMicros, effects, owed }) => ({
    ...state,
    costMicros: state.costMicros + costMicros,
    childrenMicros: (state.childrenMicros ?? 0) + costMicros,
    effects: state.effects + effects,
    owed: [...state.owed, ...(owed ?? [])],
    children: pruned(
      state.children.map((child) =>
        child.run === run
          ? { ...child, input: {}, closed: { outcome, message, result: child.cancelled ? {} : result } }
          : child,
      ),
    ),
  }),
  ChildrenJoined: (state, event) => {
    const asked = state.children.filter((child) => child.state === event.state && child.visit === event.visit);
    const joined = Object.fromEntries(asked.map((child) => [child.child, factOf(child)]));
    const others = state.children.filter((child) => !asked.includes(child));
    return {
      ...state,
      facts: { ...state.facts, ...joined },
      result: event.stateType === 'workflow' ? (joined[event.state] ?? {}) : joined,
      children: pruned([...others, ...cancelOpen(asked).map(withoutResult)]),
    };
  },
};

/** What guards and goals see of a child: one that nobody waited for counts as cancelled. */
function factOf({ run, closed }: ChildState): JsonObject {
  if (closed === undefined) return { run, outcome: 'cancelled', message: 'not waited for', result: {} };
  const { outcome, message, result } = closed;
  return { run, outcome, message, result };
}

const withoutResult = (child: ChildState): ChildState =>
  child.closed === undefined ? child : { ...child, closed: { ...child.closed, result: {} } };

/** Of those whose state is left, the newest stay. */
function pruned(children: readonly ChildState[]): readonly ChildState[] {
  const tooMany = children.length - closedMax;
  if (tooMany <= 0) return children;
  const last = children.at(-1);
  const goes = children.filter(
    ({ closed, state, visit }) => closed !== undefined && (state !== last?.state || visit !== last.visit),
  );
  const gone = new Set(goes.slice(0, tooMany));
  return children.filter((child) => !gone.has(child));
}
