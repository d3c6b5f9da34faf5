import { expect, test } from 'vitest';
import type { BusAdmin } from '../../ports/bus.ts';
import { jsonLog } from '../../adapters/system/log.ts';
import type { Clock } from '../../ports/system.ts';
import { ConsumerInformer } from './consumer-informer.ts';

type Found = Awaited<ReturnType<BusAdmin['taskConsumers']>>;

const [made, gone] = ['ns_clerk_0123456789ab', 'ns_clerk_ba9876543210'];
const consumer = (name: string): Found[number] => ({ name, subject: '', pending: 0, unacknowledged: 0 });

/** Readings are answered when the test says so. */
function informed() {
  const readings: ((found: Found) => void)[] = [];
  const admin = {
    taskConsumers: () => new Promise<Found>((resolve) => readings.push(resolve)),
    ensureTaskStreams: () => Promise.resolve(),
  };
  const wakes: (() => void)[] = [];
  const clock = { sleep: () => new Promise<void>((resolve) => wakes.push(resolve)) } as unknown as Clock;
  const log = jsonLog({ name: 'test', level: 'silent' });
  const informer = new ConsumerInformer({ admin, clock, log });
  const stopped = new AbortController();
  void informer.run(stopped.signal);
  return {
    informer,
    stop: () => stopped.abort(),
    names: () => informer.store.list().map(({ metadata }) => metadata.name),
    answer: async (...found: readonly string[]) => {
      readings.shift()?.(found.map(consumer));
      await expect.poll(() => wakes.length).toBe(1);
    },
    again: async () => {
      wakes.shift()?.();
      await expect.poll(() => readings.length).toBe(1);
    },
  };
}

test('a reading that began before a consumer was made does not hide it, nor does one bring back what was deleted', async () => {
  const { informer, names, answer, again, stop } = informed();
  await answer(gone);
  expect(names()).toEqual([gone]);
  await again();
  informer.wrote(made);
  informer.forgot(gone);
  await answer(gone);
  expect(names()).toEqual([made]);
  await again();
  await answer();
  expect(names()).toEqual([]);
  stop();
});
