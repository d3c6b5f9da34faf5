import { afterAll, beforeAll, expect, test } from 'vitest';
import { natsBusAdmin } from '../../adapters/nats/admin.ts';
import { connectNats, type NatsBus } from '../../adapters/nats/bus.ts';
import { natsEvidence } from '../../adapters/nats/evidence.ts';
import type { EvidenceRecord } from '../../api/messages/evidence.ts';
import { evidenceSubject } from '../../api/messages/subjects.ts';
import { fold } from '../../core/rollout/evidence.ts';
import { startNats, type TestNats } from '../support/nats.ts';
import { until } from '../support/until.ts';

let nats: TestNats;
let control: NatsBus;
let work: NatsBus;

beforeAll(async () => {
  nats = await startNats();
  control = await connectNats({ url: nats.url, ...nats.control, name: 'test-control', account: 'CONTROL' });
  work = await connectNats({ url: nats.url, ...nats.work, name: 'test-work', account: 'WORK' });
  await natsBusAdmin({ control, work, journalBytesMax: 10_000_000, ledgerBytesMax: 10_000_000 }).ensureStreams(1);
});

afterAll(async () => {
  await control?.close();
  await work?.close();
  await nats?.stop();
});

const stopped = (at: number): EvidenceRecord => ({ type: 'Stopped', at, cause: 'AbortedByUser', why: `at ${at}` });

test('what was appended is read in its order, by rollout, also after a crash of the server', async () => {
  const log = natsEvidence(control);
  expect(await log.read('one')).toEqual({ records: [], position: 0 });
  const first = (await log.append('one', [stopped(1), stopped(2)], 0)) ?? 0;
  await log.append('two', [stopped(9)], 0);
  const second = await log.append('one', [stopped(3)], first);
  await nats.crash();
  await until('the connection is back', async () =>
    (await log.read('one').catch(() => undefined)) ? true : undefined,
  );
  expect(await log.read('one')).toEqual({ records: [stopped(1), stopped(2), stopped(3)], position: second });
});

test('of two that append at one position one wins, and the log has nothing of the other', async () => {
  const log = natsEvidence(control);
  const both = await Promise.all([log.append('race', [stopped(1)], 0), log.append('race', [stopped(2)], 0)]);
  const won = both.filter((position) => position !== undefined);
  expect(won).toHaveLength(1);
  const { records, position } = await log.read('race');
  expect(records).toHaveLength(1);
  expect([position]).toEqual(won);
  expect(await log.append('race', [stopped(3)], 0)).toBeUndefined();
});

test('what nobody can read is there, and no verdict passes over it', async () => {
  const log = natsEvidence(control);
  await control.jetstream.publish(evidenceSubject('torn'), 'no json');
  const { records } = await log.read('torn');
  expect(records).toHaveLength(1);
  expect(fold(records)).toMatchObject({ records: 1, unreadable: 1 });
});
