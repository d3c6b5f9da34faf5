// A journal that a newer release has written on, on a real nats-server: an older engine stands still and says what to do, and
// the newer one goes on with every run.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { natsJournal } from '../../adapters/nats/nats.ts';
import { checkpointSubject, journalSubject } from '../../api/messages/subjects.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import { EngineStage, partitions } from '../support/engine-stage.ts';
import { waitingFor } from '../support/waiting.ts';

let stage: EngineStage;
beforeEach(async () => {
  stage = await EngineStage.start();
  await stage.workflow('waits', waitingFor());
});
afterEach(async () => {
  await stage.stop();
});

const begin = (index: number): Promise<string> => stage.begin('waits', { id: `id-${index}` }, { key: `case-${index}` });
const answered = async (run: string): Promise<string> => {
  const reply = await stage.ask(run, 'show', { run });
  return reply.ok ? 'ok' : `${reply.code}: ${reply.message}`;
};
const ends = async (): Promise<readonly number[]> => {
  const journal = natsJournal(stage.control);
  return Promise.all(
    Array.from({ length: partitions }, async (_, partition) => (await journal.partition(partition)).lastSeq()),
  );
};
const gauge = async (text: Promise<string>, name: string): Promise<number> =>
  [...(await text).matchAll(new RegExp(`^${name}\\{[^}]*\\} (\\d+)$`, 'gm'))].reduce(
    (sum, [, n]) => sum + Number(n),
    0,
  );

test('an engine of before stands still, appends nothing, and the newer one ends every run', async () => {
  const newer = stage.engineProcess('newer-a');
  const runs = [];
  for (let index = 0; index < 6; index += 1) runs.push(await begin(index));
  expect(new Set(runs.map((run) => partitionOf(run, partitions))).size).toBe(partitions);
  await newer.kill();
  const before = await ends();

  const older = await stage.engine('older', undefined, { recordVersion: 0 });
  await expect
    .poll(() => older.engine.problem() ?? 'none', { timeout: 40_000 })
    .toContain('a newer engine has written');
  for (const run of runs) {
    const said = await answered(run);
    expect(said).toContain('JOURNAL_NEWER');
    expect(said).toContain('Bring every engine to that release (roll forward, not back)');
  }
  const metrics = older.ports.metrics.render().then(({ body }) => body);
  expect(await gauge(metrics, 'signalbox_engine_partitions_parked')).toBe(partitions);
  expect(await gauge(metrics, 'signalbox_engine_journal_untrusted')).toBe(0);
  // A start is refused as well: it would be written after what nobody here understands.
  await expect(begin(0)).rejects.toThrow('JOURNAL_NEWER');
  expect(await ends()).toEqual(before);

  await older.engine.stop();
  await stage.engine('newer-b');
  for (const [index, run] of runs.entries()) {
    await expect.poll(() => answered(run), { timeout: 40_000 }).toBe('ok');
    await stage.event('go', `id-${index}`, {});
  }
  for (const run of runs) expect((await stage.closed(run, 40_000)).outcome).toBe('success');
});

test('a newer record that comes while an engine serves stops only that partition, as newer and not as damaged', async () => {
  const { engine } = await stage.engine('engine-a');
  const first = await begin(0);
  let other = first;
  for (let index = 1; partitionOf(other, partitions) === partitionOf(first, partitions); index += 1)
    other = await begin(index);
  const partition = partitionOf(first, partitions);
  const record = JSON.stringify({ v: 2, id: 'x', owner: 'newer', packed: 'what only newer code reads' });
  await stage.control.jetstream.publish(journalSubject(partition), record);
  await expect.poll(() => engine.refused() ?? 'none', { timeout: 40_000 }).toMatch(/record \d+ has version 2/);
  expect(await answered(first)).toContain('JOURNAL_NEWER');
  expect(await answered(other)).toBe('ok');
});

test('a newer checkpoint is no damage either', async () => {
  const before = stage.engineProcess('engine-a');
  const run = await begin(0);
  await before.kill();
  const partition = partitionOf(run, partitions);
  const header = Buffer.from(JSON.stringify({ v: 2, part: 0, last: {} }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(header.length);
  await stage.control.jetstream.publish(checkpointSubject(partition), Buffer.concat([length, header]));
  const { engine } = await stage.engine('engine-b');
  await expect.poll(() => engine.refused() ?? 'none', { timeout: 40_000 }).toMatch(/message 1 has version 2/);
  expect(await answered(run)).toContain('JOURNAL_NEWER');
});
