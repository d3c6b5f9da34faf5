import { describe, expect, it } from 'vitest';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import { costMicros } from './cost.ts';
import { durationMs } from './duration.ts';
import { type FailedTry, nextTry, triesPerModel } from './route.ts';

const bundle = (backup?: string): BundleSpec => ({
  agent: 'a',
  prompts: { executor: { text: 'x' }, planner: { text: 'p' } },
  models: { start: 'small', planner: 'large', ...(backup === undefined ? {} : { backup }) },
  tools: [],
  verifier: { model: 'judge' },
});
const down = (model: string, retryAfterMs?: number): FailedTry => ({
  model,
  code: 'MODEL_UNAVAILABLE',
  message: 'overloaded',
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});
const times = (count: number, tried: FailedTry) => Array.from({ length: count }, () => tried);

describe('which model is asked next', () => {
  it.each([
    ['executor' as const, 'small'],
    ['planner' as const, 'large'],
    ['verifier' as const, 'judge'],
  ])('%s begins with %s', (role, model) => {
    expect(nextTry(bundle(), role, [])).toEqual({ kind: 'Ask', model, backup: false, afterMs: 0 });
  });
  it('tries again with a growing pause', () => {
    const pauses = [1, 2].map((count) => nextTry(bundle('other'), 'executor', times(count, down('small'))));
    expect(pauses).toMatchObject([
      { model: 'small', afterMs: 200 },
      { model: 'small', afterMs: 400 },
    ]);
  });
  it('waits as long as the endpoint says, within bounds', () => {
    expect(nextTry(bundle(), 'executor', [down('small', 1_500)])).toMatchObject({ afterMs: 1_500 });
    expect(nextTry(bundle(), 'executor', [down('small', 600_000)])).toMatchObject({ afterMs: 5_000 });
  });
  it('takes the backup after the start model failed as often as allowed, and says so', () => {
    const step = nextTry(bundle('other'), 'executor', times(triesPerModel, down('small')));
    expect(step).toMatchObject({ kind: 'Ask', model: 'other', backup: true, note: expect.stringContaining('small') });
  });
  it('does not take a refusal to another vendor', () => {
    const refused: FailedTry = { model: 'small', code: 'MODEL_FAILED', message: 'refused' };
    expect(nextTry(bundle('other'), 'executor', [refused])).toMatchObject({ kind: 'GiveUp', retryable: false });
  });
  it('gives up after the backup, and may be tried later', () => {
    const failed = [...times(triesPerModel, down('small')), ...times(triesPerModel, down('other'))];
    expect(nextTry(bundle('other'), 'executor', failed)).toMatchObject({ kind: 'GiveUp', retryable: true });
    expect(nextTry(bundle(), 'executor', times(triesPerModel, down('small')))).toMatchObject({ kind: 'GiveUp' });
  });
});

describe('what a call costs', () => {
  const prices = {
    currency: 'USD',
    inputPerMillion: 150_000,
    cachedInputPerMillion: 15_000,
    outputPerMillion: 600_000,
  };
  it.each([
    ['input and output', prices, { inputTokens: 1_000_000, cachedInputTokens: 0, outputTokens: 1_000_000 }, 750_000],
    [
      'cached input is cheaper',
      prices,
      { inputTokens: 1_000_000, cachedInputTokens: 1_000_000, outputTokens: 0 },
      15_000,
    ],
    ['rounded up', prices, { inputTokens: 1, cachedInputTokens: 0, outputTokens: 0 }, 1],
    ['no prices', undefined, { inputTokens: 5, cachedInputTokens: 0, outputTokens: 5 }, 0],
    [
      'more cached than input is not believed',
      prices,
      { inputTokens: 10, cachedInputTokens: 1_000_000, outputTokens: 0 },
      1,
    ],
  ])('%s', (_words, given, usage, micros) => {
    expect(costMicros(given, usage)).toBe(micros);
  });
});

it.each([
  ['500ms', 500],
  ['10s', 10_000],
  ['1h30m', 5_400_000],
  ['3d', 259_200_000],
  [undefined, 7],
  ['soon', 7],
])('duration %s is %d ms', (text, ms) => {
  expect(durationMs(text, 7)).toBe(ms);
});
