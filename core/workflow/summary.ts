// Owns: what lists, objects and people see of a run.
import type { EscalationRecord, RunSummary } from '../../api/messages/history.ts';
import type { RunState } from './state.ts';

export function summaryOf(state: RunState): RunSummary {
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
    message: messageOf(state),
    costMicros,
    effects,
    attempts,
    repairs,
    escalations: state.escalations.length,
    route,
    startedAt,
    seq,
    ...(state.key === undefined ? {} : { key: state.key }),
    ...(state.object === undefined ? {} : { object: state.object }),
    ...(state.outcome === undefined ? {} : { outcome: state.outcome }),
    ...(state.escalation === undefined ? {} : { escalation: state.escalation.facts.id }),
    ...(state.fallback === undefined ? {} : { fallbackRun: state.fallback.run }),
    ...(state.closedAt === undefined ? {} : { closedAt: state.closedAt }),
  };
}

/** A sentence: what it is doing or how it ended, and what comes next. */
function messageOf(state: RunState): string {
  if (state.parked !== undefined) return `Parked: ${state.parked}.`;
  if (state.status === 'Closed') return `Ended with ${state.outcome ?? 'nothing'}: ${state.closing ?? ''}.`;
  if (state.escalation !== undefined) {
    const { queue, question } = state.escalation.facts;
    return `${state.status} for a person of queue ${queue}: ${question}`;
  }
  const { activity } = state;
  if (activity === undefined) return `In state ${state.state}, waiting for an event or its time.`;
  const failed = activity.failedAttempts === 0 ? '' : ` after ${activity.failedAttempts} failed`;
  return `Agent ${activity.agent} (${activity.route}) works on ${activity.state}, attempt ${activity.attempt}${failed}.`;
}

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
