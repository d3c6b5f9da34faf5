// Owns: what is written to the lists, and when: nothing by who does not know the journal's end, or over what was not looked at.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { summaryOf } from '../../core/workflow/summary.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import type { Log } from '../../ports/system.ts';
import { queuesDefault, rule, simple, started } from '../../test/support/play.ts';
import type { Partition } from './partition.ts';
import { Projections } from './projections.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const hurt = rule({ signal: 'redFlag', action: 'humanQueue', patterns: ['hurt'] });
const asked = started(simple({ rules: [hurt], queues: queuesDefault }), { text: 'it is hurt' });
const { run, namespace } = asked.state;
const aWhileMs = 2_000;

/** What is written, and what happens between a look and the write that follows it. */
function world() {
  const rows = new Map<string, { value: unknown; revision: number }>();
  const seen = { newest: true, afterLook: (_key: string): void => undefined };
  const put = (key: string, value: unknown): void =>
    void rows.set(key, { value, revision: (rows.get(key)?.revision ?? 0) + 1 });
  const bucket: Pick<Bucket<unknown>, 'get' | 'update'> = {
    get(key) {
      const row = rows.get(key);
      seen.afterLook(key);
      return Promise.resolve(row === undefined ? undefined : { key, ...row });
    },
    update(key, value, expected) {
      if ((rows.get(key)?.revision ?? 0) !== expected) return Promise.resolve(undefined);
      put(key, value);
      return Promise.resolve(expected + 1);
    },
  };
  const bus = { bucket: () => Promise.resolve(bucket), problem: () => undefined } as unknown as Bus;
  const partition = {
    table: { peek: () => asked.state } as unknown as Partition['table'],
    settled: () => Promise.resolve(),
    assertNewest: () => (seen.newest ? Promise.resolve() : Promise.reject(new Error('others have written'))),
  };
  const projections = new Projections(
    { bus, log: { debug: () => undefined } as unknown as Log },
    { partition, givenUp: () => undefined },
  );
  return { seen, rows, put, projections, key: `${namespace}.${run}` };
}

test('a run that has asked people is shown, with its question', async () => {
  const { rows, projections, key } = world();
  projections.touch([run]);
  await vi.advanceTimersByTimeAsync(0);
  expect([...rows.keys()]).toEqual([`${namespace}.${run}-1`.toLowerCase(), key]);
  expect(rows.get(key)?.value).toEqual(summaryOf(asked.state));
  expect(projections.behind).toBe(0);
});

test('by who does not know the end of the journal nothing is written, and what is behind is written when it does again', async () => {
  const { seen, rows, projections } = world();
  seen.newest = false;
  projections.touch([run]);
  await vi.advanceTimersByTimeAsync(aWhileMs);
  expect([rows.size, projections.isBehind(run)]).toEqual([0, true]);
  seen.newest = true;
  await vi.advanceTimersByTimeAsync(aWhileMs);
  expect([rows.size, projections.isBehind(run)]).toEqual([2, false]);
});

test('a journal that others write on between the look and the write', async () => {
  const { seen, rows, projections } = world();
  seen.afterLook = () => (seen.newest = false);
  projections.touch([run]);
  await vi.advanceTimersByTimeAsync(aWhileMs);
  expect(rows.size).toBe(0);
});

test('what another owner writes between the look and the write is not replaced before it is looked at', async () => {
  const { seen, rows, put, projections, key } = world();
  seen.afterLook = (looked) => {
    if (looked === key && !rows.has(key)) put(key, 'of another owner');
  };
  projections.touch([run]);
  await vi.advanceTimersByTimeAsync(0);
  expect([rows.get(key)?.value, projections.isBehind(run)]).toEqual(['of another owner', true]);
  await vi.advanceTimersByTimeAsync(aWhileMs);
  expect([rows.get(key)?.value, projections.isBehind(run)]).toEqual([summaryOf(asked.state), false]);
});

test('what was behind at a stop is not written any more', async () => {
  const { seen, rows, projections } = world();
  seen.newest = false;
  projections.touch([run]);
  await vi.advanceTimersByTimeAsync(0);
  projections.stop();
  seen.newest = true;
  await vi.advanceTimersByTimeAsync(aWhileMs);
  expect(rows.size).toBe(0);
});
