// Owns: what is known of a run's values at each point of its workflow, from the schemas alone.
//   F1: a fact is there for sure only if every way to that point brings it; one that no way brings is not there.
//   F2: a state of which nothing is known may bring anything.
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { typeOfSchema } from '../cel/schema-type.ts';
import {
  anObject,
  dyn,
  int,
  listOf,
  joined,
  type ObjectType,
  optional,
  overlaid,
  required,
  string,
  type Type,
} from '../cel/type.ts';

/** What expressions at one point of the workflow may read. */
export interface Point {
  readonly facts: ObjectType;
  readonly result: ObjectType;
}

export interface Points {
  /** In a state, before its work is done; undefined for a state that no run enters. */
  in(state: string): Point | undefined;
  /** When the state's work was done well: what its guards see. */
  after(state: string): Point | undefined;
}

const anything = anObject({}, true);
const start: Point = { facts: anObject(), result: anObject() };

/** Each round makes some point know less; there are only so many schemas to know of. */
const roundsMax = 1_000;

export function pointsOf(spec: WorkflowSpec): Points {
  const entered = new Map<string, Point>();
  const open: { readonly state: string; readonly point: Point }[] = [{ state: spec.start, point: start }];
  const reach = (state: string, point: Point): void => {
    const before = entered.get(state);
    const now = before === undefined ? point : either(before, point);
    if (before !== undefined && same(before, now)) return;
    entered.set(state, now);
    open.push({ state, point: now });
  };
  entered.set(spec.start, start);
  for (let round = 0; round < roundsMax; round += 1) {
    const next = open.pop();
    if (next === undefined) break;
    const state = spec.states[next.state];
    if (state === undefined) continue;
    const done = afterWork(spec, next.state, state, next.point);
    // A branch begins with the facts of the run that starts it, and without a result.
    for (const branch of Object.values(state.branches ?? {})) {
      if (branch.start !== undefined) reach(branch.start, { ...next.point, result: start.result });
    }
    for (const { from, to } of spec.transitions) if (from === next.state) reach(to, done);
    for (const to of Object.values(state.exits ?? {})) if (to !== undefined) reach(to, either(next.point, done));
  }
  // Not settled within the bound: nothing is known anywhere.
  if (open.length > 0)
    for (const state of Object.keys(spec.states)) entered.set(state, { facts: anything, result: anything });
  return {
    in: (state) => entered.get(state),
    after: (name) => {
      const [state, point] = [spec.states[name], entered.get(name)];
      return state === undefined || point === undefined ? undefined : afterWork(spec, name, state, point);
    },
  };
}

const either = (left: Point, right: Point): Point => ({
  facts: joined(left.facts, right.facts),
  result: joined(left.result, right.result),
});
const same = (left: Point, right: Point): boolean => JSON.stringify(left) === JSON.stringify(right);

/** A child as a fact (`factOf`). */
const childType = anObject({
  run: required(string),
  outcome: required(string),
  message: required(string),
  result: required(anything),
});

function afterWork(spec: WorkflowSpec, name: string, state: WorkflowState, point: Point): Point {
  switch (state.type) {
    case 'workflow':
      return { facts: overlaid(point.facts, anObject({ [name]: required(childType) })), result: childType };
    case 'parallel': {
      const names = Object.keys(state.branches ?? {});
      const children = anObject(Object.fromEntries(names.map((branch) => [branch, required(childType)])));
      return { facts: overlaid(point.facts, children), result: children };
    }
    case 'compensation':
    case 'task': {
      const output = asObject(state.output === undefined ? anything : typeOfSchema(state.output));
      return { facts: overlaid(point.facts, output), result: output };
    }
    case 'wait':
      return { ...point, result: receivedType(spec, state) ?? point.result };
    case 'decision':
    case 'approval':
    case 'terminal':
      return point;
  }
}

/** What a wait brings; undefined when it only passes time. */
function receivedType({ signals }: WorkflowSpec, { for: waits }: WorkflowState): ObjectType | undefined {
  if (waits?.event !== undefined) return anything;
  if (waits?.signal === undefined) return undefined;
  const schema = signals?.[waits.signal]?.schema;
  return schema === undefined ? anything : asObject(typeOfSchema(schema));
}

export const asObject = (type: Type): ObjectType =>
  type.kind === 'object' ? type : type.kind === 'map' ? anObject({}, true) : anything;

/** Variable `run` of guards, keys of events and templates (`runBinding`). */
export const runType = anObject({
  id: required(string),
  namespace: required(string),
  workflow: required(string),
  requestedBy: required(string),
  state: required(string),
  costMicros: required(int),
  attempts: required(int),
  key: optional(string),
});

/** Variable `calls` of verifier rules (`callsOf`). */
export const callsType = listOf(
  anObject({ tool: required(string), args: required(anything), outcome: required(string), result: required(dyn) }),
);

/** Variable `run` outside of the engine (`runVariable`). */
export const runOutsideType = anObject({
  id: required(string),
  namespace: required(string),
  workflow: required(string),
  state: required(string),
  key: optional(string),
  requestedBy: optional(string),
});
