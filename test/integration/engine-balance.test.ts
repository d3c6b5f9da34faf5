import { afterEach, beforeEach, expect, test } from 'vitest';
import { natsOwnership } from '../../adapters/nats/nats.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import { EngineStage, type EngineProcess, partitions } from '../support/engine-stage.ts';
import type { Script } from '../support/worker-desk.ts';

let stage: EngineStage;

beforeEach(async () => {
  stage = await EngineStage.start();
  await stage.agent('clerk', diligent);
  await stage.workflow('steps', {
    input: { type: 'object' },
    start: 'one',
    states: {
      one: { type: 'task', agent: 'clerk', goal: 'Step one.' },
      two: { type: 'task', agent: 'clerk', goal: 'Step two.' },
      done: { type: 'terminal', outcome: 'success' },
    },
    transitions: [
      { from: 'one', to: 'two' },
      { from: 'two', to: 'done' },
    ],
  });
});

afterEach(async () => {
  await stage.stop();
});

const diligent: Script = async (desk) => {
  await desk.report(desk.turn(1));
  await desk.complete({});
};

/** Who has partition 0, partition 1, …; free ones are a dash. */
async function holders(): Promise<readonly string[]> {
  const seen = await (await natsOwnership(stage.control)).seen();
  return Array.from({ length: partitions }, (_, partition) => seen.holders.get(partition) ?? '-');
}
const untilHeldBy = (...engines: readonly string[]): Promise<void> =>
  expect.poll(async () => (await holders()).toSorted(), { timeout: 30_000, interval: 50 }).toEqual(engines);
const engines = async (): Promise<readonly string[]> =>
  (await (await natsOwnership(stage.control)).seen()).engines.toSorted();
/** How often the engine's log says so. */
const times = (engine: EngineProcess, words: string): number => engine.log().split(words).length - 1;

/** Starts runs without pause until it is stopped; resolves with all of them. */
function flow(): { readonly stop: () => Promise<readonly string[]> } {
  let going = true;
  const started: string[] = [];
  const running = (async () => {
    while (going) {
      started.push(await stage.begin('steps', {}, { key: `flow-${started.length}` }));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return {
    stop: async () => {
      going = false;
      await running;
      return started;
    },
  };
}

/** A run of each partition is started and ends. */
async function expectAllServed(round: string): Promise<void> {
  const missing = new Set(Array.from({ length: partitions }, (_, partition) => partition));
  for (let number = 0; missing.size > 0; number += 1) {
    const run = await stage.begin('steps', {}, { key: `${round}-${number}` });
    expect(await stage.closed(run, 40_000)).toMatchObject({ outcome: 'success' });
    missing.delete(partitionOf(run, partitions));
  }
}

async function expectWhole(runs: readonly string[]): Promise<void> {
  for (const run of runs) {
    expect(await stage.closed(run, 40_000)).toMatchObject({ outcome: 'success' });
    const events = await stage.history(run);
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.filter((event) => event.type === 'ActivityCompleted')).toHaveLength(2);
  }
}

test('engines share the partitions; who joins gets its share, who dies or leaves is taken over from, nobody is fenced', async () => {
  const a = stage.engineProcess('engine-a');
  await untilHeldBy('engine-a', 'engine-a');
  const flowing = flow();
  await expectAllServed('alone');

  const b = stage.engineProcess('engine-b');
  await untilHeldBy('engine-a', 'engine-b');
  await expectAllServed('shared');
  expect(times(a, 'a partition was given away')).toBe(1);
  expect(times(b, 'serving a partition')).toBe(1);

  const before = await holders();
  const c = stage.engineProcess('engine-c');
  await expect.poll(engines, { timeout: 30_000 }).toEqual(['engine-a', 'engine-b', 'engine-c']);
  await expectAllServed('three');
  expect(await holders()).toEqual(before);
  process.kill(c.pid, 'SIGTERM');
  await expect.poll(engines, { timeout: 30_000 }).toEqual(['engine-a', 'engine-b']);

  process.kill(a.pid, 'SIGKILL');
  await untilHeldBy('engine-b', 'engine-b');
  await expectAllServed('taken over');

  const d = stage.engineProcess('engine-d');
  await untilHeldBy('engine-b', 'engine-d');
  process.kill(b.pid, 'SIGTERM');
  await untilHeldBy('engine-d', 'engine-d');
  await expectAllServed('left');

  const runs = await flowing.stop();
  expect(runs.length).toBeGreaterThan(10);
  await expectWhole(runs);
  for (const engine of [a, b, c, d]) {
    expect(times(engine, 'JOURNAL_FENCED')).toBe(0);
    expect(times(engine, 'reloading a partition')).toBe(0);
  }
}, 180_000);
