// Owns: what follows when children end.
//   H2: a child's end is a fact once; heard of again it gets the same answer.
//   H3: whether a state with children is done depends on their ends alone, and no answer is taken while the run is frozen.
import type { ChildClosedRequest, ChildReport } from '../../api/messages/asks.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { type Given, hasChildren, stateOf } from './definition.ts';
import { Draft, type Reaction } from './draft.ts';
import { goOnEnding } from './end.ts';
import { exit, leave } from './flow.ts';
import { childrenHere } from './fold-children.ts';
import type { ChildState } from './state.ts';

/** A child has ended: heard of from its owner, or found out by asking. */
export function closeChild(
  given: Given,
  { child: run, report }: ChildClosedRequest,
): Reaction<{ readonly known: boolean }> {
  const known = given.state.children.find((child) => child.run === run);
  if (known === undefined || known.closed !== undefined) return { events: [], reply: { known: known !== undefined } };
  if (report.kind !== 'Closed' || given.state.parked !== undefined || given.state.status === 'Closed') {
    return { events: [], reply: { known: false } };
  }
  const draft = new Draft(given, `child/${run}`);
  const { outcome, message, costMicros, effects, result, owed, workflowDigest } = report;
  const ours = known.start !== undefined && workflowDigest === given.state.workflowDigest && owed.length > 0;
  draft.add({
    type: 'ChildClosed',
    child: known.child,
    run,
    outcome,
    message,
    costMicros,
    effects,
    result,
    ...(ours ? { owed } : {}),
  });
  goOn(draft);
  return draft.reaction({ known: true });
}

/** What the ends of children, or the end of a freeze, lead to. */
export function goOn(draft: Draft): void {
  const { state } = draft;
  if (state.ending !== undefined) goOnEnding(draft);
  else if (state.frozen === undefined && state.escalation === undefined) join(draft);
}

function join(draft: Draft): void {
  const { state } = draft;
  const spec = stateOf(draft.definition, state.state);
  if (spec === undefined || !hasChildren(spec)) return;
  const children = childrenHere(state);
  const needed = neededOf(spec, children.length);
  const good = children.filter(({ closed }) => closed?.outcome === 'success');
  const open = children.filter(({ closed }) => closed === undefined);
  if (good.length >= needed) {
    joined(draft, spec, 'done');
    leave(draft, 'done');
  } else if (good.length + open.length < needed) {
    joined(draft, spec, 'error');
    exit(
      draft,
      'error',
      `state ${state.state} needs ${needed} of ${children.length} to succeed: ${whatFailed(children)}`,
    );
  }
}

/** The time of a state with children is over. */
export function timeOutChildren(draft: Draft): void {
  const { state } = draft.state;
  const spec = stateOf(draft.definition, state);
  if (spec === undefined) return;
  joined(draft, spec, 'timeout');
  exit(draft, 'timeout', `state ${state} took longer than allowed`);
}

function joined(draft: Draft, spec: WorkflowState, exitName: string): void {
  const { state, visit } = draft.state;
  const stateType = spec.type === 'workflow' ? 'workflow' : 'parallel';
  draft.add({ type: 'ChildrenJoined', state, visit, stateType, exit: exitName });
}

function neededOf({ join: how, quorum }: WorkflowState, children: number): number {
  switch (how ?? 'all') {
    case 'all':
      return children;
    case 'any':
      return 1;
    case 'quorum':
      return quorum ?? children;
  }
}

const whatFailed = (children: readonly ChildState[]): string =>
  children
    .flatMap(({ child, run, closed }) =>
      closed === undefined || closed.outcome === 'success'
        ? []
        : [`${child} (run ${run}) ended with ${closed.outcome}: ${closed.message}`],
    )
    .join('; ')
    .slice(0, 2_000);

/** For a child that the engine refuses to start for good, such as for its input. */
export const refused = (code: string, message: string): ChildReport => ({
  kind: 'Closed',
  outcome: 'failed',
  message: `it was not started (${code}): ${message}`.slice(0, 2_000),
  costMicros: 0,
  effects: 0,
  result: {},
  owed: [],
  workflowDigest: '',
});
