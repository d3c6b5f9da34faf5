// The measurement of scale, with numbers that are small: it measures what it says, and finds every run again.
import { expect, test } from 'vitest';
import { measureConcurrent } from '../../bench/scale/concurrent.ts';
import { measureLong } from '../../bench/scale/long.ts';
import { table } from '../../bench/scale/report.ts';
import { measureWaiting } from '../../bench/scale/waiting.ts';

const say = (): void => undefined;

test('waiting runs outlive their engine and are woken', async () => {
  const waiting = await measureWaiting(400, say);
  expect(waiting).toMatchObject({ runs: 400 });
  for (const [name, value] of Object.entries(waiting)) expect(value, name).toBeGreaterThanOrEqual(0);
  expect(table({ at: '', machine: '', fdatasyncMs: 0, load: 0, waiting })).toContain('400 runs that wait');
}, 180_000);

test('runs under way all succeed, and somebody who asks meanwhile is answered', async () => {
  const concurrent = await measureConcurrent(300, say);
  expect(concurrent.runsPerSecond).toBeGreaterThan(0);
  expect(concurrent.stepP99Ms).toBeGreaterThan(0);
}, 180_000);

test('a history beyond the point where it is continued is read without a gap and survives its engine', async () => {
  const long = await measureLong(5_200, say);
  expect(long.events).toBeGreaterThan(5_200);
  expect(long.continuations).toBe(1);
  expect(long.pages).toBeGreaterThan(1);
}, 180_000);
