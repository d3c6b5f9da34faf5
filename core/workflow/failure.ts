// Owns: what follows a failed attempt: a rule, the next attempt, the backup route, the exit.
import type { Failure } from '../../api/messages/history.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { stopRunaway } from './continue.ts';
import { stateOf } from './definition.ts';
import type { Draft } from './draft.ts';
import { escalate } from './escalate.ts';
import { exit } from './flow.ts';
import { observeActivity } from './observe.ts';
import { backoffMs, retryDefault, schedule } from './schedule.ts';
import type { ActivityState } from './state.ts';

export interface Failing {
  readonly failure: Failure;
  readonly retryable: boolean;
  readonly worker?: string;
}

export function failAttempt(draft: Draft, failing: Failing): void {
  const { activity } = draft.state;
  if (activity === undefined) return;
  draft.add({ type: 'ActivityFailed', activity: activity.id, attempt: activity.attempt, ...failing });
  if (stopRunaway(draft)) return;
  const escalated = escalate(draft, observeActivity(draft, draft.state.activity), {
    activity: activity.id,
    attempt: activity.attempt,
    failure: failing.failure.code,
  });
  if (escalated === 'Go') afterFailure(draft);
}

/** Retry on the same route, else the backup, else the exit `error`. */
export function afterFailure(draft: Draft): void {
  const { activity, state } = draft.state;
  const spec = stateOf(draft.definition, state);
  if (activity === undefined || spec === undefined) return;
  if (draft.now >= activity.deadline) timeOut(draft);
  else if (!retry(draft, activity, spec) && !takeBackup(draft, activity, spec)) {
    exit(draft, 'error', `state ${state} failed: ${activity.failure?.message ?? 'no reason was given'}`);
  }
}

function retry(draft: Draft, activity: ActivityState, spec: WorkflowState): boolean {
  const onRoute = activity.attempt - activity.routeFrom + 1;
  if (!activity.retryable || onRoute > (spec.retry?.max ?? retryDefault.max)) return false;
  const notBefore = draft.now + backoffMs(draft.state, spec, onRoute);
  const { agent, route } = activity;
  return schedule(draft, { route, agent, notBefore, reason: reasonOf(activity) });
}

function takeBackup(draft: Draft, activity: ActivityState, { backup }: WorkflowState): boolean {
  if (backup === undefined || backup === 'none' || activity.routes.includes('backup')) return false;
  return schedule(draft, { route: 'backup', agent: backup, reason: reasonOf(activity) });
}

const reasonOf = ({ attempt, route, failure }: ActivityState): string =>
  `attempt ${attempt} on route ${route} failed: ${failure?.code ?? 'no reason was given'}`;

export function timeOut(draft: Draft): void {
  const { activity, state } = draft.state;
  if (activity !== undefined) {
    draft.add({ type: 'ActivityTimedOut', activity: activity.id, attempt: activity.attempt });
  }
  exit(draft, 'timeout', `state ${state} took longer than allowed`);
}
