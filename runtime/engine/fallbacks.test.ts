import { expect, test } from 'vitest';
import { jsonLog } from '../../adapters/system/log.ts';
import { initialState } from '../../core/workflow/state.ts';
import { type Fallback, Fallbacks } from './fallbacks.ts';

const fallback = (run: string): Fallback => ({
  state: initialState(`of-${run}`),
  workflow: 'w',
  run,
  reason: 'r',
  input: {},
});

test('a fallback run that cannot start is asked for later and later, at least every 15 s', async () => {
  const pauses: number[] = [];
  let left = 10;
  const fallbacks = new Fallbacks({
    clock: { now: () => 0, sleep: async (ms) => void pauses.push(ms) },
    log: jsonLog({ name: 'test', level: 'silent' }),
    start: async () => {
      left -= 1;
      if (left > 0) throw new Error('there is no such workflow');
    },
    started: () => undefined,
  });
  await fallbacks.want(fallback('f'));
  expect(pauses).toEqual([1, 2, 4, 8, 15, 15, 15, 15, 15].map((seconds) => seconds * 1_000));
  expect(fallbacks.has('f')).toBe(true);
});

test('what is remembered is bounded; a run that is forgotten is asked for again', async () => {
  const asked: string[] = [];
  const fallbacks = new Fallbacks({
    clock: { now: () => 0, sleep: () => Promise.resolve() },
    log: jsonLog({ name: 'test', level: 'silent' }),
    start: async ({ run }) => void asked.push(run),
    started: () => undefined,
  });
  for (let number = 0; number <= 10_000; number += 1) await fallbacks.want(fallback(`f${number}`));
  expect([fallbacks.has('f0'), fallbacks.has('f1')]).toEqual([false, true]);
  await fallbacks.want(fallback('f0'));
  expect(asked.filter((run) => run === 'f0')).toHaveLength(2);
});
