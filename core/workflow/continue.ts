// Owns: keeping histories bounded: where folding may begin again, and what stops a state that never ends.
import type { JsonObject } from '../../api/messages/history.ts';
import { askForHistory } from './approval.ts';
import type { Draft } from './draft.ts';
import { limitsOf } from './limits.ts';
import type { RunState } from './state.ts';

/** Between two states: only what a report of the next one can name is still needed. */
export function continueHistory(draft: Draft, next: string): void {
  const { state } = draft;
  if (state.seq - state.continuedAt < limitsOf(draft.definition).continueAfter) return;
  draft.add({ type: 'HistoryContinued', state: next, folded: foldedOf(state) });
}

/** True when the run stops because one state has made too many events. */
export function stopRunaway(draft: Draft): boolean {
  const { state } = draft;
  const events = state.seq - state.continuedAt;
  if (state.status !== 'Running' || events < limitsOf(draft.definition).historyMax) return false;
  askForHistory(draft, events);
  return true;
}

/** A person let the run go on: its history begins again here, so that the next stop is as far away. */
export function continueHere(draft: Draft): void {
  draft.add({ type: 'HistoryContinued', state: draft.state.state, folded: foldedOf(draft.state) });
}

/** JSON as it is. Reports about activities that are long over are told to stop instead of being recognised. */
function foldedOf(state: RunState): JsonObject {
  const { activity, approvals, completed, escalations, settledRules } = state;
  const recent = Object.entries(completed).slice(-recentMax);
  const kept = settledRules.filter((name) => !name.includes('@') || name.endsWith(`@${activity?.id ?? ''}`));
  const folded = {
    ...state,
    completed: Object.fromEntries(recent),
    settledRules: kept,
    escalations: escalations.slice(-recentMax),
    approvals: approvals.filter((approval) => approval.activity === activity?.id),
  };
  return JSON.parse(JSON.stringify(folded)) as JsonObject;
}

const recentMax = 100;
