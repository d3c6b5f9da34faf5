// Owns: whether a report is about what the run is doing now. What has moved on is told to stop; a report that was already
// answered gets the same answer.
import type { Freeze } from '../../api/messages/family.ts';
import type { ReportReply } from '../../api/messages/asks.ts';
import type { ActivityState, RunState } from './state.ts';

export interface Target {
  readonly activity: string;
  readonly attempt: number;
}

export type Current =
  | { readonly kind: 'Current'; readonly activity: ActivityState }
  | { readonly kind: 'Known'; readonly reply: ReportReply }
  | { readonly kind: 'Stale'; readonly message: string };

export function current(state: RunState, target: Target): Current {
  if (state.completed[target.activity] === target.attempt) return { kind: 'Known', reply: { kind: 'Go' } };
  const stopped = whyStopped(state);
  const { activity } = state;
  if (activity === undefined || activity.id !== target.activity || activity.attempt !== target.attempt) {
    return { kind: 'Stale', message: stopped ?? `${target.activity} attempt ${target.attempt} is over` };
  }
  if (stopped !== undefined) return { kind: 'Stale', message: stopped };
  if (activity.phase !== 'Scheduled') return { kind: 'Stale', message: `${activity.id} is ${activity.phase}` };
  return { kind: 'Current', activity };
}

/** Why no worker has anything to do, undefined while the run runs. */
export function whyStopped(state: RunState): string | undefined {
  if (state.parked !== undefined) return state.parked;
  if (state.status === 'Closed') return `the run is closed: ${state.outcome ?? ''}`;
  if (state.frozen !== undefined) return `the run is frozen by ${frozenBy(state.frozen.holds)}`;
  if (state.escalation !== undefined) {
    return `the run waits for queue ${state.escalation.facts.queue} (${state.escalation.facts.id})`;
  }
  return undefined;
}

export const frozenBy = (holds: readonly Freeze[]): string =>
  holds.map(({ by, reason }) => `${by}: ${reason}`).join('; ');

/** What a worker is told after its report: go on, or let go. */
export function after(state: RunState, target: Target): ReportReply {
  const now = current(state, target);
  if (now.kind === 'Current') return { kind: 'Go' };
  return now.kind === 'Known' ? now.reply : { kind: 'Stop', message: now.message };
}
