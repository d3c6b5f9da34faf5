import { expect, test } from 'vitest';
import { jsonLog } from '../../adapters/system/log.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import type { VersionReport } from '../../api/messages/versions.ts';
import type { Bucket } from '../../ports/bus.ts';
import { entry } from '../../test/support/objects.ts';
import type { Caches } from '../controller/controller.ts';
import { BucketInformer } from './bucket-informer.ts';
import { CATALOG_ENTRY } from './objects.ts';
import { untoldText, VersionLook } from './versions.ts';

type Change = Awaited<ReturnType<AsyncGenerator<ChangeOf, void>['next']>>['value'] & object;
type ChangeOf = ReturnType<Bucket<unknown>['watch']> extends AsyncIterable<infer C> ? C : never;

const agent = { namespace: 'demo', name: 'clerk' };
const report = (partition: number, catalog: number, runs: Record<string, number> = {}): VersionReport => ({
  partition,
  seq: 1,
  catalog,
  workflows: {},
  bundles: { 'demo/clerk': runs, 'other/clerk': { b1: 9 } },
});
const look = (revision: number, reports: readonly VersionReport[], current?: number) => {
  const caches = {
    of: () => ({ get: ({ name }: { name: string }) => found(reports, name) }),
  } as unknown as Caches;
  const offered = { ...agent, current: current === undefined ? undefined : entry('agent.demo.clerk', {}, current) };
  return new VersionLook({ revision }, 2).bundles(offered, caches);
};
const found = (reports: readonly VersionReport[], name: string) => {
  const value = reports.find(({ partition }) => `p${partition}` === name);
  return value === undefined ? undefined : { value };
};

test('open runs of all partitions are added up', () => {
  const { open, untold } = look(7, [report(0, 7, { b1: 2, b2: 1 }), report(1, 8, { b1: 3 })], 7);
  expect([Object.fromEntries(open), untold]).toEqual([{ b1: 5, b2: 1 }, []]);
});

test.each([
  ['a partition has not told', [report(0, 9)], 7],
  ['a partition told before the catalog was as it is', [report(0, 9), report(1, 6)], 7],
  ['nothing is offered, and a partition has not seen that', [report(0, 9), report(1, 8)], undefined],
])('nothing is known to have no runs: %s', (_, reports, current) => {
  expect(look(9, reports, current).untold).toEqual([1]);
});

test.each([
  [[1], 'partition 1 has not told yet; if that stays so, no engine serves it: look at'],
  [[0, 1], 'partitions 0 and 1 have not told yet; if that stays so, no engine serves them: look at'],
  [[0, 1, 2, 3, 4, 5, 9], 'partitions 0, 1, 2, 3, 4 and 2 more have not told yet'],
])('who has not told, and what to do: %j', (untold, text) => {
  expect(untoldText(untold)).toContain(text);
});

test('an entry that others change later does not matter', () => {
  expect(look(100, [report(0, 7), report(1, 7)], 7).untold).toEqual([]);
});

async function informed(
  act: (given: { tell: (change: Change) => Promise<void>; copy: BucketInformer<unknown> }) => Promise<void>,
) {
  const stop = new AbortController();
  const changes: Change[] = [];
  let wake = (): void => undefined;
  const bucket = {
    async *watch() {
      while (!stop.signal.aborted) {
        for (let next = changes.shift(); next !== undefined; next = changes.shift()) yield next;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  } as unknown as Bucket<unknown>;
  const log = jsonLog({ name: 'test', level: 'silent' });
  const copy = new BucketInformer({ resource: CATALOG_ENTRY, open: async () => bucket, clock: systemClock(), log });
  const running = copy.run(stop.signal);
  const tell = async (change: Change): Promise<void> => {
    changes.push(change);
    wake();
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  await tell({ kind: 'Put', entry: { key: 'a', value: 1, revision: 4 } } as Change);
  await tell({ kind: 'Delete', key: 'b', revision: 6 } as Change);
  expect(copy.revision).toBe(Number.POSITIVE_INFINITY);
  await tell({ kind: 'Synced' } as Change);
  await act({ tell, copy });
  stop.abort();
  wake();
  await running;
}

test('the copy of a bucket knows up to where it is whole', async () => {
  await informed(async ({ tell, copy }) => {
    expect(copy.revision).toBe(6);
    copy.forgetting('a');
    expect(copy.revision).toBe(Number.POSITIVE_INFINITY);
    await tell({ kind: 'Put', entry: { key: 'c', value: 1, revision: 7 } } as Change);
    expect(copy.revision).toBe(Number.POSITIVE_INFINITY);
    await tell({ kind: 'Delete', key: 'a', revision: 8 } as Change);
    expect(copy.revision).toBe(8);
  });
});

test('while it is read once more it is whole up to where it was', async () => {
  await informed(async ({ tell, copy }) => {
    await tell({ kind: 'Put', entry: { key: 'a', value: 1, revision: 4 } } as Change);
    await tell({ kind: 'Put', entry: { key: 'c', value: 1, revision: 7 } } as Change);
    expect(copy.revision).toBe(6);
    await tell({ kind: 'Synced' } as Change);
    expect(copy.revision).toBe(7);
  });
});
