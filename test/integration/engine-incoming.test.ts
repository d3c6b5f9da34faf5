// What comes to runs from outside, on a real nats-server: signals, delayed starts, business keys, search.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { natsDeadLetters } from '../../adapters/nats/nats.ts';
import type { EngineReply } from '../../api/messages/asks.ts';
import type { JsonObject, RunSummary } from '../../api/messages/history.ts';
import type { SignalResult } from '../../api/messages/incoming.ts';
import { engineSubject, eventSubject, signalSubject, startSubject, streams } from '../../api/messages/subjects.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { byPlace, cursorOf } from '../../core/search/where.ts';
import { EngineStage, type EngineProcess, namespace, partitions } from '../support/engine-stage.ts';

let stage: EngineStage;
let engine: EngineProcess;

const order = {
  input: { type: 'object' },
  signals: { paid: { schema: { type: 'object', properties: { amount: { type: 'number' } }, required: ['amount'] } } },
  attributes: { kind: { value: 'input.kind', type: 'string' }, number: { value: 'input.number', type: 'number' } },
  start: 'pay',
  states: {
    pay: { type: 'wait', for: { signal: 'paid' }, timeout: '1h', exits: { timeout: 'late' } },
    ship: { type: 'wait', for: { signal: 'shipped' }, timeout: '1h', exits: { timeout: 'late' } },
    done: { type: 'terminal', outcome: 'success' },
    late: { type: 'terminal', outcome: 'failed' },
  },
  transitions: [
    { from: 'pay', to: 'ship' },
    { from: 'ship', to: 'done' },
  ],
} as WorkflowSpec;

beforeAll(async () => {
  stage = await EngineStage.start();
  await stage.workflow('order', order);
  engine = stage.engineProcess();
});
afterAll(async () => {
  await stage?.stop();
});

async function untilLogged(one: EngineProcess, words: string): Promise<void> {
  const until = Date.now() + 30_000;
  while (!one.log().includes(words)) {
    if (Date.now() > until) throw new Error(`the engine did not say "${words}"`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Over NATS, as anybody who may publish in the account. */
async function signal(
  run: string,
  name: string,
  id: string,
  data: JsonObject = {},
): Promise<EngineReply<SignalResult>> {
  const until = Date.now() + 30_000;
  for (;;) {
    try {
      const reply = await stage.work.request<EngineReply<SignalResult>>(
        signalSubject(namespace, run, name),
        { id, data },
        5_000,
      );
      if (reply.ok || (reply.code !== 'NOT_OWNER' && reply.code !== 'BUS_UNREACHABLE')) return reply;
    } catch (error) {
      if (Date.now() > until) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe('signals', () => {
  test('kept before the wait, through a kill -9 of the engine; sent again they count once', async () => {
    const run = await stage.begin('order');
    expect(await signal(run, 'shipped', 's1')).toEqual({ ok: true, result: { outcome: 'kept' } });
    await engine.kill();
    engine = stage.engineProcess('engine-pod-2');
    expect(await signal(run, 'shipped', 's1')).toEqual({ ok: true, result: { outcome: 'known' } });
    expect(await signal(run, 'paid', 'p1', { amount: 'much' })).toMatchObject({ ok: false, code: 'INVALID_INPUT' });
    expect(await signal(run, 'paid', 'p1', { amount: 5 })).toEqual({ ok: true, result: { outcome: 'taken' } });
    expect(await stage.closed(run)).toMatchObject({ outcome: 'success' });
    expect(await signal(run, 'paid', 'p1', { amount: 5 })).toEqual({ ok: true, result: { outcome: 'known' } });
    expect((await stage.types(run)).filter((type) => type === 'SignalReceived')).toHaveLength(2);
  });

  test('an unknown name, an unknown run and a run of another namespace are refused with words', async () => {
    const run = await stage.begin('order');
    const unknown = await signal(run, 'lost', 'x');
    expect(unknown).toMatchObject({ code: 'INVALID_INPUT' });
    expect(JSON.stringify(unknown)).toContain('allowed: paid, shipped');
    expect(await signal('nobody', 'paid', 'x')).toMatchObject({ code: 'NOT_FOUND' });
    const elsewhere = await stage.ask(run, 'signal', {
      namespace: 'other',
      run,
      signal: 'paid',
      id: 'x',
      payload: {},
      by: 'eve',
    });
    expect(elsewhere).toMatchObject({ ok: false, code: 'NOT_FOUND' });
  });
});

describe('a start', () => {
  const start = (body: object) =>
    stage.work.request<EngineReply<RunSummary>>(startSubject(namespace, 'order'), body, 10_000);

  test('with a delay does nothing before its time, also after a takeover', async () => {
    const reply = await start({ key: 'later', delay: '3s', priority: 'high' });
    if (!reply.ok) throw new Error(reply.message);
    const { run, startedAt, startAt = 0 } = reply.result;
    expect(reply.result).toMatchObject({ state: '', status: 'Running', priority: 'high' });
    expect(startAt).toBeGreaterThan(startedAt);
    await engine.kill();
    engine = stage.engineProcess('engine-pod-3');
    await stage.until(run, ({ state }) => state === 'pay', 30_000);
    const entered = (await stage.history(run)).find(({ type }) => type === 'StateEntered');
    expect(entered?.at).toBeGreaterThanOrEqual(startAt);
  });

  test('with a delay that cannot be read, or too far ahead, is refused', async () => {
    expect(await start({ delay: 'soon' })).toMatchObject({ ok: false, code: 'INVALID_INPUT' });
    expect(await start({ startAt: '2126-01-01T00:00:00Z' })).toMatchObject({ ok: false, code: 'INVALID_INPUT' });
    expect(await start({ startAt: '2026-01-01', delay: '1s' })).toMatchObject({ ok: false, code: 'INVALID_INPUT' });
  });

  test('with the same key and input is the same run; with another input it is refused', async () => {
    const [one, two] = [await start({ key: 'k', input: { n: 1 } }), await start({ key: 'k', input: { n: 1 } })];
    if (!one.ok || !two.ok) throw new Error('refused');
    expect(two.result.run).toBe(one.result.run);
    const other = await start({ key: 'k', input: { n: 2 } });
    expect(other).toMatchObject({ ok: false, code: 'STALE' });
    expect(JSON.stringify(other)).toContain(`is taken by run ${one.result.run}, which was started with another input`);
  });
});

test('search by attributes, in pages over partitions: each run once', async () => {
  const runs = await Promise.all(
    Array.from({ length: 25 }, (_, number) =>
      stage.begin('order', { kind: number % 5 === 0 ? 'rare' : 'plain', number }),
    ),
  );
  const page = async (query: object): Promise<readonly RunSummary[]> => {
    const found: RunSummary[] = [];
    for (let partition = 0; partition < partitions; partition += 1) {
      const reply = await stage.control.request<EngineReply<readonly RunSummary[]>>(
        engineSubject(partition, 'list'),
        { namespace, ...query },
        5_000,
      );
      if (!reply.ok) throw new Error(reply.message);
      found.push(...reply.result);
    }
    return found.toSorted(byPlace);
  };
  const where = 'kind=rare,number>=5';
  const numbers = (await page({ where })).map(({ attributes }) => Number(attributes?.['number']));
  expect(numbers.toSorted((left, right) => left - right)).toEqual([5, 10, 15, 20]);
  expect(await page({ where, since: Date.now() + 60_000 })).toEqual([]);
  const seen: string[] = [];
  for (let cursor: string | undefined; ;) {
    const found = (await page({ where: 'number>=0', limit: 4, ...(cursor === undefined ? {} : { cursor }) })).slice(
      0,
      4,
    );
    seen.push(...found.map(({ run }) => run));
    const last = found.at(-1);
    if (last === undefined || found.length < 4) break;
    cursor = cursorOf(last);
  }
  expect(seen.toSorted()).toEqual(runs.toSorted());
  await expect(page({ where: 'number' })).rejects.toThrow('where: found "number"');
});

describe('bus events', () => {
  const bell = {
    input: { type: 'object' },
    start: 'pause',
    states: {
      pause: { type: 'wait', for: { signal: 'go' }, timeout: '1h', exits: { timeout: 'late' } },
      ring: {
        type: 'wait',
        for: { event: 'bell.rung', by: 'input.door' },
        timeout: '1h',
        exits: { timeout: 'late' },
      },
      done: { type: 'terminal', outcome: 'success' },
      late: { type: 'terminal', outcome: 'failed' },
    },
    transitions: [
      { from: 'pause', to: 'ring' },
      { from: 'ring', to: 'done' },
    ],
  } as WorkflowSpec;

  /** Resolves once the engines have taken every event: what they acknowledged is gone from the stream. */
  async function taken(): Promise<void> {
    const until = Date.now() + 30_000;
    for (;;) {
      const { state } = await stage.work.manager.streams.info(streams.events);
      if (state.messages === 0) return;
      if (Date.now() > until) throw new Error(`${state.messages} events are not taken`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  test('one that came before the wait is found, through a kill -9 of engine and bus; only its own run takes it', async () => {
    await stage.workflow('bell', bell);
    const [north, south] = [await stage.begin('bell', { door: 'north' }), await stage.begin('bell', { door: 'south' })];
    await stage.event('bell.rung', 'north', { times: 2 }, 'ring-1');
    await taken();
    expect((await stage.show(north)).state).toBe('pause');
    await engine.kill();
    await stage.nats.kill();
    await stage.nats.start();
    engine = stage.engineProcess('engine-pod-bell');
    await signal(south, 'go', 'g');
    await signal(north, 'go', 'g');
    expect(await stage.closed(north, 60_000)).toMatchObject({ outcome: 'success' });
    const received = (await stage.history(north)).filter(({ type }) => type === 'BusEventReceived');
    expect(received).toMatchObject([{ id: 'ring-1', payload: { times: 2 } }]);
    expect(await stage.show(south)).toMatchObject({ state: 'ring', status: 'Running' });
    await stage.event('bell.rung', 'south', {}, 'ring-2');
    expect(await stage.closed(south, 60_000)).toMatchObject({ outcome: 'success' });
  });

  test('one from before the run does not count, unless the state looks back', async () => {
    await stage.workflow('bell', bell);
    const { ring } = bell.states;
    await stage.workflow('bell-back', {
      ...bell,
      states: { ...bell.states, ring: { ...ring, for: { ...ring?.for, lookBack: '1h' } } },
    } as WorkflowSpec);
    await stage.begin('bell', { door: 'never' });
    await stage.event('bell.rung', 'old', {}, 'ring-old');
    await taken();
    const [fresh, back] = [await stage.begin('bell', { door: 'old' }), await stage.begin('bell-back', { door: 'old' })];
    await signal(fresh, 'go', 'g');
    await signal(back, 'go', 'g');
    expect(await stage.closed(back)).toMatchObject({ outcome: 'success' });
    expect(await stage.show(fresh)).toMatchObject({ state: 'ring', status: 'Running' });
  });

  test('an engine that dies between the wait and its look: the next one looks', async () => {
    await stage.workflow('bell', bell);
    const run = await stage.begin('bell', { door: 'east' });
    await stage.event('bell.rung', 'east', {}, 'ring-east');
    await taken();
    await engine.kill();
    // The wait becomes a fact, and nobody is there to look: written as the dead owner would have.
    const dying = stage.engineProcess('engine-pod-dying', { SIGNALBOX_FAILPOINT: 'engine.append.after' });
    await stage.show(run);
    // One that has read the catalog when it takes over.
    engine = stage.engineProcess('engine-pod-east');
    await untilLogged(engine, 'serving');
    await stage.work.request(signalSubject(namespace, run, 'go'), { id: 'g', data: {} }, 2_000).catch(() => undefined);
    await dying.kill();
    await signal(run, 'go', 'g');
    expect(await stage.closed(run, 60_000)).toMatchObject({ outcome: 'success' });
  });

  test('one counts in the namespace it was published in, whatever it says of itself', async () => {
    await stage.workflow('bell', bell);
    const run = await stage.begin('bell', { door: 'west' });
    await signal(run, 'go', 'g');
    const foreign = { id: 'forged', namespace, subject: 'bell.rung', key: 'west' };
    await stage.work.publish(eventSubject('elsewhere', 'bell.rung'), foreign);
    await taken();
    expect((await stage.show(run)).status).not.toBe('Closed');
    await stage.event('bell.rung', 'west', {}, 'true');
    expect(await stage.closed(run, 60_000)).toMatchObject({ outcome: 'success' });
  });

  test('one that cannot be read is a dead letter, and the others go on', async () => {
    await stage.work.publish(eventSubject(namespace, 'bell.rung'), { key: 'north' });
    await taken();
    const letters = await natsDeadLetters(stage.control, Date.now).list({ namespace, reason: 'malformed' }, 10);
    expect(letters).toMatchObject([{ origin: { kind: 'event', name: 'bell.rung' }, state: 'Open' }]);
  });
});
