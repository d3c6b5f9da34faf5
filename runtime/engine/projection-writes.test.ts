// Owns: what is written to the lists, and when: nothing by who does not know the journal's end, or over what was not looked at;
// and the newest of what has ended.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { RunState } from '../../core/workflow/state.ts';
import { summaryOf } from '../../core/workflow/summary.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import type { Log } from '../../ports/system.ts';
import { queuesDefault, rule, simple, started } from '../../test/support/play.ts';
import { closedMax, Projections } from './projections.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const hurt = rule({ signal: 'redFlag', action: 'humanQueue', patterns: ['hurt'] });
const asked = started(simple({ rules: [hurt], queues: queuesDefault }), { text: 'it is hurt' });
const { run, namespace } = asked.state;
const aWhileMs = 2_000;

/** What is written, and what happens between a look and the write that follows it. */
function world() {
  const rows = new Map<string, { value: unknown; revision: number }>();
  let ids = 0;
  const states = new Map<string, RunState>();
  const seen = { failDeletes: 0, newest: true, afterLook: (_key: string): void => undefined };
  const put = (key: string, value: unknown): void =>
    void rows.set(key, { value, revision: (rows.get(key)?.revision ?? 0) + 1 });
  const bucket: Pick<Bucket<unknown>, 'get' | 'update' | 'put' | 'delete'> = {
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
    put: (key, value) => {
      put(key, value);
      return Promise.resolve(1);
    },
    delete: (key) => {
      seen.failDeletes -= 1;
      if (seen.failDeletes >= 0) return Promise.reject(new Error('no answer'));
      rows.delete(key);
      return Promise.resolve();
    },
  };
  const bus = { bucket: () => Promise.resolve(bucket), problem: () => undefined } as unknown as Bus;
  const partition = {
    table: { peek: (of: string) => states.get(of) ?? asked.state, namespaceOf: () => namespace },
    settled: () => Promise.resolve(),
    assertNewest: () => (seen.newest ? Promise.resolve() : Promise.reject(new Error('others have written'))),
  };
  const projections = new Projections(
    { bus, log: { debug: () => undefined } as unknown as Log, newId: () => `opening-${(ids += 1)}` },
    { partition, givenUp: () => undefined },
  );
  return { seen, rows, put, states, projections, key: `${namespace}.${run}` };
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

describe('more runs have ended than the bucket keeps', () => {
  const older = ['old-1', 'old-2', 'old-3'];
  const newer = Array.from({ length: closedMax }, (_, number) => `new-${number}`);
  const closed = [...older, ...newer];
  const ended = () => {
    const made = world();
    for (const [at, of] of closed.entries()) {
      made.states.set(of, { ...asked.state, run: of, status: 'Closed', closedAt: at + 1, escalations: [] });
    }
    return made;
  };
  const keysOf = (runs: readonly string[]) => runs.map((of) => `${namespace}.${of}`);
  const settle = async (projections: Projections) => {
    while (projections.behind > 0) await vi.advanceTimersByTimeAsync(aWhileMs);
    await vi.advanceTimersByTimeAsync(aWhileMs);
  };

  test('when all of it is written again, the last to end are there, and the next to end takes the place of the first', async () => {
    const { rows, states, projections } = ended();
    void projections.open({ partition: 0, open: () => [run], changed: [], closed });
    await settle(projections);
    const listed = () => [...rows.keys()].filter((row) => /\.(?:old|new)-/.test(row));
    expect(listed().toSorted()).toEqual(keysOf(newer).toSorted());
    expect(rows.has(`${namespace}.${run}`)).toBe(true);
    states.set('new-last', { ...asked.state, run: 'new-last', status: 'Closed', escalations: [] });
    projections.touch(['new-last']);
    await settle(projections);
    expect(listed().toSorted()).toEqual(keysOf([...newer.slice(1), 'new-last']).toSorted());
  });

  test('a key that is used again is an open run: it makes no room for others', async () => {
    const { rows, states, projections } = ended();
    void projections.open({ partition: 0, open: () => [], changed: [], closed });
    await settle(projections);
    states.set('new-0', { ...asked.state, run: 'new-0', escalations: [] });
    projections.touch(['new-0']);
    await settle(projections);
    for (const last of ['last-1', 'last-2'])
      states.set(last, { ...asked.state, run: last, status: 'Closed', escalations: [] });
    projections.touch(['last-1', 'last-2']);
    await settle(projections);
    expect(rows.has(`${namespace}.new-0`)).toBe(true);
    expect(rows.has(`${namespace}.new-1`)).toBe(false);
  });

  test('room that could not be made is made later, and only by who knows the end of the journal', async () => {
    const { seen, rows, states, projections } = ended();
    void projections.open({ partition: 0, open: () => [], changed: [], closed });
    await settle(projections);
    seen.failDeletes = 3;
    for (const last of ['last-1', 'last-2'])
      states.set(last, { ...asked.state, run: last, status: 'Closed', escalations: [] });
    projections.touch(['last-1', 'last-2']);
    await settle(projections);
    expect(keysOf(newer.slice(0, 3)).map((key) => rows.has(key))).toEqual([false, false, true]);
  });

  test('one that ended unseen and is too old by now is taken out, not written', async () => {
    const { rows, put, projections } = ended();
    put('p0', { by: 'the owner before', whole: true });
    put(`${namespace}.old-2`, 'as an owner before left it');
    void projections.open({ partition: 0, open: () => [], changed: ['old-1', 'old-2', 'new-0'], closed });
    await settle(projections);
    expect([...rows.keys()]).toEqual(['p0', `${namespace}.new-0`]);
  });
});

test('buckets that vanish while everything is written again are written whole all the same', async () => {
  const { seen, rows, states, projections } = world();
  const open = Array.from({ length: 40 }, (_, number) => `open-${number}`);
  for (const of of open) states.set(of, { ...asked.state, run: of, escalations: [] });
  let looks = 0;
  seen.afterLook = () => {
    looks += 1;
    if (looks === 30) rows.clear();
  };
  void projections.open({ partition: 0, open: () => open, changed: [], closed: [] });
  await vi.advanceTimersByTimeAsync(5 * aWhileMs);
  // What was under way goes on with the new buckets before anybody has heard that they are new.
  void projections.open({ partition: 0, open: () => open, changed: [], closed: [] });
  await vi.advanceTimersByTimeAsync(5 * aWhileMs);
  expect(open.filter((of) => !rows.has(`${namespace}.${of}`))).toEqual([]);
  expect(rows.get('p0')?.value).toMatchObject({ whole: true });
});
