import { DiscardPolicy, StorageType } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { textOf } from '../../core/journal/record-text.ts';
import type { CommitRecord } from '../../api/messages/history.ts';
import { streams, taskConsumer, taskSubject } from '../../api/messages/subjects.ts';
import { natsBusAdmin } from '../../adapters/nats/admin.ts';
import { connectNats, type NatsBus } from '../../adapters/nats/bus.ts';
import { natsJournal } from '../../adapters/nats/journal.ts';
import { natsLedger } from '../../adapters/nats/ledger.ts';
import { natsOwnership } from '../../adapters/nats/ownership.ts';
import { readStream } from '../../adapters/nats/read-stream.ts';
import { startNats, type TestNats } from '../support/nats.ts';
import { codeOf } from '../support/nats-bus.ts';

let nats: TestNats;
let control: NatsBus;
let work: NatsBus;

beforeAll(async () => {
  nats = await startNats();
  control = await connectNats({ url: nats.url, ...nats.control, name: 'test-control', account: 'CONTROL' });
  work = await connectNats({ url: nats.url, ...nats.work, name: 'test-work', account: 'WORK' });
  const admin = natsBusAdmin({ control, work, journalBytesMax: 200_000_000, ledgerBytesMax: 100_000_000 });
  await admin.ensureStreams(2);
  await admin.ensureStreams(2);
  await admin.ensureTaskStreams();
});

afterAll(async () => {
  await control?.close();
  await work?.close();
  await nats?.stop();
});

const record = (id: string, size = 1): CommitRecord => ({
  v: 1,
  id,
  owner: 'engine-a',
  epoch: 1,
  runs: [
    {
      run: 'r1',
      events: [
        { seq: 1, at: 1, cause: id, type: 'CancelRequested', by: 'ann', reason: 'x'.repeat(size) },
        { seq: 2, at: 1, cause: id, type: 'ReadOnlySet', rule: 'r' },
      ],
    },
  ],
});

describe('journal', () => {
  test('appends in order, reads back in order, fences a stale owner', async () => {
    const journal = await natsJournal(control).partition(0);
    expect(await journal.lastSeq()).toBe(0);
    expect((await journal.append(textOf(record('c1')), 0)).seq).toBe(1);
    expect((await journal.append(textOf(record('c2')), 1)).seq).toBe(2);
    expect(await codeOf(journal.append(textOf(record('c3')), 1))).toBe('JOURNAL_FENCED');
    const read = [];
    for await (const stored of journal.read(1)) read.push([stored.seq, stored.record.id]);
    expect(read).toEqual([
      [1, 'c1'],
      [2, 'c2'],
    ]);
    expect((await journal.at(2))?.record).toEqual(record('c2'));
    expect(await journal.at(9)).toBeUndefined();
  });

  test('the same record again is found at the tail, as after a lost answer', async () => {
    const journal = await natsJournal(control).partition(0);
    expect((await journal.append(textOf(record('c2')), 1)).seq).toBe(2);
    expect(await journal.lastSeq()).toBe(2);
  });

  test('a field above 64 KiB goes to the object store and comes back', async () => {
    const journal = await natsJournal(control).partition(0);
    const large = record('large', 300_000);
    expect((await journal.append(textOf(large), 2)).seq).toBe(3);
    const raw = await control.manager.streams.getMessage('JOURNAL_0', { seq: 3 });
    expect(raw?.data.length).toBeLessThan(1_000);
    expect((await journal.at(3))?.record).toEqual(large);
  });

  test('a record of many smaller fields that would not fit into a message is stored all the same', async () => {
    const journal = await natsJournal(control).partition(0);
    const [run] = record('many', 1).runs;
    const reason = '\u8a9e'.repeat(21_000);
    const events = Array.from({ length: 20 }, (_, at) => ({
      ...run?.events[0],
      seq: at + 1,
      reason: `${at} ${reason}`,
    }));
    const many = { ...record('many'), runs: [{ run: 'r1', events }] } as CommitRecord;
    expect((await journal.append(textOf(many), 3)).seq).toBe(4);
    expect((await journal.at(4))?.record).toEqual(many);
  });

  test('one of two owners in a race writes, the other is fenced', async () => {
    const journal = await natsJournal(control).partition(0);
    const ends = await Promise.all([
      codeOf(journal.append(textOf(record('x')), 4)),
      codeOf(journal.append(textOf(record('y')), 4)),
    ]);
    expect(ends.toSorted()).toEqual(['JOURNAL_FENCED', 'resolved']);
  });

  test('durability is read back from the server', async () => {
    await natsJournal(control, { monitorUrl: nats.monitorUrl }).assertDurable();
    const lazy = await startNats({ sync: '2m' });
    try {
      expect(await codeOf(natsJournal(control, { monitorUrl: lazy.monitorUrl }).assertDurable())).toBe(
        'BUS_NOT_DURABLE',
      );
    } finally {
      await lazy.stop();
    }
  });
});

describe('ledger', () => {
  const key = { namespace: 'clinic', run: 'r1', key: 'abc' };
  const entry = { state: 'open', at: 1, deadline: 2, attempt: 1, digest: 'd', opener: 'gateway-1' } as const;

  test('compare-and-set per effect', async () => {
    const ledger = natsLedger(control);
    expect(await ledger.read(key)).toEqual({ revision: 0 });
    const opened = await ledger.write(key, entry, 0);
    expect(opened).toBeGreaterThan(0);
    expect(await ledger.write(key, { ...entry, opener: 'gateway-2' }, 0)).toBeUndefined();
    expect(await ledger.read(key)).toEqual({ revision: opened, entry });
    expect(await ledger.write({ ...key, key: 'other' }, entry, 0)).toBeGreaterThan(opened ?? 0);
  });
});

describe('requests', () => {
  test('answers, errors with their code, nobody there', async () => {
    const served = control.serve(
      'engine.0.show',
      async ({ payload }) => {
        if (payload === 'fail') throw new (await import('../../api/errors.ts')).SignalboxError('NOT_FOUND', 'no run');
        return { echo: payload };
      },
      { maxParallel: 2 },
    );
    expect(await control.request('engine.0.show', { a: 1 }, 2_000)).toEqual({ echo: { a: 1 } });
    expect(await codeOf(control.request('engine.0.show', 'fail', 2_000))).toBe('NOT_FOUND');
    expect(await codeOf(control.request('engine.1.show', {}, 2_000))).toBe('BUS_UNREACHABLE');
    await served.stop();
  });

  test('a reply outside _INBOX is not sent', async () => {
    let asked = 0;
    const served = control.serve('engine.0.list', async () => (asked += 1), { maxParallel: 2 });
    control.connection.publish('engine.0.list', '{}', { reply: 'journal.0' });
    control.connection.publish('engine.0.list', '{}', { reply: '$JS.ACK.TASKS.x' });
    expect(await control.request('engine.0.list', {}, 2_000)).toBe(1);
    await served.stop();
  });

  test('maxParallel bounds the work', async () => {
    let active = 0;
    let most = 0;
    const served = control.serve(
      'engine.0.history',
      async () => {
        most = Math.max(most, (active += 1));
        await new Promise((resolve) => setTimeout(resolve, 5));
        active -= 1;
        return most;
      },
      { maxParallel: 3 },
    );
    await Promise.all(Array.from({ length: 12 }, () => control.request('engine.0.history', {}, 2_000)));
    expect(most).toBe(3);
    await served.stop();
  });
});

describe('publishing', () => {
  test('what no stream stores, or a full one, is refused; what has an id is stored once', async () => {
    expect(await codeOf(control.publish('few.nobody', {}))).toBe('BUS_UNREACHABLE');
    const limits = { max_msgs: 2, discard: DiscardPolicy.New };
    await control.manager.streams.add({ name: 'FEW', subjects: ['few'], storage: StorageType.Memory, ...limits });
    await control.publish('few', { n: 1 }, { id: 'one' });
    await control.publish('few', { n: 1 }, { id: 'one' });
    await control.publish('few', { n: 2 });
    const { state } = await control.manager.streams.info('FEW');
    expect(state.messages).toBe(2);
    await expect(control.publish('few', { n: 3 })).rejects.toThrow(/publish few: .*maximum messages exceeded/);
    await control.manager.streams.delete('FEW');
  });
});

describe('tasks', () => {
  test('a consumer has exactly its free slots, nak brings a task again', async () => {
    const admin = natsBusAdmin({ control, work });
    const digest = `sha256:${'a'.repeat(64)}`;
    const [name, subject] = [taskConsumer('clinic', 'sales', digest), taskSubject('clinic', 'sales', digest)];
    await admin.ensureTaskConsumer(name, subject, 100);
    await admin.ensureTaskConsumer(name, subject, 100);
    for (let n = 0; n < 5; n += 1) await work.publish(subject, { n });
    const seen: unknown[] = [];
    const finish: (() => void)[] = [];
    let most = 0;
    const puller = work.consume(streams.tasks, name, 2, async (task) => {
      seen.push([task.payload, task.deliveries]);
      most = Math.max(most, finish.length + 1);
      if (seen.length === 1) {
        task.nak(10);
        return;
      }
      await new Promise<void>((resolve) => finish.push(resolve));
      finish.shift();
      task.ack();
    });
    await expect.poll(() => seen.length).toBe(3);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(seen.length).toBe(3);
    const [consumer] = await admin.taskConsumers();
    expect(consumer).toMatchObject({ name, subject, unacknowledged: 3 });
    const release = setInterval(() => finish[0]?.(), 5);
    await expect.poll(() => seen.length).toBe(6);
    await expect.poll(async () => (await admin.taskConsumers())[0]?.unacknowledged).toBe(0);
    clearInterval(release);
    expect(seen).toContainEqual([{ n: 0 }, 2]);
    expect(most).toBeLessThanOrEqual(2);
    await puller.stop();
    await admin.deleteTaskConsumer(name);
    await admin.deleteTaskConsumer(name);
    expect(await admin.taskConsumers()).toEqual([]);
  });
});

describe('buckets', () => {
  test('get, put, compare-and-set, delete, keys', async () => {
    const bucket = await control.bucket<{ n: number }>('catalog');
    expect(await bucket.get('agent.clinic.sales')).toBeUndefined();
    const first = await bucket.update('agent.clinic.sales', { n: 1 }, 0);
    expect(await bucket.update('agent.clinic.sales', { n: 2 }, 0)).toBeUndefined();
    expect(await bucket.update('agent.clinic.sales', { n: 2 }, first ?? 0)).toBeGreaterThan(first ?? 0);
    expect((await bucket.get('agent.clinic.sales'))?.value).toEqual({ n: 2 });
    await bucket.put('agent.clinic.support', { n: 3 });
    expect((await bucket.keys()).toSorted()).toEqual(['agent.clinic.sales', 'agent.clinic.support']);
    await bucket.delete('agent.clinic.support');
    expect(await bucket.get('agent.clinic.support')).toBeUndefined();
  });

  test('entries that fit a pattern come oldest first, and page by page', async () => {
    const bucket = await control.bucket<number>('inbox');
    for (const key of ['ns.a.1', 'ns.b.1', 'ns.a.2', 'ns.a.3']) await bucket.put(key, 1);
    const first = await bucket.matching('ns.a.*', 2);
    expect(first.map(({ key }) => key)).toEqual(['ns.a.1', 'ns.a.2']);
    expect((await bucket.matching('ns.a.*', 2, first[1]?.revision)).map(({ key }) => key)).toEqual(['ns.a.3']);
  });

  test('a lease has one holder and ends by itself', async () => {
    const [a, b] = [await natsOwnership(control), await natsOwnership(control)];
    expect(await a.hold(7, 'a')).toBe(true);
    expect(await b.hold(7, 'b')).toBe(false);
    expect(await a.hold(7, 'a')).toBe(true);
    expect(await b.holder(7)).toBe('a');
    await expect.poll(() => b.hold(7, 'b'), { timeout: 6_000, interval: 200 }).toBe(true);
    expect(await a.hold(7, 'a')).toBe(false);
    await b.release(7, 'b');
    expect(await a.hold(7, 'a')).toBe(true);
    await a.release(7, 'a');
  });

  test('who lives and who has what is seen by all, until it is withdrawn or ends by itself', async () => {
    const [a, b] = [await natsOwnership(control), await natsOwnership(control)];
    await a.announce('engine-a');
    await b.announce('engine-b');
    expect(await b.hold(12, 'engine-b')).toBe(true);
    const seen = await a.seen();
    expect(seen.engines.toSorted()).toEqual(['engine-a', 'engine-b']);
    expect([...seen.holders]).toEqual([[12, 'engine-b']]);
    await b.release(12, 'engine-b');
    await b.withdraw('engine-b');
    expect(await a.seen()).toEqual({ engines: ['engine-a'], holders: new Map() });
    await expect.poll(() => a.seen(), { timeout: 10_000, interval: 200 }).toEqual({ engines: [], holders: new Map() });
  });
});

describe('a server that is killed', () => {
  test('journal, memory buckets, watches and task consumers go on', async () => {
    const digest = `sha256:${'b'.repeat(64)}`;
    const [name, subject] = [taskConsumer('clinic', 'billing', digest), taskSubject('clinic', 'billing', digest)];
    const admin = natsBusAdmin({ control, work });
    await admin.ensureTaskStreams();
    await admin.ensureTaskConsumer(name, subject, 10);
    const runs = await control.bucket<{ n: number }>('runs');
    await runs.put('clinic.r1', { n: 1 });
    const stop = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const change of runs.watch(stop.signal)) {
        seen.push(change.kind === 'Put' ? `${change.entry.key}=${change.entry.value.n}` : change.kind);
      }
    })();
    await expect.poll(() => seen).toEqual(['clinic.r1=1', 'Synced']);
    const tasks: unknown[] = [];
    const puller = work.consume(streams.tasks, name, 2, async (task) => {
      tasks.push(task.payload);
      task.ack();
    });
    const journal = await natsJournal(control).partition(1);
    await journal.append(textOf(record('before')), 0);
    let reconnects = 0;
    control.onReconnect(() => (reconnects += 1));

    await nats.crash();
    await expect.poll(() => reconnects, { timeout: 10_000 }).toBe(1);
    expect(control.problem()).toBeUndefined();
    expect((await journal.append(textOf(record('after')), 1)).seq).toBe(2);
    await runs.put('clinic.r2', { n: 2 });
    await expect.poll(() => seen, { timeout: 10_000 }).toContain('clinic.r2=2');
    expect(seen).not.toContain('Delete');
    await expect
      .poll(async () => (await admin.taskConsumers()).map((found) => found.name), { timeout: 10_000 })
      .toEqual([name]);
    await work.publish(subject, { n: 1 });
    await expect.poll(() => tasks, { timeout: 10_000 }).toEqual([{ n: 1 }]);
    await puller.stop();
    stop.abort();
    await watching;
  });

  test('who reads a stream meanwhile gets the rest, each message once and in order', async () => {
    await control.manager.streams.add({ name: 'LONG', subjects: ['long'], storage: StorageType.File });
    const count = 1_200;
    const body = new Uint8Array(2_000);
    await Promise.all(
      Array.from({ length: count }, () => control.jetstream.publish('long', body, { timeout: 60_000 })),
    );
    const seen: number[] = [];
    let crashed: Promise<void> | undefined;
    for await (const { seq } of readStream(control, 'LONG', 1)) {
      seen.push(seq);
      if (seq === 100) crashed = nats.crash();
    }
    await crashed;
    expect(seen).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  }, 60_000);
});
