// The durability profiles on real nats-servers: one, and a cluster of three on this machine.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectNats, natsBusAdmin, type NatsBus, natsJournal } from '../../adapters/nats/nats.ts';
import { isSignalboxError } from '../../api/errors.ts';
import { startNats, type TestNats } from '../support/nats.ts';
import { until } from '../support/until.ts';
import { startNatsCluster, type TestCluster } from '../support/nats-cluster.ts';

const codeOf = (asked: Promise<unknown>): Promise<string> =>
  asked.then(String, (error: unknown) => (isSignalboxError(error) ? `${error.code}: ${error.message}` : String(error)));

describe('three servers that write to disk later', () => {
  let cluster: TestCluster;
  let control: NatsBus;
  let work: NatsBus;
  const connect = (account: 'control' | 'work', replicas: number): Promise<NatsBus> =>
    connectNats({ url: cluster.urls, ...cluster[account], name: 'test', replicas });
  const assert = (profile: 'disk' | 'replicated'): Promise<string> =>
    codeOf(
      natsJournal(control, { monitorUrl: cluster.monitorUrl, durability: profile, accounts: [work] }).assertDurable(),
    );

  beforeAll(async () => {
    cluster = await startNatsCluster();
    control = await connect('control', 1);
    work = await connect('work', 1);
  });
  afterAll(async () => {
    await Promise.all([control?.close(), work?.close()]);
    await cluster?.stop();
  });

  test('are refused without the setting, before there are streams, and while a stream has one replica', async () => {
    expect(await assert('disk')).toMatch(
      /^BUS_NOT_DURABLE: nats-server at .* acknowledges before it has written to disk/,
    );
    expect(await assert('replicated')).toMatch(/^BUS_NOT_DURABLE: no stream is there yet/);
    const limits = { journalBytesMax: 10_000_000, ledgerBytesMax: 10_000_000 };
    await natsBusAdmin({ control, work, ...limits }).ensureStreams(1);
    expect(await assert('replicated')).toMatch(/fewer than 3 replicas: .*JOURNAL_0 \(1\)/);
  });

  test('are accepted when the operator has raised every stream, and it is said what they can lose', async () => {
    const raised = await connect('control', 3);
    const limits = { journalBytesMax: 10_000_000, ledgerBytesMax: 10_000_000 };
    await natsBusAdmin({ control: raised, work, ...limits }).ensureStreams(1);
    // Events are facts too, and lie in the other account.
    const poor = natsBusAdmin({ control: raised, work });
    await poor.ensureTaskStreams();
    await until(
      'only the bus events have no copies yet',
      async () => ((await assert('replicated')).includes('fewer than 3 replicas: EVENTS (1);') ? true : undefined),
      60_000,
    );
    const works = await connect('work', 3);
    await natsBusAdmin({ control: raised, work: works }).ensureTaskStreams();
    const promise = await until(
      'the replicas have their copies',
      async () => {
        const said = await assert('replicated');
        return said.startsWith('acknowledged') ? said : undefined;
      },
      60_000,
    );
    expect(promise).toBe(
      'acknowledged facts are in the memory of a majority of three servers: a power cut of all three loses those of the last 120 s',
    );
    expect((await raised.manager.streams.info('JOURNAL_0')).config.num_replicas).toBe(3);
    expect((await raised.manager.streams.info('OBJ_blobs')).config.num_replicas).toBe(3);
    expect((await works.manager.streams.info('EVENTS')).config.num_replicas).toBe(3);
    await Promise.all([raised.close(), works.close()]);
  });
});

test('one server is no replicated one, whatever the setting says', async () => {
  const nats: TestNats = await startNats();
  const control = await connectNats({ url: nats.url, ...nats.control, name: 'test' });
  const journal = (durability: 'disk' | 'replicated') =>
    natsJournal(control, { monitorUrl: nats.monitorUrl, durability });
  expect(await codeOf(journal('replicated').assertDurable())).toMatch(
    /^BUS_NOT_DURABLE: .* cluster of 1; it takes at least 3/,
  );
  expect(await codeOf(journal('disk').assertDurable())).toBe(
    'every acknowledged fact is on disk (sync_interval: always)',
  );
  await control.close();
  await nats.stop();
});
