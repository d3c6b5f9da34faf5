import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Timers } from './timers.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('any settings fire in order, each key once, at its last time', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.option(fc.nat(50)))), (settings) => {
      const fired: [string, number][] = [];
      const start = Date.now();
      const timers = new Timers(Date.now, (key) => fired.push([key, Date.now() - start]));
      const wanted = new Map<string, number>();
      for (const [key, at] of settings) {
        timers.set(key, at === null ? undefined : start + at);
        if (at === null) wanted.delete(key);
        else wanted.set(key, at);
      }
      vi.advanceTimersByTime(100);
      expect(new Map(fired)).toEqual(wanted);
      expect(fired).toHaveLength(wanted.size);
      expect(fired.map(([, at]) => at)).toEqual(fired.map(([, at]) => at).toSorted((a, b) => a - b));
      timers.stop();
    }),
  );
});

test('a timer set while firing fires too', () => {
  const fired: string[] = [];
  const timers = new Timers(Date.now, (key) => {
    fired.push(key);
    if (key === 'first') timers.set('second', Date.now() + 5);
  });
  timers.set('first', Date.now() + 5);
  vi.advanceTimersByTime(20);
  expect(fired).toEqual(['first', 'second']);
});
