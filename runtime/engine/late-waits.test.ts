// Runs that begin to wait for an event that came before.
import { expect, test } from 'vitest';
import { Play, type Setting, taskState } from '../../test/support/play.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import type { KeptEvent } from './inbox.ts';
import { LateWaits } from './late-waits.ts';
import type { Serving } from './serving.ts';

const setting = (lookBack?: string): Setting => ({
  states: {
    hold: {
      type: 'wait',
      for: { event: 'paid', by: 'run.id', ...(lookBack === undefined ? {} : { lookBack }) },
      timeout: '1h',
      exits: { timeout: 'late' },
    },
    work: taskState,
  },
  transitions: [
    { from: 'hold', to: 'work' },
    { from: 'work', to: 'hold' },
  ],
  spec: { start: 'hold' },
});

/** What is kept, the oldest first, as the bucket hands it out. */
function waitsOver(play: Play, kept: readonly KeptEvent[]): LateWaits {
  const bucket: Pick<Bucket<KeptEvent>, 'matching'> = {
    matching: (_pattern, limit, after = 0) =>
      Promise.resolve(
        kept
          .map((value, index) => ({ key: value.id, value, revision: index + 1 }))
          .filter(({ revision }) => revision > after)
          .slice(0, limit),
      ),
  };
  const control = { bucket: () => Promise.resolve(bucket) } as unknown as Bus;
  const clock = { now: () => play.now, sleep: () => Promise.resolve() };
  const log = { warn: () => undefined } as never;
  const serving = {
    act: (_run: string, react: Parameters<Play['react']>[0]) => Promise.resolve(play.react(react)),
  } as unknown as Pick<Serving, 'act'>;
  return new LateWaits({ control, clock }, log, serving);
}

const eventAt = (id: string, at: number): KeptEvent => ({
  namespace: 'ns',
  id,
  subject: 'paid',
  key: 'Run1',
  payload: {},
  at,
});

test('a run that waits again finds the event after the one that it has had', async () => {
  const play = new Play(setting());
  play.start();
  const waits = waitsOver(play, [eventAt('first', play.now), eventAt('second', play.now)]);
  play.event('paid', 'Run1', {}, 'first');
  play.complete({});
  expect(play.state).toMatchObject({ state: 'hold', visit: 2, busEvents: ['first'] });
  waits.committed(play.state, play.definition);
  await expect.poll(() => play.state.busEvents).toEqual(['first', 'second']);
  expect(play.state.state).toBe('work');
  waits.stop();
});

test('however many older events of the same key are kept, the one that counts is found, and each is taken once', async () => {
  const play = new Play(setting('1m'));
  play.start();
  const old = Array.from({ length: 300 }, (_, index) => eventAt(`old${index}`, play.now - 3_600_000));
  const waits = waitsOver(play, [...old, eventAt('one', play.now), eventAt('two', play.now)]);
  waits.committed(play.state, play.definition);
  await expect.poll(() => play.state.busEvents).toEqual(['one']);
  play.complete({});
  waits.committed(play.state, play.definition);
  await expect.poll(() => play.state.busEvents).toEqual(['one', 'two']);
  waits.stop();
});
