// Owns: what lists, objects and people see of a run.
import type { ChildSummary } from '../../api/messages/family.ts';
import type { EscalationRecord, RunSummary } from '../../api/messages/history.ts';
import { timeText } from '../schedule/calendar.ts';
import { isDelayed } from './due.ts';
import { frozenBy } from './current.ts';
import type { ActivityState, ChildState, RunState } from './state.ts';

/** Children that a summary names. */
const childrenMax = 64;

/** What may be deleted under a run. */
export interface Declared {
  readonly agent: (namespace: string, name: string) => unknown;
  readonly bundle: (digest: string) => unknown;
}

/** `declared`: as it is now; without it nothing is said of what is not there. */
export function summaryOf(state: RunState, declared?: Declared): RunSummary {
  const { run, namespace, workflow, workflowDigest, requestedBy, source, status, costMicros, effects } = state;
  const { attempts, repairs, route, startedAt, seq, pins } = state;
  return {
    run,
    namespace,
    workflow,
    workflowDigest,
    pins,
    requestedBy,
    source,
    status,
    state: state.state,
    message: messageOf(state, declared),
    costMicros,
    effects,
    attempts,
    repairs,
    escalations: state.asked,
    route,
    startedAt,
    seq,
    ...(state.key === undefined ? {} : { key: state.key }),
    ...(state.object === undefined ? {} : { object: state.object }),
    ...(state.outcome === undefined ? {} : { outcome: state.outcome }),
    ...(state.escalation === undefined ? {} : { escalation: state.escalation.facts.id }),
    ...(state.fallback === undefined ? {} : { fallbackRun: state.fallback.run }),
    ...(state.closedAt === undefined ? {} : { closedAt: state.closedAt }),
    ...(state.parent?.child === undefined ? {} : { parentRun: state.parent.run }),
    ...(state.children.length === 0 ? {} : { children: childrenOf(state.children) }),
    ...(state.frozen === undefined ? {} : { frozen: state.frozen.holds }),
    ...(state.readOnly ? { readOnly: true } : {}),
    ...endingOf(state),
    ...incomingOf(state),
  };
}

const incomingOf = (state: RunState): Pick<RunSummary, 'priority' | 'startAt' | 'attributes' | 'keptSignals'> => ({
  ...(state.priority === undefined ? {} : { priority: state.priority }),
  ...(isDelayed(state) ? { startAt: state.startAt } : {}),
  ...(Object.keys(state.attributes).length === 0 ? {} : { attributes: state.attributes }),
  ...(state.signals.length === 0 ? {} : { keptSignals: state.signals.length }),
});

const childrenOf = (children: readonly ChildState[]): readonly ChildSummary[] =>
  [
    ...children.filter(({ closed }) => closed === undefined),
    ...children.filter(({ closed }) => closed !== undefined).toReversed(),
  ]
    .slice(0, childrenMax)
    .map(({ child, run, workflow, state, closed }) => ({
      child,
      run,
      workflow,
      state,
      ...(closed === undefined ? {} : { outcome: closed.outcome }),
    }));

function endingOf({ ending, owed, status }: RunState): Pick<RunSummary, 'ending'> {
  if (ending === undefined || status === 'Closed') return {};
  const { outcome, message, compensate } = ending;
  return { ending: { outcome, message, compensations: compensate ? owed.length : 0 } };
}

/** A sentence: what it is doing or how it ended, and what comes next. */
function messageOf(state: RunState, declared: Declared | undefined): string {
  if (state.parked !== undefined) return `Parked: ${state.parked}.`;
  if (state.status === 'Closed') return `Ended with ${state.outcome ?? 'nothing'}: ${state.closing ?? ''}.`;
  if (state.frozen !== undefined) return `Frozen by ${frozenBy(state.frozen.holds)}.`;
  if (state.escalation !== undefined) {
    const { queue, question } = state.escalation.facts;
    return `${state.status} for a person of queue ${queue}: ${question}`;
  }
  if (isDelayed(state)) return `Starts at ${timeText(state.startAt)}.`;
  const { activity } = state;
  const open = state.children.filter(({ closed }) => closed === undefined);
  const ending = state.ending === undefined ? '' : `Ending with ${state.ending.outcome}: `;
  if (activity === undefined && open.length > 0) {
    return `${ending}In state ${state.state}, waiting for ${open.map(({ child, run }) => `${child} (run ${run})`).join(', ')}.`;
  }
  if (activity === undefined) return `In state ${state.state}, waiting for an event or its time.`;
  return `${ending}${workOf(activity, declared && missingFor(state.namespace, activity, declared))}`;
}

function workOf({ agent, route, state, attempt, failedAttempts, deadline }: ActivityState, missing?: string): string {
  if (missing !== undefined) {
    return `In state ${state}, waiting for ${missing}: apply it again, or the state times out at ${timeText(deadline)}.`;
  }
  const failed = failedAttempts === 0 ? '' : ` after ${failedAttempts} failed`;
  return `Agent ${agent} (${route}) works on ${state}, attempt ${attempt}${failed}.`;
}

function missingFor(namespace: string, { agent, bundleDigest }: ActivityState, declared: Declared): string | undefined {
  if (declared.agent(namespace, agent) === undefined) return `Agent ${agent}, which does not exist or is not accepted`;
  if (declared.bundle(bundleDigest) !== undefined) return undefined;
  return `the Bundle of Agent ${agent} that it is pinned to (${bundleDigest}), which does not exist`;
}

/** True when operators and people see the run by itself: an object shows it, or somebody was asked about it. */
export const isShown = ({ object, asked }: RunState): boolean => object !== undefined || asked > 0;

/** Every escalation of the run, open or not. */
export function escalationsOf(state: RunState): readonly EscalationRecord[] {
  const { namespace, run, workflow, requestedBy } = state;
  return state.escalations.map((known) => ({
    namespace,
    run,
    workflow,
    requestedBy,
    escalation: known.facts,
    costMicros: known.costMicros,
    openedAt: known.openedAt,
    status: known.status,
    ...(known.option === undefined ? {} : { option: known.option }),
    ...(known.by === undefined ? {} : { decidedBy: known.by }),
    ...(known.reason === undefined ? {} : { reason: known.reason }),
    ...(known.decidedAt === undefined ? {} : { decidedAt: known.decidedAt }),
  }));
}
