// Checkpoint, archive and purge on real processes: nothing is lost wherever the engine dies, and a takeover folds the same states.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { archiveStream, checkpointStream, journalStream } from '../../api/messages/subjects.ts';
import { natsJournal } from '../../adapters/nats/nats.ts';
import { statePacking } from '../../adapters/system/packing.ts';
import { PartitionWriter } from '../../core/journal/writer.ts';
import { foldHistory } from '../../core/workflow/evolve.ts';
import { partitionOf, runIdFor } from '../../core/workflow/partition.ts';
import { initialState } from '../../core/workflow/state.ts';
import { failpoints } from '../../ports/failpoint.ts';
import { loadPartition } from '../../runtime/engine/loading.ts';
import { EngineStage, namespace, partitions } from '../support/engine-stage.ts';

let stage: EngineStage;
beforeEach(async ({ task }) => {
  stage = await EngineStage.start(task.name.startsWith('a full journal') ? { journalBytesMax: 300_000 } : {});
  await stage.agent('clerk', async (desk) => {
    await desk.report(desk.turn(1, { text: 'x'.repeat(500) }));
    await desk.complete({ done: desk.work.run.id });
  });
  await stage.workflow('visit', visit);
});
afterEach(async () => {
  await stage.stop();
});

/** Work, then a wait for an event of its own, then work again. */
const visit = {
  input: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
  start: 'before',
  states: {
    before: work(),
    wait: { type: 'wait', for: { event: 'go', by: 'input.id' }, timeout: '1h', exits: { timeout: 'late' } },
    after: work(),
    done: { type: 'terminal', outcome: 'success' },
    late: { type: 'terminal', outcome: 'failed' },
  },
  transitions: [
    { from: 'before', to: 'wait' },
    { from: 'wait', to: 'after' },
    { from: 'after', to: 'done' },
  ],
} as WorkflowSpec;

function work(): WorkflowSpec['states'][string] {
  const exits = { error: 'late', timeout: 'late' };
  return { type: 'task', agent: 'clerk', goal: 'Go on.', timeout: '60s', backup: 'none', exits };
}

// Few: on a busy machine many runs share a record.
const often = { SIGNALBOX_CHECKPOINT_RECORDS: '2' };
const all = [...Array(partitions).keys()];
const keys = (count: number, from = 0): readonly string[] => Array.from({ length: count }, (_, at) => `k${from + at}`);
const runOf = (key: string): string => runIdFor(namespace, 'visit', key);
const begin = (some: readonly string[]): Promise<readonly string[]> =>
  Promise.all(some.map((key) => stage.begin('visit', { id: key }, { key })));
const go = (some: readonly string[]): Promise<unknown> =>
  Promise.all(some.map((key) => stage.event('go', key, { ok: true }, `event-${key}`)));
const waiting = (run: string) => stage.until(run, (summary) => summary.state === 'wait', 40_000);

const firstSeq = async (stream: string): Promise<number> =>
  (await stage.control.manager.streams.info(stream)).state.first_seq;
const messages = async (stream: string): Promise<number> =>
  (await stage.control.manager.streams.info(stream)).state.messages;
const ends = (): Promise<readonly number[]> =>
  Promise.all(all.map(async (partition) => (await natsJournal(stage.control).partition(partition)).lastSeq()));
/** Every partition has made a checkpoint and let go of its older records: of all before these ends. */
const purged = async (before: readonly number[] = all.map(() => 2)): Promise<void> => {
  for (const partition of all) {
    await expect
      .poll(() => firstSeq(journalStream(partition)), { timeout: 40_000 })
      .toBeGreaterThanOrEqual(before[partition] ?? 0);
  }
};

/** Loads every partition as a new owner does, and compares each run with the fold of its whole history. */
async function expectSameStates(runs: readonly string[]): Promise<void> {
  for (const number of all) {
    const writer = new PartitionWriter({ partition: number, owner: 'test', packing: statePacking() });
    const loaded = await loadPartition(writer, await natsJournal(stage.control).partition(number), []);
    expect(loaded.checkpointSeq).toBeGreaterThan(0);
    for (const run of runs.filter((one) => partitionOf(one, partitions) === number)) {
      const events = await stage.history(run);
      expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
      expect(JSON.parse(JSON.stringify(writer.state(run)))).toEqual(
        JSON.parse(JSON.stringify(foldHistory(initialState(run), events))),
      );
    }
  }
}

test('histories go into the archive, a takeover folds the same states, a closed run is known after it', async () => {
  const first = stage.engineProcess('engine-a', often);
  const runs = await begin(keys(16));
  for (const run of runs) await waiting(run);
  await purged();
  for (const partition of all) expect(await messages(archiveStream(partition))).toBeGreaterThan(0);
  await expectSameStates(runs);
  const waited = await ends();
  await go(keys(8));
  for (const run of runs.slice(0, 8)) expect(await stage.closed(run, 40_000)).toMatchObject({ outcome: 'success' });
  await purged(waited);
  await first.kill();
  stage.engineProcess('engine-b', often);
  for (const run of runs.slice(0, 8)) {
    expect(await stage.show(run)).toMatchObject({ outcome: 'success' });
    expect((await stage.history(run)).at(-1)?.type).toBe('RunClosed');
  }
  // The same start again is the same run, although its history is archived.
  const before = await ends();
  expect(await begin(keys(8))).toEqual(runs.slice(0, 8));
  expect(await ends()).toEqual(before);
  // Those that wait are found by their event, and go on.
  await go(keys(8, 8));
  for (const run of runs) expect(await stage.closed(run, 40_000)).toMatchObject({ outcome: 'success' });
  await expectSameStates(runs);
});

describe('kill -9 of the engine in the middle of a checkpoint', () => {
  const steps = Object.keys(failpoints).filter((name) => /^engine\.(archive|checkpoint|purge)\./.test(name));

  test.each(steps)('%s: nothing is lost, and the next one makes its checkpoint', async (step) => {
    const first = stage.engineProcess('engine-a', { ...often, SIGNALBOX_FAILPOINT: step });
    const asked = begin(keys(10));
    await expect.poll(() => first.log(), { timeout: 40_000 }).toContain(`failpoint ${step}: reached`);
    await first.kill();
    stage.engineProcess('engine-b', often);
    const runs = await asked;
    for (const run of runs) await waiting(run);
    const waited = await ends();
    await go(keys(10));
    for (const run of runs) expect(await stage.closed(run, 40_000)).toMatchObject({ outcome: 'success', attempts: 2 });
    await purged(waited);
    await expectSameStates(runs);
    for (const partition of all) {
      // Older checkpoints are gone: pieces and end of one.
      await expect.poll(() => messages(checkpointStream(partition)), { timeout: 40_000 }).toBeLessThan(4);
    }
  });
});

/** What the run comes to, whatever is refused meanwhile. */
const patiently = (run: string) =>
  expect.poll(() => stage.show(run).catch((error: unknown) => String(error)), { timeout: 60_000, interval: 100 });

test('a full journal makes room again, and starts are taken again', async () => {
  stage.engineProcess('engine-a', {
    SIGNALBOX_CHECKPOINT_RECORDS: '1000000',
    SIGNALBOX_CHECKPOINT_BYTES: '1000000000',
  });
  // Each run takes about 4 kB: three times as much as there is room for.
  for (let from = 0; from < 400; from += 20) {
    const some = keys(20, from);
    await expect.poll(() => begin(some).catch(() => undefined), { timeout: 60_000, interval: 300 }).toBeDefined();
    for (const key of some) await patiently(runOf(key)).toMatchObject({ state: 'wait' });
    await go(some);
  }
  for (const key of keys(400)) await patiently(runOf(key)).toMatchObject({ outcome: 'success' });
  for (const partition of all) expect(await firstSeq(journalStream(partition))).toBeGreaterThan(1);
});

test('a closed run is forgotten when there are too many, and its key starts anew', async () => {
  const first = stage.engineProcess('engine-a', { ...often, SIGNALBOX_CLOSED_MAX: '3' });
  const runs = await begin(keys(20));
  for (const run of runs) await waiting(run);
  await go(keys(20));
  for (const run of runs) await stage.closed(run, 40_000).catch(() => undefined);
  // Further runs make further checkpoints, which forget the oldest.
  let more = 100;
  const forgotten = async (): Promise<number> => {
    await begin(keys(6, (more += 6)));
    const known = await Promise.all(runs.map((run) => stage.ask(run, 'show', { run })));
    return known.findIndex((reply) => !reply.ok && reply.code === 'NOT_FOUND');
  };
  await expect.poll(forgotten, { timeout: 40_000 }).toBeGreaterThanOrEqual(0);
  const key = `k${await forgotten()}`;
  const [again = ''] = await begin([key]);
  expect(again).toBe(runOf(key));
  await waiting(again);
  expect((await stage.history(again)).filter((event) => event.type === 'RunStarted')).toHaveLength(1);
  await first.kill();
  stage.engineProcess('engine-b', often);
  expect((await stage.history(again)).filter((event) => event.type === 'RunStarted')).toHaveLength(1);
  await stage.event('go', key, { ok: true }, 'another');
  expect(await stage.closed(again, 40_000)).toMatchObject({ outcome: 'success', attempts: 2 });
});
