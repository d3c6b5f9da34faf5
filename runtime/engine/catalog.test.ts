import { expect, test } from 'vitest';
import type { Bucket, Bus, Entry } from '../../ports/bus.ts';
import type { Log } from '../../ports/system.ts';
import { Catalog } from './catalog.ts';

type Change = Bucket<unknown> extends { watch(signal: AbortSignal): AsyncIterable<infer C> } ? C : never;

const put = (key: string, revision: number, value: unknown): Change => ({
  kind: 'Put',
  entry: { key, revision, value } satisfies Entry<unknown>,
});
const bundle = { digest: 'sha256:a', namespace: 'clinic', tools: {}, models: {} };

/** What one reading of the bucket says, then silence. */
async function read(changes: readonly Change[]): Promise<{ readonly catalog: Catalog; readonly troubles: number }> {
  const stop = new AbortController();
  let troubles = 0;
  async function* watch(): AsyncGenerator<Change> {
    yield* changes;
    stop.abort();
  }
  const bus = { bucket: async () => ({ watch }) } as unknown as Bus;
  const warn = (): void => {
    troubles += 1;
    stop.abort();
  };
  const catalog = new Catalog(() => undefined);
  await catalog.run(bus, { warn } as unknown as Log, stop.signal);
  return { catalog, troubles };
}

test.each(['bundle.b', 'workflow-at.b', 'agent.clinic.b', 'workflow.clinic.b', 'tenant.b'])(
  'a marker of what was taken away before anybody looked, %s, ends no reading',
  async (key) => {
    const marker: Change = { kind: 'Delete', key, revision: 7 };
    const { catalog, troubles } = await read([marker, { kind: 'Synced' }, put('bundle.a', 9, bundle)]);
    expect(troubles).toBe(0);
    expect([catalog.synced, catalog.revision, catalog.bundle('sha256:a')?.digest]).toEqual([true, 9, 'sha256:a']);
  },
);

test('what is taken away is not there any more', async () => {
  const gone: Change = { kind: 'Delete', key: 'bundle.a', revision: 10 };
  const { catalog } = await read([put('bundle.a', 9, bundle), { kind: 'Synced' }, gone]);
  expect([catalog.bundle('sha256:a'), catalog.revision]).toEqual([undefined, 10]);
});
