// Owns: the world that simulated tools act on: a state, rules for each tool, and the log of everything that came.
//   W1: a tool that knows idempotency keys gives the same answer to the same key, and acts once.
//   W2: a call without effect changes nothing, whatever its rule says.
//   W3: what no rule fits is answered as by a tool that does not know what it is asked for, and is in the log.
import type { Json, JsonObject } from '../../api/messages/history.ts';
import type { Fault, ToolRule, World } from '../../api/v1alpha1/scenario.ts';
import type { Effect } from '../../api/v1alpha1/tool.ts';
import { evaluateBoolean, interpolate } from '../cel/cel.ts';
import { change } from './pointer.ts';
import type { WorldCall } from './record.ts';

export interface WorldState {
  readonly state: JsonObject;
  readonly calls: readonly WorldCall[];
}

export interface ToolAsked {
  readonly tool: string;
  readonly effect: Effect;
  readonly args: JsonObject;
  readonly key: string;
  /** The tool recognises repeats by the key. */
  readonly idempotent: boolean;
  readonly fault?: Fault['type'];
}

export type WorldAnswer =
  | { readonly kind: 'Result'; readonly result: Json }
  | { readonly kind: 'Refused'; readonly status: number; readonly message: string };

export interface Acted {
  readonly world: WorldState;
  readonly answer: WorldAnswer;
  /** The scenario is wrong: its trial says nothing about the agent. */
  readonly problem?: string;
}

/** CEL variables of rules. */
export const toolRuleVariables = ['args', 'state', 'calls', 'effects', 'key'] as const;

export const emptyWorld = (world: World | undefined): WorldState => ({
  state: (world?.state ?? {}) as JsonObject,
  calls: [],
});

/** JSON merge patch (RFC 7386) for the state; rules of the scenario come first. */
export function mergedWorld(suite: World | undefined, scenario: World | undefined): World {
  return {
    state: merged((suite?.state ?? {}) as Json, (scenario?.state ?? {}) as Json) as JsonObject,
    tools: [...(scenario?.tools ?? []), ...(suite?.tools ?? [])],
  };
}

function merged(base: Json, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const members = new Map(isObject(base) ? Object.entries(base) : []);
  for (const [name, member] of Object.entries(patch)) {
    if (member === null) members.delete(name);
    else members.set(name, merged(members.get(name) ?? null, member));
  }
  return Object.fromEntries(members);
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What the tool does, and the world after it. */
export function act(world: WorldState, rules: readonly ToolRule[], asked: ToolAsked): Acted {
  const mine = rules.filter(({ tool }) => tool === asked.tool);
  if (mine.length === 0) {
    const message = `the world has no rule for tool ${asked.tool}; add one to world.tools`;
    return { ...answered(world, asked, 'noRule', { kind: 'Refused', status: 404, message }), problem: message };
  }
  const before = asked.idempotent ? world.calls.find((call) => isRepeat(call, asked)) : undefined;
  if (before !== undefined)
    return answered(world, asked, 'repeated', { kind: 'Result', result: before.result ?? null });
  const bindings = bindingsOf(world, asked);
  const rule = mine.find(({ when }) => when === undefined || isTrue(when, bindings));
  if (rule === undefined) {
    return answered(world, asked, 'noRule', { kind: 'Refused', status: 404, message: `${asked.tool}: not found` });
  }
  const done = rule.refuse === undefined ? apply(rule, world.state, bindings) : refusal(rule.refuse, bindings);
  if (typeof done === 'string') {
    const message = `world.tools, a rule of ${asked.tool}: ${done}`;
    return { ...answered(world, asked, 'refused', { kind: 'Refused', status: 500, message }), problem: message };
  }
  if ('status' in done) return answered(world, asked, 'refused', { kind: 'Refused', ...done });
  const reads = asked.effect === 'read';
  const after = reads ? world : { ...world, state: done.state };
  return answered(after, asked, reads ? 'read' : 'acted', { kind: 'Result', result: done.result });
}

const isRepeat = (call: WorldCall, { tool, key }: ToolAsked): boolean =>
  call.did === 'acted' && call.tool === tool && call.key === key;

const isTrue = (when: string, bindings: JsonObject): boolean => {
  const held = evaluateBoolean(when, bindings);
  return held.ok && held.value;
};

/** `effects`: what was done, by idempotency key. */
function bindingsOf({ state, calls }: WorldState, { tool, args, key }: ToolAsked): JsonObject {
  const acted = calls.filter(({ did }) => did === 'acted');
  return {
    args,
    state,
    key,
    calls: calls.filter((call) => call.tool === tool).length,
    effects: Object.fromEntries(
      acted.map((call) => [call.key, { tool: call.tool, args: call.args, result: call.result ?? null }]),
    ),
  };
}

function answered(world: WorldState, asked: ToolAsked, did: WorldCall['did'], answer: WorldAnswer): Acted {
  const { tool, effect, args, key, fault } = asked;
  const call: WorldCall = {
    seq: world.calls.length + 1,
    tool,
    effect,
    args,
    key,
    did,
    ...(answer.kind === 'Result' ? { result: answer.result } : {}),
    ...(fault === undefined ? {} : { fault }),
  };
  return { world: { ...world, calls: [...world.calls, call] }, answer };
}

/** The state after the rule, and the result; or what is wrong with the rule. */
function apply(
  rule: ToolRule,
  before: JsonObject,
  bindings: JsonObject,
): { readonly state: JsonObject; readonly result: Json } | string {
  let state: Json = before;
  const changes = [
    ...(rule.set ?? []).map(({ path, value }) => ({ path, value: value ?? null })),
    ...(rule.remove ?? []).map((path) => ({ path, value: undefined })),
  ];
  for (const { path, value } of changes) {
    const filled = interpolate(value === undefined ? [path] : [path, value], bindings);
    if (filled.kind === 'Error') return filled.message;
    const [at, becomes] = filled.value as readonly [Json, Json | undefined];
    const next = change(state, typeof at === 'string' ? at : JSON.stringify(at), becomes);
    if (!next.ok) return next.message;
    state = next.value;
  }
  const result = interpolate(rule.returns ?? {}, { ...bindings, state });
  return result.kind === 'Error' ? result.message : { state: state as JsonObject, result: result.value as Json };
}

function refusal(
  { status = 422, message }: NonNullable<ToolRule['refuse']>,
  bindings: JsonObject,
): { readonly status: number; readonly message: string } | string {
  const filled = interpolate(message, bindings);
  return filled.kind === 'Error' ? filled.message : { status, message: String(filled.value) };
}
