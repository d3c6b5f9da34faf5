import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { initialState, type RunState } from '../workflow/state.ts';
import { Arena } from './arena.ts';
import { encodeEntry, EntryReader, isCheckpointDue } from './checkpoint.ts';
import { eventKey } from './facets.ts';
import type { StatePacking, TableEntry } from './entries.ts';
import { RunTable } from './table.ts';

const letters = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
/** States as text of one byte per letter. */
const packing: StatePacking = {
  pack: (state) => letters(JSON.stringify(state)),
  unpack: (_run, bytes) => JSON.parse(String.fromCharCode(...bytes)) as RunState,
  dictionaries: () => [],
  restore: () => undefined,
};
const state = (run: string, more: Partial<RunState> = {}): RunState => ({
  ...initialState(run),
  namespace: 'ns',
  workflow: 'wf',
  startedAt: 1,
  seq: 1,
  ...more,
});
const quiet = { quiet: true } as const;
const restAll = (table: RunTable): void => {
  for (let tick = 0; tick < 4; tick += 1) table.rest(1_000);
};
const snapshotOf = (table: RunTable): TableEntry[] => {
  const entries = [];
  for (let entry = table.take(() => quiet); entry !== undefined; entry = table.take(() => quiet)) entries.push(entry);
  table.endSnapshot();
  return entries;
};

describe('rest', () => {
  test('quiet runs are packed when nobody has touched them for a while, and are the same at the first touch', () => {
    const table = new RunTable(packing);
    table.set('a', state('a', { facts: { x: 1 } }));
    table.set('b', state('b'));
    table.note('a', quiet);
    restAll(table);
    expect(table.resident).toBe(1);
    expect(table.peek('a')).toEqual(state('a', { facts: { x: 1 } }));
    expect(table.resident).toBe(1);
    expect(table.get('a')).toEqual(state('a', { facts: { x: 1 } }));
    expect(table.resident).toBe(2);
    table.rest(1_000);
    expect(table.resident).toBe(2);
  });

  test('while a partition is read, runs of which nothing is known are packed, too, and looked at afterwards', () => {
    const table = new RunTable(packing);
    table.set('a', state('a', { facts: { x: 1 } }));
    restAll(table);
    expect(table.resident).toBe(1);
    for (let tick = 0; tick < 4; tick += 1) table.rest(1_000, { all: true });
    expect([table.resident, table.unsettled()]).toEqual([0, ['a']]);
    expect(table.get('a')).toEqual(state('a', { facts: { x: 1 } }));
  });

  test('memory that was given back is used again', () => {
    const table = new RunTable(packing);
    for (let round = 0; round < 40; round += 1) {
      for (let number = 0; number < 40; number += 1) {
        const run = `r${number}`;
        table.set(run, state(run, { facts: { text: 'x'.repeat(5_000), round } }));
        table.note(run, quiet);
      }
      restAll(table);
    }
    expect(table.resident).toBe(0);
    expect(table.packedBytes).toBeLessThan(6_000_000);
    expect(table.peek('r7')?.facts['round']).toBe(39);
  }, 60_000);
});

describe('what is known without looking into a run', () => {
  test('events, times, lists and counts', () => {
    const table = new RunTable(packing);
    for (const [index, run] of ['a', 'b', 'c'].entries()) {
      table.set(run, state(run, { startedAt: index, workflow: run === 'c' ? 'other' : 'wf' }));
      table.note(run, { quiet: true, wakeAt: 100 * index, awaits: eventKey('ns', 'go', run === 'c' ? 'k2' : 'k1') });
    }
    restAll(table);
    expect(table.awaiting('ns', 'go', 'k1')).toEqual(['a', 'b']);
    expect(table.awaiting('ns', 'go', 'k2')).toEqual(['c']);
    expect(table.awaiting('other', 'go', 'k1')).toEqual([]);
    expect(table.waking(150)).toEqual([
      { run: 'a', at: 0 },
      { run: 'b', at: 100 },
    ]);
    expect(table.find({})).toEqual(['c', 'b', 'a']);
    expect(table.find({ workflow: 'wf', since: 1 })).toEqual(['b']);
    expect(table.find({ namespace: 'nobody' })).toEqual([]);
    expect(table.counts()).toEqual({ Running: 3, Waiting: 0, Frozen: 0, Closed: 0 });
    expect(table.resident).toBe(0);
    table.set('a', state('a', { status: 'Closed', closedAt: 5 }));
    table.note('a', quiet);
    expect(table.awaiting('ns', 'go', 'k1')).toEqual(['b']);
    expect(table.waking(150)).toEqual([{ run: 'b', at: 100 }]);
    expect(table.find({ status: 'Closed' })).toEqual(['a']);
    expect(table.unsettled()).toEqual([]);
  });

  test('closed runs are over after their time or above the bound, and only when they are archived', () => {
    const table = new RunTable(packing);
    for (const [index, run] of ['a', 'b', 'c', 'd'].entries()) {
      table.set(run, state(run, { status: 'Closed', closedAt: 10 * (index + 1) }));
      table.note(run, quiet);
      if (run !== 'a') table.archived(run, index + 1);
    }
    expect(table.expired(0, 10)).toEqual([]);
    expect(table.expired(25, 10)).toEqual(['b']);
    expect(table.expired(0, 2)).toEqual(['b', 'c']);
    expect(table.oldestSegment()).toBe(2);
    table.drop('b');
    expect(table.oldestSegment()).toBe(3);
    expect([table.has('b'), table.get('b')]).toEqual([false, undefined]);
  });
});

describe('versions', () => {
  const pins = fc.constantFrom<Record<string, string>>({}, { clerk: 'b1' }, { clerk: 'b2', cook: 'b1' });
  const change = fc.record({
    run: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
    do: fc.constantFrom('open', 'close', 'drop', 'rest', 'reload'),
    pins,
    workflowDigest: fc.constantFrom('w1', 'w2'),
  });
  const counted = (states: Iterable<RunState>) => {
    const [workflows, bundles] = [{}, {}] as Record<string, Record<string, number>>[];
    const add = (counts: typeof workflows, name: string, digest: string): void => {
      const digests = ((counts ?? {})[name] ??= {} as never) as unknown as Record<string, number>;
      digests[digest] = (digests[digest] ?? 0) + 1;
    };
    for (const one of states) {
      if (one.status === 'Closed') continue;
      add(workflows, `ns/${one.workflow}`, one.workflowDigest);
      for (const [agent, digest] of Object.entries(one.pins)) add(bundles, `ns/${agent}`, digest);
    }
    return { workflows, bundles };
  };
  const reloaded = (table: RunTable): RunTable => {
    table.beginSnapshot();
    const entries = snapshotOf(table);
    const next = new RunTable(packing);
    next.restoreGroups(table.groups());
    for (const one of entries) next.restore(one);
    next.restoreDictionaries([]);
    return next;
  };

  test('open runs are counted as they are, whatever has happened to them', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        let table = new RunTable(packing);
        for (const { run, do: action, ...kept } of changes) {
          const known = table.peek(run);
          const now = known ?? state(run, kept);
          if (action === 'drop') table.drop(run);
          else if (action === 'rest') restAll(table);
          else if (action === 'reload') table = reloaded(table);
          else table.set(run, { ...now, status: action === 'open' ? 'Running' : 'Closed' });
          if (table.has(run)) table.note(run, quiet);
        }
        expect(table.versions()).toEqual(counted(table.states()));
        expect(table.openOf('ns')).toBe([...table.states()].filter(({ status }) => status !== 'Closed').length);
      }),
      { numRuns: 500 },
    );
  });

  test('what an older release has written is looked through, and what no run keeps to is forgotten', () => {
    const table = new RunTable(packing);
    table.set('a', state('a', { workflowDigest: 'w1', pins: { clerk: 'b1' } }));
    table.set('b', state('b', { workflowDigest: 'w2' }));
    table.drop('b');
    table.beginSnapshot();
    const [first] = snapshotOf(table);
    if (first === undefined) throw new Error('nothing was taken');
    const restored = new RunTable(packing);
    restored.restoreGroups(['ns\nwf']);
    restored.restore({ ...first, group: 0 });
    restored.restoreDictionaries([]);
    expect(restored.versions()).toEqual(table.versions());
    expect(reloaded(table).groups()).toHaveLength(2);
  });
});

test('runs that people see are found without looking into the others', () => {
  const table = new RunTable(packing);
  table.set('a', state('a', { object: { name: 'a', uid: 'u' } }));
  table.set('b', state('b', { asked: 1, status: 'Closed', closedAt: 7 }));
  table.set('c', state('c', { status: 'Closed', closedAt: 1 }));
  table.set('d', state('d', { asked: 1, status: 'Closed', closedAt: 5 }));
  for (const run of ['a', 'b', 'c', 'd']) table.note(run, quiet);
  restAll(table);
  expect(table.shownOpen()).toEqual(['a']);
  expect(table.shownClosed()).toEqual(['d', 'b']);
});

test('a run that waits for its children is packed, and looked at after a takeover', () => {
  const table = new RunTable(packing);
  table.set('a', state('a'));
  table.note('a', { quiet: false, rests: true });
  restAll(table);
  expect([table.resident, table.unsettled()]).toEqual([0, ['a']]);
});

describe('a snapshot', () => {
  const run = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const step = fc.oneof(
    fc.record({ do: fc.constant('set' as const), run }),
    fc.record({ do: fc.constant('rest' as const), run }),
    fc.record({ do: fc.constant('drop' as const), run }),
    fc.record({ do: fc.constant('get' as const), run }),
    fc.record({ do: fc.constant('take' as const), run }),
  );

  test('shows every run as it was when it began, whatever happens meanwhile, and restores it', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(step, { maxLength: 40 }), (before, during) => {
        const table = new RunTable(packing);
        let seq = 0;
        const taken: TableEntry[] = [];
        const act = ({ do: action, run: name }: { do: string; run: string }): void => {
          if (action === 'set') {
            table.set(name, state(name, { seq: (seq += 1) }));
            table.note(name, { quiet: true, wakeAt: seq });
          } else if (action === 'rest') restAll(table);
          else if (action === 'drop') table.drop(name);
          else if (action === 'get') table.get(name);
          else {
            const entry = table.take((known) => ({ quiet: true, wakeAt: known.seq }));
            if (entry !== undefined) taken.push({ ...entry, bytes: entry.bytes.slice() });
          }
        };
        for (const one of before) act(one);
        const known = new Map([...table.states()].map((one) => [one.run, one]));
        taken.length = 0;
        table.beginSnapshot();
        const dropped = new Set<string>();
        for (const one of during) {
          if (one.do === 'drop') dropped.add(one.run);
          act(one);
        }
        for (let size = -1; size !== taken.length;) {
          size = taken.length;
          act({ do: 'take', run: '' });
        }
        table.endSnapshot();
        const restored = new RunTable(packing);
        restored.restoreGroups(table.groups());
        const reader = new EntryReader();
        const bytes = Buffer.concat(taken.map(encodeEntry));
        for (let at = 0; at < bytes.length; at += 37) {
          for (const entry of reader.read(bytes.subarray(at, at + 37))) restored.restore(entry);
        }
        expect(reader.whole).toBe(true);
        for (const [name, then] of known) {
          if (!dropped.has(name) || restored.has(name)) expect(restored.peek(name)).toEqual(then);
        }
        for (const { run } of restored.states()) expect(known.has(run)).toBe(true);
        expect(restored.waking(Number.POSITIVE_INFINITY).map(({ run: name, at }) => [name, at])).toEqual(
          [...restored.states()].map(({ run, seq }) => [run, seq]),
        );
      }),
      { numRuns: 300 },
    );
  });

  test('a place that was given back meanwhile is used again afterwards', () => {
    const table = new RunTable(packing);
    table.set('a', state('a'));
    table.beginSnapshot();
    table.drop('a');
    table.set('b', state('b'));
    expect(snapshotOf(table)).toEqual([]);
    table.set('c', state('c'));
    table.beginSnapshot();
    expect(snapshotOf(table).map((entry) => entry.run)).toEqual(['c', 'b']);
  });
});

test('an arena gives back what was put, also what is larger than a page', () => {
  const arena = new Arena();
  const texts = [10, 1_500_000, 20, 1_048_576, 30].map((length, index) => new Uint8Array(length).fill(index + 1));
  const places = texts.map((bytes) => arena.put(bytes));
  for (const [index, place] of places.entries())
    expect(arena.get(place, texts[index]?.length ?? 0)).toEqual(texts[index]);
});

describe('a checkpoint is due', () => {
  const policy = { records: 100, bytes: 1_000, ms: 60_000, fullness: 0.5 };
  const nothing = { records: 1, bytes: 0, ms: 0, fullness: 0, lastBytes: 0 };
  test.each([
    [{ ...nothing }, false],
    [{ ...nothing, records: 100 }, true],
    [{ ...nothing, bytes: 1_000 }, true],
    [{ ...nothing, bytes: 1_000, lastBytes: 5_000 }, false],
    [{ ...nothing, bytes: 5_000, lastBytes: 5_000 }, true],
    [{ ...nothing, ms: 60_000 }, true],
    [{ ...nothing, fullness: 0.5 }, true],
    [{ records: 0, bytes: 9_999, ms: 99_999, fullness: 1, lastBytes: 0 }, false],
  ])('%j: %s', (since, due) => {
    expect(isCheckpointDue(since, policy)).toBe(due);
  });
});
