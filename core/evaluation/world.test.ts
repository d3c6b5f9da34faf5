import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../api/messages/history.ts';
import type { Fault, ToolRule } from '../../api/v1alpha1/scenario.ts';
import { faultAt, seedOf } from './faults.ts';
import { act, type Acted, emptyWorld, mergedWorld, type ToolAsked } from './world.ts';

const rules: readonly ToolRule[] = [
  { tool: 'find', when: 'args.id in state.orders', returns: { order: '${state.orders[args.id]}' } },
  {
    tool: 'refund',
    when: 'state.orders[args.id].open < args.cents',
    refuse: { message: 'only ${state.orders[args.id].open} is open' },
  },
  {
    tool: 'refund',
    when: 'args.id in state.orders',
    set: [
      { path: '/orders/${args.id}/open', value: '${state.orders[args.id].open - args.cents}' },
      { path: '/refunds/-', value: { number: 'r-${calls + 1}', cents: '${args.cents}' } },
    ],
    returns: { number: '${state.refunds[state.refunds.size() - 1].number}' },
  },
  { tool: 'byKey', when: 'args.key in effects', returns: { done: '${effects[args.key].result}' } },
  { tool: 'byKey', refuse: { status: 404, message: 'unknown' } },
  { tool: 'close', remove: ['/orders/${args.id}'], returns: {} },
];
const start = emptyWorld({ state: { orders: { o1: { open: 100 } }, refunds: [] } });
const ask = (tool: string, args: JsonObject, more: Partial<ToolAsked> = {}): ToolAsked => ({
  tool,
  effect: tool === 'find' || tool === 'byKey' ? 'read' : 'write',
  args,
  key: 'k1',
  idempotent: true,
  ...more,
});
const after = (...asked: readonly ToolAsked[]): Acted =>
  asked.reduce((acted, one) => act(acted.world, rules, one), { world: start } as Acted);

test('a read answers from the state', () => {
  const { answer, world } = after(ask('find', { id: 'o1' }));
  expect(answer).toEqual({ kind: 'Result', result: { order: { open: 100 } } });
  expect(world.state).toEqual(start.state);
  expect(world.calls).toMatchObject([{ seq: 1, did: 'read' }]);
});

test('an effect changes the state, and its result is of the state after it', () => {
  const { answer, world } = after(ask('refund', { id: 'o1', cents: 30 }));
  expect(answer).toEqual({ kind: 'Result', result: { number: 'r-1' } });
  expect(world.state).toEqual({ orders: { o1: { open: 70 } }, refunds: [{ number: 'r-1', cents: 30 }] });
  expect(world.calls).toMatchObject([{ did: 'acted', effect: 'write' }]);
});

test('the first rule whose condition holds refuses, and nothing happens', () => {
  const { answer, world } = after(ask('refund', { id: 'o1', cents: 300 }));
  expect(answer).toEqual({ kind: 'Refused', status: 422, message: 'only 100 is open' });
  expect(world.state).toEqual(start.state);
  expect(world.calls).toMatchObject([{ did: 'refused' }]);
});

test('the same key acts once, and is answered the same', () => {
  const refund = ask('refund', { id: 'o1', cents: 30 });
  const { answer, world } = after(refund, refund);
  expect(answer).toEqual({ kind: 'Result', result: { number: 'r-1' } });
  expect(world.calls.map(({ did }) => did)).toEqual(['acted', 'repeated']);
  expect(after(refund, { ...refund, key: 'k2' }).world.calls.map(({ did }) => did)).toEqual(['acted', 'acted']);
});

test('a tool that knows no keys acts again', () => {
  const refund = ask('refund', { id: 'o1', cents: 30 }, { idempotent: false });
  expect(after(refund, refund).world).toMatchObject({ state: { orders: { o1: { open: 40 } } } });
});

test('what was done is found by its key', () => {
  const refund = ask('refund', { id: 'o1', cents: 30 });
  expect(after(refund, ask('byKey', { key: 'k1' })).answer).toEqual({
    kind: 'Result',
    result: { done: { number: 'r-1' } },
  });
  expect(after(refund, ask('byKey', { key: 'k2' })).answer).toMatchObject({ kind: 'Refused', status: 404 });
});

test('what no rule fits is not found, and no fault of the scenario', () => {
  const { answer, world, problem } = after(ask('find', { id: 'o9' }));
  expect(answer).toEqual({ kind: 'Refused', status: 404, message: 'find: not found' });
  expect(world.calls).toMatchObject([{ did: 'noRule' }]);
  expect(problem).toBeUndefined();
});

test('a tool without any rule is', () => {
  expect(after(ask('send', {})).problem).toBe('the world has no rule for tool send; add one to world.tools');
});

test('so is a rule that cannot be carried out', () => {
  const broken: ToolRule = { tool: 'find', returns: { x: '${state.missing}' } };
  expect(act(start, [broken], ask('find', {})).problem).toContain('world.tools, a rule of find: ${state.missing}');
});

test('a read changes nothing, even where its rule says so', () => {
  const rule: ToolRule = { tool: 'find', set: [{ path: '/x', value: 1 }], returns: {} };
  expect(act(start, [rule], ask('find', {})).world.state).toEqual(start.state);
});

test('what is taken away is gone', () => {
  expect(after(ask('close', { id: 'o1' })).world.state).toEqual({ orders: {}, refunds: [] });
});

test('a scenario changes the world of its suite', () => {
  const world = mergedWorld(
    { state: { a: { b: 1, c: 2 }, d: 3 }, tools: [{ tool: 'x', returns: { from: 'suite' } }] },
    { state: { a: { b: null, e: 4 } }, tools: [{ tool: 'x', returns: { from: 'scenario' } }] },
  );
  expect(world.state).toEqual({ a: { c: 2, e: 4 }, d: 3 });
  expect(world.tools?.map(({ returns }) => (returns as { from: string }).from)).toEqual(['scenario', 'suite']);
});

describe('faults', () => {
  const at = (fault: Fault, tool: string, seed = 1) =>
    Array.from({ length: 6 }, (_, index) => faultAt([fault], { tool, occurrence: index + 1 }, seed) !== undefined);

  test('act at one call, or at several in a row', () => {
    expect(at({ tool: 'x', type: 'error' }, 'x')).toEqual([true, false, false, false, false, false]);
    expect(at({ tool: 'x', type: 'error', occurrence: 2, times: 2 }, 'x')).toEqual([
      false,
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(at({ tool: 'x', type: 'error' }, 'y')).not.toContain(true);
    expect(at({ model: 'x', type: 'error' }, 'x')).not.toContain(true);
  });

  test('are drawn from the seed', () => {
    const fault: Fault = { tool: 'x', type: 'error', chance: '0.5' };
    const drawn = Array.from({ length: 40 }, (_, seed) => at(fault, 'x', seed));
    expect(at(fault, 'x', 7)).toEqual(drawn[7]);
    const share = drawn.flat().filter((met) => met).length / drawn.flat().length;
    expect(share).toBeGreaterThan(0.35);
    expect(share).toBeLessThan(0.65);
    expect(at({ ...fault, chance: '0' }, 'x')).not.toContain(true);
    expect(at({ ...fault, chance: '1' }, 'x')).not.toContain(false);
  });

  test('each trial has a seed of its own, the same each time', () => {
    expect(seedOf(undefined, 1)).toBe(1);
    expect(new Set([1, 2, 3, 4].map((trial) => seedOf(9, trial))).size).toBe(4);
    expect(seedOf(9, 3)).toBe(seedOf(9, 3));
  });
});
