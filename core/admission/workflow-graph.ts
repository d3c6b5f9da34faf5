// Owns: the checks of branches, compensations and loops: what may lead where.
import type { Transition } from '../../api/v1alpha1/workflow.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { type Finding, finding, quote, quoteAll } from './finding.ts';

export interface Graph {
  readonly start: string;
  readonly states: ReadonlyMap<string, WorkflowState>;
  readonly transitions: readonly Transition[];
}

type Edges = ReadonlyMap<string, readonly string[]>;

/** A transition or exit leads on within a run, a branch into another run of the same workflow. */
export function edgesOf(
  { states, transitions }: Graph,
  branches = true,
): { readonly forward: Edges; readonly backward: Edges } {
  const forward = new Map<string, string[]>();
  const backward = new Map<string, string[]>();
  const link = (from: string, to: string) => {
    forward.set(from, [...(forward.get(from) ?? []), to]);
    backward.set(to, [...(backward.get(to) ?? []), from]);
  };
  for (const { from, to } of transitions) link(from, to);
  for (const [name, state] of states) {
    for (const to of Object.values(state.exits ?? {})) if (to !== undefined) link(name, to);
    if (!branches) continue;
    for (const { start } of Object.values(state.branches ?? {}))
      if (start !== undefined) forward.set(name, [...(forward.get(name) ?? []), start]);
  }
  return { forward, backward };
}

export function closure(from: readonly string[], edges: Edges): ReadonlySet<string> {
  const seen = new Set(from);
  const open = [...from];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    for (const next of edges.get(name) ?? []) {
      if (!seen.has(next)) open.push(next);
      seen.add(next);
    }
  }
  return seen;
}

export function checkBranches(graph: Graph): readonly Finding[] {
  const { forward } = edgesOf(graph);
  const possible = [...graph.states].filter(([, { type }]) => type !== 'compensation').map(([name]) => name);
  return [...graph.states].flatMap(([name, state]) =>
    Object.entries(state.branches ?? {}).flatMap(([branch, { start }]) => {
      const field = `spec.states[${name}].branches[${branch}].start`;
      if (start === undefined) return [];
      if (!possible.includes(start)) {
        return [finding('branchUnknown', field, { found: quote(start), allowed: `the states ${quoteAll(possible)}` })];
      }
      if (!closure([start], forward).has(name)) return [];
      const allowed = `states from which ${quote(name)} cannot be reached: each run would start others without end`;
      return [finding('branchReentersItself', field, { found: quote(start), allowed })];
    }),
  );
}

export function checkCompensations(graph: Graph): readonly Finding[] {
  const compensations = [...graph.states].filter(([, { type }]) => type === 'compensation').map(([name]) => name);
  const named = new Set([...graph.states.values()].map(({ compensation }) => compensation));
  return [
    ...[...graph.states].flatMap(([name, { compensation }]) =>
      compensation === undefined || compensations.includes(compensation)
        ? []
        : [
            finding('compensationUnfit', `spec.states[${name}].compensation`, {
              found: quote(compensation),
              allowed: `the states of type compensation: ${quoteAll(compensations)}`,
            }),
          ],
    ),
    ...compensations.flatMap((name) => [
      ...(named.has(name) ? [] : [unnamed(name)]),
      ...waysTo(graph, name).map((field) =>
        finding('compensationUnfit', field, {
          found: `${quote(name)}, which is of type compensation`,
          allowed: 'states of another type: a compensation runs when the run ends, and nothing leads to or from it',
        }),
      ),
    ]),
  ];
}

const unnamed = (name: string): Finding =>
  finding('compensationUnfit', `spec.states[${name}]`, {
    found: 'a compensation of nothing',
    allowed: `one that a task or workflow state names with compensation: ${name}`,
  });

function waysTo({ start, states, transitions }: Graph, name: string): readonly string[] {
  return [
    ...(start === name ? ['spec.start'] : []),
    ...transitions.flatMap(({ from, to }, index) => [
      ...(from === name ? [`spec.transitions[${index}].from`] : []),
      ...(to === name ? [`spec.transitions[${index}].to`] : []),
    ]),
    ...[...states].flatMap(([from, { exits }]) =>
      Object.entries(exits ?? {}).flatMap(([exit, to]) => (to === name ? [`spec.states[${from}].exits.${exit}`] : [])),
    ),
  ];
}

/** In every loop somebody works or waits, or a state says how often it may be entered. */
export function checkLoops(graph: Graph): readonly Finding[] {
  const { forward } = edgesOf(graph, false);
  const free = new Set(
    [...graph.states]
      .filter(([, { type, maxVisits }]) => type === 'decision' && maxVisits === undefined)
      .map(([name]) => name),
  );
  const among = new Map([...free].map((name) => [name, (forward.get(name) ?? []).filter((to) => free.has(to))]));
  return [...free].flatMap((name) => {
    if (!closure(among.get(name) ?? [], among).has(name)) return [];
    const found = 'a loop of decisions alone, which ends only by chance';
    const allowed = 'a loop with maxVisits on one of its decisions, or with a task, wait, approval or child in it';
    return [finding('loopUnbounded', `spec.states[${name}]`, { found, allowed })];
  });
}
