// Two owners that both believe in their lease: what people see is what the journal says.
import { expect, test } from 'vitest';
import { jsonLog } from '../../adapters/system/log.ts';
import { statePacking } from '../../adapters/system/packing.ts';
import type { CommitRecord, HistoryEvent } from '../../api/messages/history.ts';
import type { Bus } from '../../ports/bus.ts';
import type { PartitionJournal, StoredRecord } from '../../ports/journal.ts';
import { Play, type Setting, taskState } from '../../test/support/play.ts';
import { Partition } from './partition.ts';
import { Projections } from './projections.ts';

const setting: Setting = { states: { work: taskState }, transitions: [], spec: {} };
const shown = { object: { name: 'r', uid: 'u' } };

class World {
  readonly play = new Play(setting);
  readonly #records: StoredRecord[] = [];
  readonly #entries = new Map<string, { value: unknown; revision: number }>();
  #revision = 0;
  /** While it is set no append is answered. */
  held: Promise<void> | undefined;

  constructor() {
    this.play.start({}, shown);
  }

  /** What lists say: how far the run was. */
  get told(): number | undefined {
    const entry = this.#entries.get(`ns.${this.play.state.run}`);
    return (entry?.value as { seq: number } | undefined)?.seq;
  }

  async owner(name: string) {
    const partition = new Partition({
      journal: this.#journal(),
      owner: name,
      newId: () => `${name}-${(this.#revision += 1)}`,
      packing: statePacking(),
      holding: () => true,
      events: { committed: () => undefined, lost: () => undefined },
    });
    await partition.load();
    const log = jsonLog({ name: 'test', level: 'silent' });
    const newId = () => `${name}-${(this.#revision += 1)}`;
    const projections = new Projections({ bus: this.#bus(), log, newId }, { partition, givenUp: () => undefined });
    const { run } = this.play.state;
    return {
      commit: (events: readonly HistoryEvent[]) => partition.submit(run, () => ({ events, reply: undefined })),
      show: () => projections.touch([run]),
      stop: () => projections.stop(),
    };
  }

  #bus(): Bus {
    const bucket = {
      get: async (key: string) => this.#entries.get(key),
      update: async (key: string, value: unknown, expected: number) => {
        if ((this.#entries.get(key)?.revision ?? 0) !== expected) return undefined;
        this.#revision += 1;
        this.#entries.set(key, { value, revision: this.#revision });
        return this.#revision;
      },
    };
    return { bucket: async () => bucket, problem: () => undefined } as unknown as Bus;
  }

  #journal(): PartitionJournal {
    const records = this.#records;
    const journal: Partial<PartitionJournal> = {
      partition: 0,
      checkpoints: { newest: async () => undefined } as unknown as PartitionJournal['checkpoints'],
      lastSeq: async () => records.length,
      async *read() {
        yield* records;
      },
      append: async ({ text }, expectedSeq) => {
        await this.held;
        if (records.length !== expectedSeq) throw new Error('fenced');
        const seq = records.length + 1;
        records.push({ seq, record: JSON.parse(text) as CommitRecord, digest: `d${seq}` });
        return { seq, digest: `d${seq}` };
      },
    };
    return journal as PartitionJournal;
  }
}

const moment = () => new Promise((resolve) => setTimeout(resolve, 20));

test('an owner of before that still believes in its lease does not show what is over', async () => {
  const world = new World();
  const before = await world.owner('before');
  const started = [...world.play.events];
  await before.commit(started);
  const later = await world.owner('later');
  world.play.complete({});
  const more = world.play.events.slice(started.length);
  await later.commit(more);
  later.show();
  await expect.poll(() => world.told).toBe(started.length + more.length);
  before.show();
  await moment();
  expect(world.told).toBe(started.length + more.length);
  before.stop();
});

test('what is decided and no fact yet is not shown', async () => {
  const world = new World();
  const owner = await world.owner('one');
  const written = Promise.withResolvers<void>();
  world.held = written.promise;
  const committed = owner.commit([...world.play.events]);
  owner.show();
  await moment();
  expect(world.told).toBeUndefined();
  written.resolve();
  await committed;
  await expect.poll(() => world.told).toBe(world.play.events.length);
});
