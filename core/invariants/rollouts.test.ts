// I7: a rollout without fault, and each way to break it.
import { describe, expect, test } from 'vitest';
import type { HistoryEvent } from '../../api/messages/history.ts';
import type { Assignment } from '../../api/messages/rollout.ts';
import type { Fact } from './facts.ts';
import { canaryWithinWeight } from './rollouts.ts';
import { newTrace } from './trace.ts';

type Start = Partial<Assignment> & {
  readonly pin?: string;
  readonly run?: string;
  readonly none?: true;
  readonly branchOf?: string;
};
type Step = Start | { readonly weightBps: number; readonly observed?: boolean; readonly routed: true };

const [old, canary] = ['sha256:old', 'sha256:new'];

function eventOf({ pin, run: _run, none, branchOf, ...more }: Start): HistoryEvent {
  const assignment: Assignment = { rollout: 'u1', arm: 'stable', unit: 'k', weightBps: 5_000, ...more };
  return {
    type: 'RunStarted',
    pins: { clerk: pin ?? (assignment.arm === 'canary' ? canary : old) },
    ...(none === true ? {} : { assignments: { clerk: assignment } }),
    ...(branchOf === undefined ? {} : { first: 'count', parent: { run: branchOf } }),
  } as unknown as HistoryEvent;
}

function found(steps: readonly Step[]): readonly string[] {
  const sentences: string[] = [];
  const checker = canaryWithinWeight(({ invariant, sentence }) => sentences.push(`${invariant} ${sentence}`));
  for (const [at, step] of steps.entries()) {
    if ('routed' in step) {
      const { weightBps, observed = false } = step;
      checker.see?.({ kind: 'Routed', at, rollout: 'u1', canary, weightBps, observed } as Fact);
    } else checker.event?.(newTrace(step.run ?? `R${at}`, 0), eventOf(step));
  }
  return sentences;
}

const route = (weightBps: number, observed = false): Step => ({ routed: true, weightBps, observed });
const stable = (unit: string, more: Start = {}): Step => ({ unit, arm: 'stable', first: true, ...more });
const tried = (unit: string, more: Start = {}): Step => ({ unit, arm: 'canary', first: true, ...more });
const good: readonly Step[] = [
  route(5_000),
  stable('a'),
  tried('b'),
  { unit: 'b', arm: 'canary' },
  stable('c'),
  route(2_500),
  stable('d', { weightBps: 2_500 }),
  tried('e', { weightBps: 2_500 }),
  { unit: 'b', excluded: true },
];

test('a rollout whose weight goes down, whose keys come again, and one that is excluded', () => {
  expect(found(good)).toEqual([]);
});

test('after the abort everybody is stable, without an assignment; a weight that rises again is no abort', () => {
  const left = ['x', 'y', 'z'].map((unit) => stable(unit, { weightBps: 2_500 }));
  const f = tried('f', { weightBps: 2_500 });
  const again = [route(5_000), stable('g'), { unit: 'b', arm: 'canary' } as const];
  expect(found([...good, ...left, route(0), f, route(0, true), { none: true }, ...again])).toEqual([]);
});

describe('each violation is seen', () => {
  test.each<[string, readonly Step[], string]>([
    ['a canary as the first of 50 %', [tried('a')], 'a canary too many'],
    ['more canaries than weights', [...good, tried('f')], 'a canary too many'],
    ['a key in both arms', [...good, { unit: 'b', arm: 'stable' }], 'gives key b arm stable'],
    ['two firsts of a key', [...good, stable('a')], 'is the first of key a'],
    [
      'a canary after the abort was observed',
      [...good, route(0), route(0, true), { unit: 'b', arm: 'canary' }],
      'after its abort',
    ],
    ['a weight that was never offered', [route(100), stable('a', { weightBps: 5_000 })], 'which never had it'],
    ['the canary for a stable key', [route(5_000), stable('a', { pin: canary })], 'has arm stable'],
    ['the old bundle for a canary key', [...good, { unit: 'b', arm: 'canary', pin: old }], 'has arm canary'],
    ['the canary for an excluded key', [...good, { unit: 'b', arm: 'canary', excluded: true }], 'is excluded'],
    ['the canary without an assignment', [...good, { none: true, pin: canary }], 'without an assignment'],
    [
      'a branch that leaves the bundle of its parent',
      [route(5_000), stable('a', { run: 'P' }), { unit: 'a', branchOf: 'P', pin: canary }],
      'is a branch with other bundles',
    ],
  ])('%s', (_, steps, sentence) => {
    expect(found(steps).join('\n')).toContain(`I7 `);
    expect(found(steps).join('\n')).toContain(sentence);
  });
});
