// Owns: giving a task to an agent: first attempt, retry, backup, specialist.
import type { JsonObject, Route } from '../../api/messages/history.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { interpolate } from '../cel/cel.ts';
import { durationMs } from '../routing/duration.ts';
import { factsOf, runBinding, stateOf } from './definition.ts';
import type { Draft } from './draft.ts';
import { fraction } from './partition.ts';
import type { RunState } from './state.ts';

export interface Assignment {
  readonly route: Route;
  readonly agent: string;
  readonly notBefore?: number;
  readonly reason?: string;
  /** A person had it tried again: all attempts, routes and the whole time anew. */
  readonly renewed?: boolean;
}

/** False when the agent has no pinned bundle: then nothing was scheduled. */
export function schedule(draft: Draft, assignment: Assignment): boolean {
  const { state, now } = draft;
  const spec = stateOf(draft.definition, state.state);
  const bundleDigest = state.pins[assignment.agent];
  if (spec === undefined || bundleDigest === undefined) return false;
  const id = `${state.state}.${state.visit}`;
  const current = state.activity?.id === id ? state.activity : undefined;
  const { renewed } = assignment;
  const lasts = durationMs(spec.timeout, 86_400_000);
  const deadlineOf = () => (renewed === true ? now + lasts : (current?.deadline ?? state.enteredAt + lasts));
  draft.add({
    type: 'ActivityScheduled',
    activity: id,
    state: state.state,
    agent: assignment.agent,
    bundleDigest,
    route: assignment.route,
    attempt: (current?.attempt ?? 0) + 1,
    notBefore: assignment.notBefore ?? now,
    deadline: deadlineOf(),
    ...(assignment.reason === undefined ? {} : { reason: assignment.reason }),
    ...(renewed === undefined ? {} : { renewed }),
  });
  return true;
}

export const retryDefault = { max: 2, backoffMs: 1_000, maxBackoffMs: 60_000 } as const;

/** Milliseconds before the next attempt: doubling, bounded, spread by ±20 % that depends on the run alone. */
export function backoffMs(state: RunState, spec: WorkflowState, failuresOnRoute: number): number {
  const first = durationMs(spec.retry?.backoff, retryDefault.backoffMs);
  const most = durationMs(spec.retry?.maxBackoff, retryDefault.maxBackoffMs);
  const plain = Math.min(most, first * 2 ** Math.min(30, Math.max(0, failuresOnRoute - 1)));
  const activity = state.activity;
  return Math.round(plain * (0.8 + 0.4 * fraction(`${state.run}/${activity?.id}/${activity?.attempt}`)));
}

/** The goal with its `${cel}` filled in. */
export function goalOf(state: RunState, spec: WorkflowState): { readonly ok: boolean; readonly text: string } {
  const filled = interpolate(spec.goal ?? '', { input: state.input, facts: factsOf(state), run: runBinding(state) });
  if (filled.kind === 'Error') return { ok: false, text: filled.message };
  return { ok: true, text: typeof filled.value === 'string' ? filled.value : JSON.stringify(filled.value) };
}

/** What the agent of a task may know of its output. */
export const outputOf = (spec: WorkflowState): JsonObject | undefined => spec.output as JsonObject | undefined;
