// Owns: asking for the children of a state of type parallel or workflow.
//   H1: a child's id follows from its parent, state, visit and name: asked for twice it is the same run.
import type { ChildRequest, StartRequest } from '../../api/messages/asks.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { interpolate } from '../cel/cel.ts';
import { inherited } from '../rollout/assign.ts';
import { frozenBy } from './current.ts';
import { budgetLeft, runBinding } from './definition.ts';
import type { Draft } from './draft.ts';
import { limitsOf } from './limits.ts';
import { runIdFor } from './partition.ts';
import type { ChildState, RunState } from './state.ts';

interface Wanted {
  readonly child: string;
  readonly workflow: string;
  readonly start?: string;
  readonly input: JsonObject;
}

/** Resolves to what is wrong, undefined when all children are asked for. */
export function askChildren(draft: Draft, name: string, spec: WorkflowState): string | undefined {
  const { state } = draft;
  const { depthMax } = limitsOf(draft.definition);
  if ((state.parent?.depth ?? 0) >= depthMax) {
    return `state ${name}: this run is ${depthMax} below its first parent, and no run may be deeper`;
  }
  const wanted = wantedBy(draft, name, spec);
  if (typeof wanted === 'string') return `state ${name}: ${wanted}`;
  const share = shareOf(draft, wanted.length);
  for (const { child, workflow, ...more } of wanted) {
    const key = `child/${state.run}/${name}.${state.visit}/${child}`;
    const run = runIdFor(state.namespace, workflow, key);
    draft.add({ type: 'ChildAsked', child, run, state: name, visit: state.visit, workflow, ...more, ...share });
  }
  return undefined;
}

/** By name, so that the order in which an object was written changes nothing; or what is wrong. */
function wantedBy(draft: Draft, name: string, spec: WorkflowState): readonly Wanted[] | string {
  const { input, workflow } = draft.state;
  const branches = Object.entries(spec.branches ?? { [name]: { workflow: spec.workflow, input: spec.input } });
  const wanted: Wanted[] = [];
  for (const [child, branch] of branches.toSorted(([left], [right]) => (left < right ? -1 : 1))) {
    if ('start' in branch && branch.start !== undefined) {
      wanted.push({ child, workflow, start: branch.start, input });
      continue;
    }
    const filled = filledInput(draft.state, branch.input);
    if (typeof filled === 'string') return `the input of ${child}: ${filled}`;
    wanted.push({ child, workflow: branch.workflow ?? '', input: filled });
  }
  return wanted;
}

function filledInput(state: RunState, template: unknown): JsonObject | string {
  if (template === undefined) return state.input;
  const filled = interpolate(template, { input: state.input, facts: state.facts, run: runBinding(state) });
  return filled.kind === 'Error' ? filled.message : (filled.value as JsonObject);
}

/** What is left of the budget is shared evenly, so that all together cannot spend more. */
function shareOf(draft: Draft, children: number): { readonly budgetMicros?: number } {
  const left = budgetLeft(draft);
  return left === undefined || children === 0 ? {} : { budgetMicros: Math.floor(left / children) };
}

/** What the owner of the child is asked, now and until the child is closed. */
export function requestFor(state: RunState, child: ChildState): ChildRequest {
  const { frozen, key, namespace, priority, requestedBy, run } = state;
  const want = frozen !== undefined ? 'Frozen' : child.cancelled ? 'Cancelled' : 'Running';
  const reason = frozen === undefined ? `run ${run} does not wait for it any more` : frozenBy(frozen.holds);
  const start: StartRequest = {
    run: child.run,
    namespace,
    workflow: child.workflow,
    input: child.input,
    requestedBy,
    source: 'parent',
    parent: {
      run,
      reason: `${child.child} of state ${child.state}`,
      child: child.child,
      depth: (state.parent?.depth ?? 0) + 1,
    },
    ...(child.budgetMicros === undefined ? {} : { budgetMicros: child.budgetMicros }),
    ...(child.start === undefined ? {} : { branch: branchOf(state, child.start) }),
    ...(priority === undefined ? {} : { priority }),
    ...(state.readOnly ? { readOnly: true } : {}),
    // Guards of a branch read the key of its parent.
    ...(child.start === undefined || key === undefined ? {} : { key }),
  };
  return { want, start, by: `run ${run}`, reason };
}

const branchOf = (state: RunState, first: string): NonNullable<StartRequest['branch']> => ({
  workflowDigest: state.workflowDigest,
  pins: state.pins,
  ...inherited(state.assignments),
  first,
  facts: state.facts,
});
