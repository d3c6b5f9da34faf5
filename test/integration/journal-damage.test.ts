// A store that was damaged or brought back from a copy, on a real nats-server: always a loud stop, never "no such run".
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { natsJournal } from '../../adapters/nats/nats.ts';
import { buckets } from '../../api/messages/subjects.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import { EngineStage } from '../support/engine-stage.ts';
import { waitingFor } from '../support/waiting.ts';

let stage: EngineStage;
beforeEach(async () => {
  stage = await EngineStage.start();
  await stage.agent('clerk', (desk) => desk.complete({}).then(() => undefined));
  await stage.workflow('waits', waitingFor());
});
afterEach(async () => {
  await stage.stop();
});

/** Folder of the journal's message blocks of this run's partition. */
const blocksOf = (run: string): string =>
  join(stage.nats.store, 'jetstream', 'CONTROL', 'streams', `JOURNAL_${partitionOf(run, 2)}`, 'msgs');

/** One byte of the first record that contains `text` is another one afterwards. */
async function flipByteAt(run: string, text: string): Promise<void> {
  const folder = blocksOf(run);
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.blk')) continue;
    const bytes = await readFile(join(folder, name));
    const at = bytes.indexOf(text);
    if (at < 0) continue;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(join(folder, name), bytes);
    return;
  }
  throw new Error(`no block of ${folder} contains ${text}`);
}

/** Waits until the end of this run's journal is written down outside of it. */
async function witnessed(run: string): Promise<void> {
  const partition = partitionOf(run, 2);
  const journal = await natsJournal(stage.control).partition(partition);
  const bucket = await stage.control.bucket<{ seq: number }>(buckets.witness);
  const end = await journal.lastSeq();
  await expect.poll(async () => (await bucket.get(`p${partition}`))?.value.seq, { timeout: 20_000 }).toBe(end);
}

/** Keys of their own, so that the same runs are in the same partitions each time. */
const begin = async (count: number, of = 'case'): Promise<readonly string[]> => {
  const runs = [];
  for (let index = 0; index < count; index += 1) {
    runs.push(await stage.begin('waits', { id: `id-${index}` }, { key: `${of}-${index}` }));
  }
  return runs;
};
const answered = async (run: string): Promise<string> => {
  const reply = await stage.ask(run, 'show', { run });
  return reply.ok ? 'ok' : `${reply.code}: ${reply.message}`;
};
/** Runs of the partition of the first one. */
const together = (runs: readonly string[]): readonly string[] =>
  runs.filter((run) => partitionOf(run, 2) === partitionOf(runs[0] ?? '', 2));

describe('a flipped byte', () => {
  test.each(['first', 'last'] as const)(
    'in the %s record: the partition is not served, the other one is',
    async (which) => {
      const before = stage.engineProcess('engine-a');
      const runs = await begin(8);
      const same = together(runs);
      expect(same.length).toBeGreaterThan(1);
      expect(same.length).toBeLessThan(runs.length);
      await witnessed(same[0] ?? '');
      await before.kill();
      await stage.nats.kill();
      const hit = (which === 'first' ? same[0] : same.at(-1)) ?? '';
      await flipByteAt(hit, hit);
      await stage.nats.start();
      const { engine } = await stage.engine('engine-b');
      await expect
        .poll(() => engine.refused() ?? 'none', { timeout: 40_000 })
        .toContain(`partition ${partitionOf(hit, 2)} is not served`);
      await expect.poll(() => engine.problem() ?? 'ready', { timeout: 40_000 }).toBe('ready');
      for (const run of same) expect(await answered(run)).toContain('JOURNAL_ROLLED_BACK');
      const other = runs.find((run) => !same.includes(run)) ?? '';
      expect(await answered(other)).toBe('ok');
    },
  );
});

test('a store that is an older copy stops the engine that has lived through it', async () => {
  const [first = ''] = await begin1();
  await stage.nats.kill();
  await cp(stage.nats.store, `${stage.nats.store}-old`, { recursive: true });
  await stage.nats.start();
  const { engine } = await stage.engine('engine-a');
  const runs = [first, ...(await begin(6))];
  const lost = together(runs);
  expect(lost.length).toBeGreaterThan(1);
  await stage.nats.kill();
  await rm(stage.nats.store, { recursive: true });
  await cp(`${stage.nats.store}-old`, stage.nats.store, { recursive: true });
  await rm(`${stage.nats.store}-old`, { recursive: true });
  await stage.nats.start();
  await expect.poll(() => engine.refused() ?? 'none', { timeout: 40_000 }).toContain('was committed');
  for (const run of lost) expect(await answered(run)).toContain('JOURNAL_ROLLED_BACK');
});

/** One run, by an engine that is gone afterwards. */
async function begin1(): Promise<readonly string[]> {
  const before = stage.engineProcess('engine-0');
  const runs = await begin(1, 'first');
  await before.kill();
  return runs;
}
