// Owns: moving through the states: entering, leaving by an exit, choosing a transition.
//   W1: a guard, goal or key that cannot be evaluated takes exits.error or fails the run, never the happy path.
//   W2: decisions follow each other within one commit, at most `stepsMax` of them.
//   W3: no state is entered more often than it allows; a long history is continued between two states.
import type { RunOutcome } from '../../api/messages/family.ts';
import type { EventOf, JsonObject } from '../../api/messages/history.ts';
import type { KeptSignal } from '../../api/messages/incoming.ts';
import type { Transition } from '../../api/v1alpha1/workflow.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { evaluateBoolean } from '../cel/cel.ts';
import { durationMs } from '../routing/duration.ts';
import { askForApproval } from './approval.ts';
import { noteAttributes } from './attributes.ts';
import { awaitedKey } from './awaited.ts';
import { askChildren } from './children.ts';
import { continueHistory } from './continue.ts';
import { runBinding, stateOf } from './definition.ts';
import type { Draft } from './draft.ts';
import { keptSignal } from './fold-incoming.ts';
import { compensationDone, compensationFailed, end, owe, oweInterrupted } from './end.ts';
import { limitsOf } from './limits.ts';
import { goalOf, schedule } from './schedule.ts';

export type GoodExit = 'done' | 'approved' | 'received';
export type BadExit = 'error' | 'timeout' | 'rejected' | 'expired';
type Guards = EventOf<'Transitioned'>['guards'];

export const stepsMax = 100;
const dayMs = 86_400_000;

/** Enters a state, and those that follow at once. */
export function enter(draft: Draft, first: string): void {
  let name: string | undefined = first;
  for (let steps = 0; name !== undefined; steps += 1) {
    if (steps >= stepsMax) {
      close(draft, 'failed', `${stepsMax} states followed each other without a task, a wait or an end`);
      return;
    }
    name = enterOne(draft, name);
  }
}

/** Resolves to the state to enter next, when that follows at once. */
function enterOne(draft: Draft, name: string): string | undefined {
  const spec = stateOf(draft.definition, name);
  if (spec === undefined) {
    close(draft, 'failed', `state "${name}" does not exist in workflow ${draft.state.workflow}`);
    return undefined;
  }
  const visit = (draft.state.visits[name] ?? 0) + 1;
  if (visit > (spec.maxVisits ?? limitsOf(draft.definition).maxVisits)) return exhausted(draft, name, visit - 1);
  continueHistory(draft, name);
  draft.add({ type: 'StateEntered', state: name, visit });
  noteAttributes(draft);
  return begin(draft, name, spec);
}

function begin(draft: Draft, name: string, spec: WorkflowState): string | undefined {
  switch (spec.type) {
    case 'decision':
      return choose(draft, 'done');
    case 'task':
      return enterTask(draft, spec);
    case 'approval':
      return askForApproval(draft, spec) ? undefined : exitTo(draft, 'rejected');
    case 'wait':
      return enterWait(draft, spec);
    case 'parallel':
    case 'workflow': {
      const problem = askChildren(draft, name, spec);
      return problem === undefined ? undefined : exitTo(draft, 'error', problem);
    }
    case 'compensation':
      close(draft, 'failed', `state "${name}" undoes a task; a transition or exit cannot lead there`);
      return undefined;
    case 'terminal': {
      const compensate = spec.compensate === true;
      end(draft, { outcome: spec.outcome ?? 'failed', message: `reached ${name}`, compensate });
      return undefined;
    }
  }
}

function enterTask(draft: Draft, spec: WorkflowState): string | undefined {
  const goal = goalOf(draft.state, spec);
  if (!goal.ok) return exitTo(draft, 'error', `state ${draft.state.state}: its goal cannot be filled in: ${goal.text}`);
  return schedule(draft, { route: 'primary', agent: spec.agent ?? '' }) ? undefined : exitTo(draft, 'error');
}

function enterWait(draft: Draft, spec: WorkflowState): string | undefined {
  const kept = keptSignal(draft.state, spec.for?.signal);
  if (kept !== undefined) return takeKept(draft, kept);
  const by = spec.for?.by;
  const key = by === undefined ? undefined : awaitedKey(draft, by);
  if (key === undefined || key.ok) return undefined;
  const why = `the key "${by}" of its event cannot be evaluated: ${key.message}`;
  return exitTo(draft, 'error', `state ${draft.state.state}: ${why}`);
}

/** A signal that came before. */
export function takeKept(draft: Draft, { signal, id }: KeptSignal): string | undefined {
  draft.add({ type: 'SignalTaken', signal, id });
  return choose(draft, 'received');
}

/** The state was entered as often as it allows. */
function exhausted(draft: Draft, name: string, visits: number): string | undefined {
  const to = stateOf(draft.definition, name)?.exits?.exhausted;
  if (to === undefined) {
    close(
      draft,
      'failed',
      `state ${name} was entered ${visits} times, which is its maxVisits, and has no exit exhausted`,
    );
    return undefined;
  }
  draft.add({ type: 'Transitioned', from: name, exit: 'exhausted', to, guards: [] });
  return to;
}

/** Leaves the current state by a good exit. */
export function leave(draft: Draft, exit: GoodExit): void {
  if (draft.state.compensating !== undefined) {
    compensationDone(draft);
    return;
  }
  if (exit === 'done') owe(draft);
  const to = choose(draft, exit);
  if (to !== undefined) enter(draft, to);
}

/** Leaves the current state by its exit for what went wrong. */
export function exit(draft: Draft, name: BadExit, otherwise?: string): void {
  if (draft.state.compensating !== undefined) {
    compensationFailed(draft, otherwise ?? `it ended with ${name}`);
    return;
  }
  oweInterrupted(draft);
  const to = exitTo(draft, name, otherwise);
  if (to !== undefined) enter(draft, to);
}

function exitTo(draft: Draft, name: BadExit, otherwise?: string, guards: Guards = []): string | undefined {
  const { state } = draft;
  const to = stateOf(draft.definition, state.state)?.exits?.[name];
  if (to === undefined) {
    close(draft, 'failed', otherwise ?? `state ${state.state} ended with ${name} and has no exit for it`);
    return undefined;
  }
  draft.add({ type: 'Transitioned', from: state.state, exit: name, to, guards });
  return to;
}

const defaultExit: Readonly<Record<string, GoodExit>> = { approval: 'approved', wait: 'received' };

/** The first transition that applies; every guard that was looked at is recorded. */
function choose(draft: Draft, good: GoodExit): string | undefined {
  const { state, definition } = draft;
  const usual = defaultExit[stateOf(definition, state.state)?.type ?? ''] ?? 'done';
  const candidates = definition.workflow.spec.transitions.filter(
    (transition) => transition.from === state.state && (transition.exit ?? usual) === good,
  );
  const { taken, guards, failed } = firstThatHolds(draft, candidates);
  if (failed !== undefined)
    return exitTo(draft, 'error', `state ${state.state}: guard "${failed.when}" ${failed.error}`, guards);
  if (taken === undefined) {
    return exitTo(draft, 'error', `state ${state.state}: no transition applies after ${good}`, guards);
  }
  draft.add({ type: 'Transitioned', from: state.state, exit: good, to: taken.to, guards });
  return taken.to;
}

function firstThatHolds(
  draft: Draft,
  candidates: readonly Transition[],
): { taken?: Transition; guards: Guards; failed?: { when: string; error: string } } {
  const { state } = draft;
  const bindings = { input: state.input, facts: state.facts, result: state.result, run: runBinding(state) };
  const guards: { when: string; value?: boolean; error?: string }[] = [];
  for (const candidate of candidates) {
    if (candidate.when === undefined) return { taken: candidate, guards };
    const held = evaluateBoolean(candidate.when, bindings);
    if (!held.ok) {
      guards.push({ when: candidate.when, error: held.message });
      return { guards, failed: { when: candidate.when, error: held.message } };
    }
    guards.push({ when: candidate.when, value: held.value });
    if (held.value) return { taken: candidate, guards };
  }
  return { guards };
}

/** Ends the run outside of a terminal state: unless somebody else has the case now, what it owes is undone. */
export function close(draft: Draft, outcome: RunOutcome, message: string): void {
  if (draft.state.compensating !== undefined) compensationFailed(draft, message);
  else end(draft, { outcome, message, compensate: outcome !== 'handedOver' });
}

/** Until when the current state may last. */
export function stateDeadline(draft: Pick<Draft, 'state'>, spec: WorkflowState): number {
  return draft.state.enteredAt + durationMs(spec.timeout, dayMs);
}

/** What the workflow that takes over gets as input. */
export function fallbackInput(state: Draft['state'], reason: string): JsonObject {
  return { reason, run: state.run, workflow: state.workflow, input: state.input, facts: state.facts };
}
