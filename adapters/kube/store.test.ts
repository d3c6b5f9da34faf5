import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StoreChange } from '../../ports/cache.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { ObjectStore, isNewer, trim } from './store.ts';

const object = (name: string, version: number, labels: Record<string, string> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', resourceVersion: String(version), labels },
});
const key = (name: string) => ({ namespace: 'default', name });

function recording() {
  const store = new ObjectStore<KubeObject>({ freeze: true });
  const changes: string[] = [];
  const version = (side: KubeObject | undefined): string => side?.metadata.resourceVersion ?? '-';
  store.listen(({ before, after }: StoreChange) => changes.push(`${version(before)}→${version(after)}`));
  return { store, changes };
}

describe('the store', () => {
  test('compares versions as numbers of any length', () => {
    expect(isNewer('10', '9')).toBe(true);
    expect(isNewer('9', '10')).toBe(false);
    expect(isNewer('18446744073709551615', '18446744073709551614')).toBe(true);
    expect(isNewer('7', '7')).toBe(false);
  });

  test('never goes back to an older version', () => {
    const { store, changes } = recording();
    store.put(object('a', 10));
    store.put(object('a', 9));
    store.put(object('a', 10));
    expect(store.get(key('a'))?.metadata.resourceVersion).toBe('10');
    expect(changes).toEqual(['-→10']);
  });

  test('the answer to our own write is there before the watch tells it, and told once', () => {
    const { store, changes } = recording();
    store.put(object('a', 10));
    store.remember(object('a', 12));
    store.put(object('a', 11));
    store.put(object('a', 12));
    expect(changes).toEqual(['-→10', '10→12']);
  });

  test('a late answer to a write does not bring back what was deleted', () => {
    const { store } = recording();
    store.put(object('a', 10));
    store.drop(object('a', 15));
    store.remember(object('a', 12));
    expect(store.get(key('a'))).toBeUndefined();
    store.remember(object('a', 16));
    expect(store.get(key('a'))).toBeDefined();
  });

  test('a new list tells exactly the differences and keeps what is newer than itself', () => {
    const { store, changes } = recording();
    store.replace([object('gone', 1), object('changed', 2), object('same', 3)], '10', true);
    store.remember(object('own', 30));
    changes.length = 0;
    store.replace([object('changed', 15), object('same', 3), object('new', 16)], '20', false);
    expect(changes.sort()).toEqual(['-→16', '1→-', '2→15']);
    expect(store.get(key('own'))).toBeDefined();
  });

  test('a list older than what was seen means the history was reset: it counts', () => {
    const { store } = recording();
    store.put(object('a', 100));
    store.replace([object('a', 5), object('b', 6)], '7', false);
    expect(store.get(key('a'))?.metadata.resourceVersion).toBe('5');
    store.put(object('a', 8));
    expect(store.get(key('a'))?.metadata.resourceVersion).toBe('8');
  });

  test('indexes follow every change', () => {
    const { store } = recording();
    store.addIndex('app', (each) => Object.values(each.metadata.labels ?? {}));
    store.put(object('a', 1, { app: 'x' }));
    store.put(object('b', 2, { app: 'x' }));
    store.put(object('a', 3, { app: 'y' }));
    expect(store.indexed('app', 'x').map((each) => each.metadata.name)).toEqual(['b']);
    store.drop(object('b', 4));
    expect(store.indexed('app', 'x')).toEqual([]);
    expect(() => store.indexed('none', 'x')).toThrow('there is no index "none"');
  });

  test('drops what no controller reads, and freezes the rest under test', () => {
    const full = {
      ...object('a', 1),
      metadata: {
        ...object('a', 1).metadata,
        managedFields: [{}],
        annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', mine: '1' },
      },
    };
    expect(trim(full).metadata).toEqual({ ...object('a', 1).metadata, annotations: { mine: '1' } });
    const { store } = recording();
    store.put(object('a', 1));
    expect(Object.isFrozen(store.get(key('a'))?.metadata)).toBe(true);
  });

  test('for any interleaving of own writes and the watch, it ends as the server is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('write', 'delete'), { maxLength: 12 }),
        fc.infiniteStream(fc.nat()),
        (acts, chance) => {
          // The server's history of one object, and for each write its answer, which may come at any later time.
          let alive = false;
          const history = acts.flatMap((act, at) => {
            if (act === 'delete' && !alive) return [];
            alive = act === 'write';
            return [{ act, object: object('a', at + 1) }];
          });
          const { store } = recording();
          const answers = history.filter(({ act }) => act === 'write').map((entry) => entry.object);
          for (const { act, object: each } of history) {
            for (const answer of answers.splice(0, (chance.next().value as number) % 3)) store.remember(answer);
            if (act === 'write') store.put(each);
            else store.drop(each);
          }
          for (const answer of answers) store.remember(answer);
          const last = history.at(-1);
          expect(store.get(key('a'))?.metadata.resourceVersion).toBe(
            last?.act === 'write' ? last.object.metadata.resourceVersion : undefined,
          );
        },
      ),
    );
  });
});
