import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Clock } from '../../ports/system.ts';
import { WorkQueue } from './queue.ts';

/** Time that moves only when told; timers fire in order. */
function manualClock() {
  let now = 0;
  const timers: { at: number; fire: () => void }[] = [];
  const clock: Clock = {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const timer = { at: now + ms, fire: resolve };
        timers.push(timer);
        signal?.addEventListener('abort', () => {
          timers.splice(timers.indexOf(timer), 1);
          reject(new Error('aborted'));
        });
      }),
  };
  const advance = async (ms: number): Promise<void> => {
    const end = now + ms;
    for (;;) {
      const next = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      now = Math.max(now, next.at);
      timers.splice(timers.indexOf(next), 1);
      next.fire();
      await Promise.resolve();
      await Promise.resolve();
    }
    now = end;
  };
  return { clock, advance, timers };
}

function makeQueue() {
  const time = manualClock();
  const queue = new WorkQueue({ name: 'q', clock: time.clock, monotonicMs: () => time.clock.now(), chance: () => 0.5 });
  return { ...time, queue };
}

describe('the work queue', () => {
  test('a key added twice waits once', async () => {
    const { queue } = makeQueue();
    queue.add('a');
    queue.add('a');
    expect(queue.depth).toBe(1);
    expect(await queue.take()).toBe('a');
    expect(queue.depth).toBe(0);
  });

  test('a key added while a worker has it comes again after done, once', async () => {
    const { queue } = makeQueue();
    queue.add('a');
    await queue.take();
    queue.add('a');
    queue.add('a');
    expect(queue.depth).toBe(0);
    queue.done('a');
    expect(queue.depth).toBe(1);
  });

  test('news goes before what was there at the start', async () => {
    const { queue } = makeQueue();
    queue.add('old-1', 'low');
    queue.add('old-2', 'low');
    queue.add('new');
    queue.add('old-2');
    expect([await queue.take(), await queue.take(), await queue.take()]).toEqual(['new', 'old-2', 'old-1']);
  });

  test('the shorter delay wins, with one timer for all keys', async () => {
    const { queue, advance, timers } = makeQueue();
    queue.addAfter('a', 1_000);
    queue.addAfter('a', 50);
    queue.addAfter('a', 700);
    for (let each = 0; each < 100; each += 1) queue.addAfter(`k${each}`, 100 + each);
    expect(timers).toHaveLength(1);
    await advance(50);
    expect(queue.depth).toBe(1);
    await advance(2_000);
    expect(queue.depth).toBe(101);
    expect(timers).toHaveLength(0);
  });

  test('a delay longer than a timer can hold does not fire early', async () => {
    const { queue, advance } = makeQueue();
    const month = 30 * 86_400_000;
    queue.addAfter('a', month);
    await advance(month - 1);
    expect(queue.depth).toBe(0);
    await advance(2);
    expect(queue.depth).toBe(1);
  });

  test('back-off doubles from 5 ms to 1,000 s and starts again after success', () => {
    const { queue } = makeQueue();
    const delays: number[] = [];
    const original = queue.addAfter.bind(queue);
    queue.addAfter = (key, delay) => {
      delays.push(delay);
      original(key, delay);
    };
    for (let each = 0; each < 25; each += 1) queue.addRateLimited('a');
    expect(delays.slice(0, 4)).toEqual([5, 10, 20, 40]);
    expect(delays.at(-1)).toBe(1_000_000);
    queue.forget('a');
    queue.addRateLimited('a');
    expect(delays.at(-1)).toBe(5);
  });

  test('many keys that fail together are spread to ten a second', () => {
    const { queue } = makeQueue();
    const delays: number[] = [];
    queue.addAfter = (_, delay) => void delays.push(delay);
    for (let each = 0; each < 200; each += 1) queue.addRateLimited(`k${each}`);
    expect(delays[99]).toBe(5);
    expect(delays[199]).toBeCloseTo(10_000);
  });

  test('shutDown releases those who wait and hands out nothing more', async () => {
    const { queue } = makeQueue();
    const waiting = queue.take();
    queue.shutDown();
    queue.add('a');
    expect(await waiting).toBeUndefined();
    expect(await queue.take()).toBeUndefined();
  });

  test('for any order of calls: never twice at once, never lost, never doubled', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('add', 'low', 'retry', 'delay'), key: fc.constantFrom('a', 'b', 'c', 'd') }),
      fc.record({ kind: fc.constantFrom('take', 'finish', 'wait'), key: fc.constant('') }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { queue, advance } = makeQueue();
        const working: string[] = [];
        /** Keys that must be handed out once more. */
        const owed = new Set<string>();
        const takeOne = async (): Promise<void> => {
          if (queue.depth === 0) return;
          const key = await queue.take();
          expect(working).not.toContain(key);
          expect(owed).toContain(key);
          owed.delete(key ?? '');
          working.push(key ?? '');
        };
        for (const { kind, key } of steps) {
          if (kind === 'add') queue.add(key);
          else if (kind === 'low') queue.add(key, 'low');
          else if (kind === 'retry') queue.addRateLimited(key);
          else if (kind === 'delay') queue.addAfter(key, 30);
          else if (kind === 'take') await takeOne();
          else if (kind === 'finish') queue.done(working.shift() ?? '');
          else await advance(7);
          if (key !== '') owed.add(key);
          expect(queue.depth).toBeLessThanOrEqual(4);
        }
        for (let round = 0; round < 200 && (owed.size > 0 || working.length > 0); round += 1) {
          await takeOne();
          if (working.length > 0) queue.done(working.shift() ?? '');
          if (queue.depth === 0) await advance(1_000_000);
        }
        expect([...owed]).toEqual([]);
        expect(queue.size).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
