// Owns: the static checks of a Workflow: what its schema cannot state, since it takes the whole graph to see it.
import type { Transition, WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { typeOfSchema } from '../cel/schema-type.ts';
import type { Type } from '../cel/type.ts';
import { checkExpression, checkTemplates, untyped, variables } from './expressions.ts';
import { type Point, pointsOf, runType } from './facts.ts';
import { type Finding, finding, quote, quoteAll } from './finding.ts';
import { checkSignals } from './signals.ts';
import { checkSchedules } from './schedule.ts';
import { checkObjectSchema } from './json-schema.ts';
import { checkBranches, checkCompensations, checkLoops, closure, edgesOf, type Graph } from './workflow-graph.ts';

/** What ends a state of each type; `on` of a transition may say only this. */
export const doneBy = {
  task: 'done',
  decision: 'done',
  approval: 'approved',
  wait: 'received',
  parallel: 'done',
  workflow: 'done',
} as const;

/** States are taken by name, so that findings read alike before and after the API server has sorted them. */
export function checkWorkflow(_name: string, spec: WorkflowSpec): readonly Finding[] {
  const graph: Graph = {
    start: spec.start,
    states: new Map(Object.entries(spec.states).toSorted(([left], [right]) => (left < right ? -1 : 1))),
    transitions: spec.transitions,
  };
  return [
    ...checkExits(graph),
    ...checkTransitions(graph),
    ...checkBranches(graph),
    ...checkCompensations(graph),
    ...checkReachability(graph),
    ...checkLoops(graph),
    ...checkObjectSchema('spec.input', spec.input),
    ...[...graph.states].flatMap(([name, { output }]) =>
      output === undefined ? [] : checkObjectSchema(`spec.states[${name}].output`, output),
    ),
    ...checkSchedules(spec),
    ...checkSignals(spec),
    ...checkExpressions(spec, graph),
  ];
}

/** Each expression with what the schemas say of the point where it is read. */
function checkExpressions(spec: WorkflowSpec, { states }: Graph): readonly Finding[] {
  const input = typeOfSchema(spec.input);
  const points = pointsOf(spec);
  return [
    ...checkExpression('spec.key', spec.key, { types: { input }, wanted: 'Key' }),
    ...Object.entries(spec.attributes ?? {}).flatMap(([name, { value }]) =>
      checkExpression(`spec.attributes[${name}].value`, value, {
        types: untyped(variables.state, { input, run: runType }),
        wanted: 'Any',
      }),
    ),
    ...[...states].flatMap(([name, state]) =>
      checkState(name, state, typesAt(points.in(name), variables.state, input)),
    ),
    ...spec.transitions.flatMap(({ from, when }, index) => {
      const types = typesAt(points.after(from), variables.guard, input);
      return checkExpression(`spec.transitions[${index}].when`, when, { types, wanted: 'Bool' });
    }),
  ];
}

/** Of a state that no run enters nothing is known. */
function typesAt(point: Point | undefined, names: readonly string[], input: Type): Readonly<Record<string, Type>> {
  return point === undefined ? untyped(names) : untyped(names, { input, ...point, run: runType });
}

function checkState(name: string, state: WorkflowState, types: Readonly<Record<string, Type>>): readonly Finding[] {
  const field = `spec.states[${name}]`;
  return [
    ...checkExpression(`${field}.for.by`, state.for?.by, { types, wanted: 'Key' }),
    ...checkTemplates(`${field}.goal`, state.goal, types),
    ...checkTemplates(`${field}.question`, state.question, types),
    ...checkTemplates(`${field}.input`, state.input, types),
    ...Object.entries(state.branches ?? {}).flatMap(([branch, { input }]) =>
      checkTemplates(`${field}.branches[${branch}].input`, input, types),
    ),
  ];
}

function checkExits({ states }: Graph): readonly Finding[] {
  return [...states].flatMap(([name, state]) =>
    Object.entries(state.exits ?? {}).flatMap(([exit, to]) =>
      to === undefined || states.has(to)
        ? []
        : [
            finding('exitUnknown', `spec.states[${name}].exits.${exit}`, {
              found: quote(to),
              allowed: `the states ${quoteAll([...states.keys()])}`,
            }),
          ],
    ),
  );
}

function checkTransitions(graph: Graph): readonly Finding[] {
  return [...graph.states].flatMap(([name, state]) => {
    const leaving = graph.transitions
      .map((transition, index) => ({ ...transition, index }))
      .filter(({ from }) => from === name);
    if (state.type === 'terminal') return terminalLeft(name, leaving);
    // Where one leads is checked with the compensations.
    if (state.type === 'compensation') return [];
    if (leaving.length === 0) return [stateWithoutWayOut(name, state)];
    return [...eventMismatch(state, leaving), ...transitionShadowed(leaving), ...noOtherwise(name, state, leaving)];
  });
}

type Leaving = readonly (Transition & { readonly index: number })[];

function terminalLeft(name: string, leaving: Leaving): readonly Finding[] {
  return leaving.map(({ index, to }) =>
    finding('terminalLeft', `spec.transitions[${index}]`, {
      found: `a transition from the terminal state ${quote(name)} to ${quote(to)}`,
      allowed: 'none, since a terminal state ends the run; remove it',
    }),
  );
}

function stateWithoutWayOut(name: string, state: WorkflowState): Finding {
  return finding('stateWithoutWayOut', `spec.states[${name}]`, {
    found: `no transition that leaves this ${state.type}`,
    allowed: `at least one entry of spec.transitions with from: ${name}`,
  });
}

function eventMismatch(state: WorkflowState, leaving: Leaving): readonly Finding[] {
  if (state.type === 'terminal' || state.type === 'compensation') return [];
  const expected = doneBy[state.type];
  return leaving.flatMap(({ index, exit, from }) =>
    exit === undefined || exit === expected
      ? []
      : [
          finding('eventMismatch', `spec.transitions[${index}].exit`, {
            found: quote(exit),
            allowed: `${quote(expected)}, or leave it out: ${quote(from)} is of type ${state.type}`,
          }),
        ],
  );
}

function transitionShadowed(leaving: Leaving): readonly Finding[] {
  const otherwise = leaving.findIndex(({ when }) => when === undefined);
  if (otherwise === -1) return [];
  return leaving.slice(otherwise + 1).map(({ index, from, to }) =>
    finding('transitionShadowed', `spec.transitions[${index}]`, {
      found: `a transition from ${quote(from)} to ${quote(to)} that can never be taken`,
      allowed: `one before spec.transitions[${leaving[otherwise]?.index}], which has no \`when\` and so always holds`,
    }),
  );
}

function noOtherwise(name: string, state: WorkflowState, leaving: Leaving): readonly Finding[] {
  if (leaving.some(({ when }) => when === undefined) || state.exits?.error !== undefined) return [];
  return [
    finding('noOtherwise', `spec.states[${name}]`, {
      found: `only guarded transitions, to ${quoteAll(leaving.map(({ to }) => to))}`,
      allowed: 'a last transition without `when` (otherwise), or exits.error',
    }),
  ];
}

function checkReachability(graph: Graph): readonly Finding[] {
  const { start, states } = graph;
  const { forward, backward } = edgesOf(graph);
  const terminals = [...states].filter(([, { type }]) => type === 'terminal').map(([name]) => name);
  const entered = closure([start], forward);
  const ending = closure(terminals, backward);
  return [...states].flatMap(([name, { type }]) => {
    const field = `spec.states[${name}]`;
    // Whether a compensation is named is checked with the others.
    if (type === 'compensation') return [];
    if (!entered.has(name)) {
      const allowed = `states that a transition, exit or branch leads to from start ${quote(start)}`;
      return [finding('stateUnreachable', field, { found: 'a state that cannot be reached', allowed })];
    }
    if (ending.has(name)) return [];
    const allowed = `states from which one of the terminal states can be reached: ${quoteAll(terminals)}`;
    return [finding('terminalUnreachable', field, { found: 'a state from which a run can never end', allowed })];
  });
}
