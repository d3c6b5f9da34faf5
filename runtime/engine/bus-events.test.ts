// What an engine does with a bus event before it has read the catalog: it neither knows who waits nor what is started.
import { expect, test } from 'vitest';
import type { Bus, Task } from '../../ports/bus.ts';
import { consumeEvents } from './bus-events.ts';
import { Catalog } from './catalog.ts';
import { controlOf } from './control.ts';
import type { EnginePorts } from './ports.ts';
import type { Serving } from './serving.ts';

const event = { id: 'e1', namespace: 'clinic', subject: 'calls.received', key: '', payload: {} };

test('an event that comes before the catalog is read comes again; nobody is asked about it', async () => {
  let work: ((task: Task) => Promise<void>) | undefined;
  const bus = {
    consume: (_stream: string, _consumer: string, _slots: number, each: (task: Task) => Promise<void>) => {
      work = each;
      return { stop: () => Promise.resolve() };
    },
  } as unknown as Bus;
  const log = { warn: () => undefined };
  const said: string[] = [];
  const owners = { partitions: 1, askPartition: () => Promise.resolve(said.push('asked')) };
  consumeEvents({
    ports: { work: bus, log } as unknown as EnginePorts,
    catalog: new Catalog(() => undefined),
    owners,
    checks: {},
  } as never);
  const task = {
    subject: 'event.clinic.calls.received',
    payload: event,
    ack: () => said.push('ack'),
    nak: () => said.push('nak'),
  };
  await work?.(task as unknown as Task);
  expect(said).toEqual(['nak']);
});

test.each(['JOURNAL_ROLLED_BACK', 'JOURNAL_UNWRITABLE', 'OVERLOADED'])(
  'an event that cannot be delivered for %s is waited with, however often it comes: it is no dead letter',
  async (code) => {
    let work: ((task: Task) => Promise<void>) | undefined;
    const said: string[] = [];
    const bus = {
      consume: (_stream: string, _consumer: string, _slots: number, each: (task: Task) => Promise<void>) => {
        work = each;
        return { stop: () => Promise.resolve() };
      },
    } as unknown as Bus;
    const deadLetters = { note: () => Promise.resolve(said.push('letter')) };
    const owners = { partitions: 1, askPartition: () => Promise.resolve({ ok: false, code, message: 'not now' }) };
    consumeEvents({
      ports: { work: bus, log: { warn: () => undefined }, deadLetters } as unknown as EnginePorts,
      catalog: { assertSynced: () => undefined, waitsFor: () => false },
      owners,
      checks: {},
    } as never);
    const task = {
      subject: 'event.clinic.calls.received',
      payload: event,
      deliveries: 10_000,
      ack: () => said.push('ack'),
      nak: () => said.push('nak'),
    };
    await work?.(task as unknown as Task);
    expect(said).toEqual(['nak']);
  },
);

test('an owner that has not read the catalog does not say that nobody waits', async () => {
  const metrics = { asked: () => undefined, seconds: () => undefined };
  const control = controlOf({ catalog: new Catalog(() => undefined), metrics } as never);
  const serving = { partition: { runs: () => [].values() } } as unknown as Serving;
  expect(await control(serving, 'deliver', event)).toMatchObject({ ok: false, code: 'NOT_OWNER' });
});
