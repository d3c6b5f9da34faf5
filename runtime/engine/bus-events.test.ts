// What an engine does with a bus event before it has read the catalog: it neither knows who waits nor what is started.
import { expect, test } from 'vitest';
import type { Bus, Task } from '../../ports/bus.ts';
import { consumeEvents } from './bus-events.ts';
import { Catalog } from './catalog.ts';
import { controlOf } from './control.ts';
import type { EnginePorts } from './ports.ts';
import type { Serving } from './serving.ts';

const event = { id: 'e1', namespace: 'clinic', subject: 'calls.received', key: '', payload: {} };

/** What is done with one delivery of the event. `given`: what the engine has beside the bus; `more`: what the task has. */
async function said(given: (said: string[]) => object, more: object = {}): Promise<readonly string[]> {
  let work: ((task: Task) => Promise<void>) | undefined;
  const bus = {
    consume: (_stream: string, _consumer: string, _slots: number, each: (task: Task) => Promise<void>) => {
      work = each;
      return { stop: () => Promise.resolve() };
    },
  } as unknown as Bus;
  const told: string[] = [];
  const { ports = {}, ...rest } = given(told) as { readonly ports?: object };
  const log = { warn: () => undefined };
  consumeEvents({ ports: { work: bus, log, ...ports } as unknown as EnginePorts, checks: {}, ...rest } as never);
  const task = {
    subject: 'event.clinic.calls.received',
    payload: event,
    ack: () => told.push('ack'),
    nak: () => told.push('nak'),
    ...more,
  };
  await work?.(task as unknown as Task);
  return told;
}

test('an event that comes before the catalog is read comes again; nobody is asked about it', async () => {
  const done = await said((told) => ({
    catalog: new Catalog(() => undefined),
    owners: { partitions: 1, askPartition: () => Promise.resolve(told.push('asked')) },
  }));
  expect(done).toEqual(['nak']);
});

test.each(['JOURNAL_ROLLED_BACK', 'JOURNAL_UNWRITABLE', 'OVERLOADED'])(
  'an event that cannot be delivered for %s is waited with, however often it comes: it is no dead letter',
  async (code) => {
    const done = await said(
      (told) => ({
        ports: { deadLetters: { note: () => Promise.resolve(told.push('letter')) } },
        catalog: { assertSynced: () => undefined, waitsFor: () => false },
        owners: { partitions: 1, askPartition: () => Promise.resolve({ ok: false, code, message: 'not now' }) },
      }),
      { deliveries: 10_000 },
    );
    expect(done).toEqual(['nak']);
  },
);

test('an owner that has not read the catalog does not say that nobody waits', async () => {
  const metrics = { asked: () => undefined, seconds: () => undefined };
  const control = controlOf({ catalog: new Catalog(() => undefined), metrics } as never);
  const serving = { partition: { runs: () => [].values() } } as unknown as Serving;
  expect(await control(serving, 'deliver', event)).toMatchObject({ ok: false, code: 'NOT_OWNER' });
});
