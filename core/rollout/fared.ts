// Owns: how a run of a rollout fared: counted while its history is folded, told as one outcome.
//   O1: only facts of the history count, so whoever folds it tells the same.
//   O2: a run without an assignment counts nothing and grows by nothing.
// A critical violation: the agent asked for an effect that agent, bundle or task do not allow, and was refused. A minor one: any
// other call that was denied, an effect that nobody knows of, a call that a person rejected.
import type { EventOf, HistoryEvent, ToolResult } from '../../api/messages/history.ts';
import type { Assignment, RunOutcome } from '../../api/messages/rollout.ts';
import type { RunState } from '../workflow/state.ts';

/** Of one agent. */
export interface AgentFared {
  readonly critical: number;
  readonly minor: number;
  /** Results and calls with an effect. */
  readonly proposed: number;
  readonly rejected: number;
}
export interface Fared {
  readonly agents: Readonly<Record<string, AgentFared>>;
  readonly cancelledByUser?: true;
  readonly overBudget?: true;
}

const nothing: AgentFared = { critical: 0, minor: 0, proposed: 0, rejected: 0 };
/** Checks of the permission that find a call outside of what is granted; the others are about the run. */
const outsideTheGrant: ReadonlySet<string> = new Set([
  'bundleLacksTool',
  'ceilingLacksTool',
  'taskLacksTool',
  'modeReadForbidsEffect',
]);
const budgetCheck = 'budgetIsSpent';

/** `before` and `next`: the run before and after the event; it has assignments. */
export function fare(before: RunState, next: RunState, event: HistoryEvent): RunState {
  const counter = counters[event.type] as Counter<HistoryEvent> | undefined;
  const fared = counter?.(before.fared ?? { agents: {} }, event, before);
  return fared === undefined ? next : { ...next, fared };
}

/** Undefined: nothing changes. */
type Counter<E> = (fared: Fared, event: E, before: RunState) => Fared | undefined;

const counters: { readonly [T in HistoryEvent['type']]?: Counter<EventOf<T>> } = {
  TurnProposed: ofTurn,
  TurnCompleted: ofTurn,
  ActivityCompleted: (fared, _event, before) => add(fared, agentOf(before), { ...nothing, proposed: 1 }),
  EscalationDecided: ofDecision,
  CancelRequested: (fared, { by }) => (byPeople(by) ? { ...fared, cancelledByUser: true } : undefined),
  SignalObserved: (fared, { signal }) => (signal === 'budget' ? { ...fared, overBudget: true } : undefined),
  EscalationOpened: (fared, { escalation: { signal } }) =>
    signal === 'budget' ? { ...fared, overBudget: true } : undefined,
};

const agentOf = ({ activity }: RunState): string => activity?.agent ?? '';

/** A parent that does not wait any more, and a schedule whose next run replaces this one, are no people. */
const byPeople = (by: string): boolean => !by.startsWith('run ') && !by.startsWith('schedule:');

function add(fared: Fared, agent: string, more: AgentFared): Fared {
  const known = fared.agents[agent] ?? nothing;
  const sum = {
    critical: known.critical + more.critical,
    minor: known.minor + more.minor,
    proposed: known.proposed + more.proposed,
    rejected: known.rejected + more.rejected,
  };
  return { ...fared, agents: { ...fared.agents, [agent]: sum } };
}

/** What was reported of the same turn before counts no more. */
function ofTurn(fared: Fared, { turn }: EventOf<'TurnProposed' | 'TurnCompleted'>, state: RunState): Fared | undefined {
  const before = state.activity?.turns.find((known) => known.turn === turn.turn);
  const told = new Set(before?.results.map(({ id }) => id));
  const results = turn.results.filter(({ id }) => !told.has(id));
  // The verifier's no to a result; its yes is the completed activity.
  const refused = turn.role === 'verifier' && turn.feedback !== undefined && before === undefined ? 1 : 0;
  if (results.length === 0 && refused === 0) return undefined;
  const of = (fits: (result: ToolResult) => boolean): number => results.filter(fits).length;
  const critical = of(isCritical);
  const sum = add(fared, agentOf(state), {
    critical,
    minor: of(({ outcome }) => outcome === 'denied' || outcome === 'ambiguous') - critical,
    proposed: of(({ receipt }) => receipt?.effect !== undefined && receipt.effect !== 'read') + refused,
    rejected: of(({ outcome }) => outcome === 'rejected') + refused,
  });
  return results.some(({ receipt }) => receipt?.check === budgetCheck) ? { ...sum, overBudget: true } : sum;
}

const isCritical = ({ outcome, receipt }: ToolResult): boolean =>
  outcome === 'denied' && receipt?.effect !== 'read' && outsideTheGrant.has(receipt?.check ?? '');

function ofDecision(
  fared: Fared,
  { id, option }: EventOf<'EscalationDecided'>,
  { escalation }: RunState,
): Fared | undefined {
  const facts = escalation?.facts;
  if (option !== 'reject' || facts?.id !== id || facts.proposal === undefined) return undefined;
  return add(fared, facts.agent ?? '', { ...nothing, minor: 1 });
}

/** Kinds of runs of a rollout, by what they count for. */
export type RunRole = 'stable' | 'canary' | 'stable/first' | 'canary/first' | 'excluded';

export const roleOf = ({ arm, first, excluded }: Assignment): RunRole =>
  excluded === true ? 'excluded' : first === true ? `${arm}/first` : arm;

/** Undefined where the run is none of this rollout. */
export function outcomeOf(state: RunState, rollout: string): RunOutcome | undefined {
  const found = Object.entries(state.assignments ?? {}).find(([, assignment]) => assignment.rollout === rollout);
  if (found === undefined) return undefined;
  const [agent, assignment] = found;
  const { critical, minor, proposed, rejected } = state.fared?.agents[agent] ?? nothing;
  const isBranch = state.first !== undefined;
  return {
    ...assignment,
    run: state.run,
    agent,
    ...(isBranch ? { branchOf: state.parent?.run ?? '' } : {}),
    assignedAt: state.startedAt,
    ...(state.closedAt === undefined ? {} : { closedAt: state.closedAt }),
    ...(state.outcome === undefined ? {} : { outcome: state.outcome }),
    cancelledByUser: state.fared?.cancelledByUser === true,
    escalations: state.asked,
    violations: { critical, minor },
    proposed,
    rejected,
    costMicros: isBranch ? 0 : state.costMicros,
    overBudget: isOverBudget(state),
    ...satisfactionOf(state),
  };
}

const isOverBudget = ({ fared, budgetMicros, costMicros }: RunState): boolean =>
  fared?.overBudget === true || (budgetMicros !== undefined && costMicros > budgetMicros);

/** The fact `satisfaction`, where it is a number from 0 to 1. */
function satisfactionOf({ facts }: RunState): Pick<RunOutcome, 'satisfaction'> {
  const said = facts['satisfaction'];
  return typeof said === 'number' && said >= 0 && said <= 1 ? { satisfaction: said } : {};
}

/** The runs without their branches, each with what its branches were asked, violated and proposed. */
export function withBranches(outcomes: readonly RunOutcome[]): readonly RunOutcome[] {
  const known = new Map(outcomes.map((outcome) => [outcome.run, outcome]));
  if (outcomes.every(({ branchOf }) => branchOf === undefined)) return outcomes;
  const rootOf = (outcome: RunOutcome, depth = 0): RunOutcome => {
    const parent = known.get(outcome.branchOf ?? '');
    return parent === undefined || depth > depthMax ? outcome : rootOf(parent, depth + 1);
  };
  const whole = new Map<string, RunOutcome>();
  for (const outcome of outcomes) {
    const root = rootOf(outcome);
    const sum = whole.get(root.run) ?? root;
    whole.set(root.run, outcome === root ? sum : joined(sum, outcome));
  }
  return [...whole.values()].filter(({ branchOf }) => branchOf === undefined);
}

/** No run is deeper. */
const depthMax = 16;

const joined = (sum: RunOutcome, branch: RunOutcome): RunOutcome => ({
  ...sum,
  escalations: sum.escalations + branch.escalations,
  violations: {
    critical: sum.violations.critical + branch.violations.critical,
    minor: sum.violations.minor + branch.violations.minor,
  },
  proposed: sum.proposed + branch.proposed,
  rejected: sum.rejected + branch.rejected,
  overBudget: sum.overBudget || branch.overBudget,
});
