import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { natsBusAdmin } from '../../adapters/nats/admin.ts';
import { connectNats, type NatsBus } from '../../adapters/nats/bus.ts';
import { natsDeadLetters } from '../../adapters/nats/dead-letters.ts';
import { isSignalboxError } from '../../api/errors.ts';
import { streams } from '../../api/messages/subjects.ts';
import { type GivenUp, groupMax } from '../../core/dead-letter/letter.ts';
import type { Task } from '../../ports/bus.ts';
import { startNats, type TestNats } from '../support/nats.ts';
import { until } from '../support/until.ts';

let nats: TestNats;
let control: NatsBus;
let work: NatsBus;
let time = 1_000;
const letters = () => natsDeadLetters(control, () => time);

beforeAll(async () => {
  nats = await startNats();
  control = await connectNats({ url: nats.url, ...nats.control, name: 'test-control', account: 'CONTROL' });
  work = await connectNats({ url: nats.url, ...nats.work, name: 'test-work', account: 'WORK' });
  const admin = natsBusAdmin({ control, work, journalBytesMax: 10_000_000, ledgerBytesMax: 10_000_000 });
  await admin.ensureStreams(1);
  await admin.ensureTaskStreams();
});

afterAll(async () => {
  await control?.close();
  await work?.close();
  await nats?.stop();
});

const event = (item: string, namespace = 'demo', code = 'INVALID_INPUT'): GivenUp => ({
  namespace,
  reason: 'malformed',
  origin: { kind: 'event', name: 'calls.received', item },
  cause: { code, message: 'no id' },
});

describe('letters', () => {
  test('is kept with its content apart, survives the server, and grows when the same is given up again', async () => {
    const first = await letters().note(event('e1'), { secret: 'planted-secret' });
    expect(first).toMatchObject({ state: 'Open', attempts: 1, firstAt: 1_000, lastAt: 1_000 });
    await nats.crash();
    await until('the connection is back', () => letters().counts());
    time = 2_000;
    const again = await letters().note({ ...event('e1'), attempts: 4 });
    expect(again).toEqual({ ...first, attempts: 5, lastAt: 2_000 });
    expect(await letters().content(again)).toEqual({ secret: 'planted-secret' });
    const found = await letters().list({ namespace: 'demo' }, 10);
    expect(found).toEqual([again]);
    expect(JSON.stringify(found)).not.toContain('planted-secret');
    expect(await letters().list({ namespace: 'other' }, 10)).toEqual([]);
  });

  test('two who note at once both count', async () => {
    await Promise.all(Array.from({ length: 4 }, () => letters().note(event('both'))));
    expect((await letters().list({}, 10)).find(({ origin }) => origin.item === 'both')?.attempts).toBe(4);
  });

  test('a decision is compare-and-set; decided letters leave the gauge, and are swept when they are old', async () => {
    const { id } = await letters().note(event('gone', 'demo', 'TIMEOUT'));
    const stored = await letters().read('demo', id);
    if (stored === undefined) throw new Error('the letter is not there');
    const before = (await letters().counts()).malformed;
    const decided = { ...stored.letter, state: 'Dropped', decided: { by: 'ann', reason: 'noise', at: 3_000 } } as const;
    expect(await letters().decide(stored, decided)).toBe(true);
    expect(await letters().decide(stored, decided)).toBe(false);
    expect((await letters().counts()).malformed).toBe(before - 1);
    expect(await letters().sweep(3_000)).toBe(0);
    expect(await letters().sweep(3_001)).toBe(1);
    expect(await letters().read('demo', id)).toBeUndefined();
  });

  test('a group beyond its bound is counted in one letter without content', async () => {
    for (let n = 0; n < groupMax + 3; n += 1) await letters().note(event(`e${n}`, 'flood'), { n });
    const all = await letters().list({ namespace: 'flood' }, 1_000);
    expect(all).toHaveLength(groupMax + 1);
    const rest = all.filter(({ content }) => content === undefined);
    expect(rest).toHaveLength(1);
    expect(rest[0]).toMatchObject({ attempts: 3, origin: { item: '(more)' } });
    expect(new Set(all.map(({ group }) => group)).size).toBe(1);
  });

  test('at the bound of the stream a new letter is refused, and a known one still grows', async () => {
    const { config } = await control.manager.streams.info(streams.deadLetters);
    const { state } = await control.manager.streams.info(streams.deadLetters);
    await control.manager.streams.update(streams.deadLetters, { ...config, max_msgs: state.messages });
    const refused = await letters()
      .note(event('one too many', 'full'))
      .catch((error: unknown) => error);
    expect(isSignalboxError(refused, 'OVERLOADED')).toBe(true);
    expect((await letters().note(event('e1'))).attempts).toBe(6);
    await control.manager.streams.update(streams.deadLetters, config);
  });
});

test('a message that is no JSON reaches the worker, marked, and harms nobody', async () => {
  const seen: Task[] = [];
  const consuming = work.consume(streams.events, 'engines', 4, (task) => {
    seen.push(task);
    task.ack();
    return Promise.resolve();
  });
  await work.jetstream.publish('event.demo.bad', new TextEncoder().encode('{"id":'));
  await work.publish('event.demo.good', { id: '1' });
  await until('both are seen', () => Promise.resolve(seen.length === 2 || undefined));
  await consuming.stop();
  expect(seen.find(({ subject }) => subject === 'event.demo.bad')).toMatchObject({
    payload: '{"id":',
    malformed: 'EVENTS: the payload is no JSON (6 bytes)',
  });
  expect(seen.find(({ subject }) => subject === 'event.demo.good')).toMatchObject({ payload: { id: '1' } });
});
