// Content in the object store: whole or said not to be, whatever becomes of an answer.
import type { JetStreamClient } from '@nats-io/jetstream';
import { TimeoutError } from '@nats-io/transport-node';
import { describe, expect, test } from 'vitest';
import { type BlobHost, natsBlobs } from '../../adapters/nats/blobs.ts';
import { connectNats, type NatsBus } from '../../adapters/nats/bus.ts';
import { startNats } from '../support/nats.ts';
import { codeOf, oneBus } from '../support/nats-bus.ts';
import { until } from '../support/until.ts';

const bus = oneBus();

describe('blobs', () => {
  test('of many chunks come back whole, and reading them leaves no consumer at the server', async () => {
    const blobs = await bus.control.blobs();
    const large = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251);
    await blobs.put('sha256:large', large);
    await blobs.put('sha256:empty', new Uint8Array());
    for (let times = 0; times < 3; times += 1) {
      expect(Buffer.compare((await blobs.get('sha256:large')) ?? new Uint8Array(), large)).toBe(0);
    }
    expect(await blobs.get('sha256:empty')).toHaveLength(0);
    expect(await blobs.get('sha256:absent')).toBeUndefined();
    const left = [];
    for await (const consumer of bus.control.manager.consumers.list('OBJ_blobs')) left.push(consumer.name);
    expect(left).toEqual([]);
  });

  test('a write whose last answer is lost takes nothing away: the next one finds it whole, or writes it again', async () => {
    const bytes = Uint8Array.from({ length: 200_000 }, (_, index) => index % 241);
    const lossy = await natsBlobs({ ...hostOf(bus.control), js: losing(bus.control.jetstream, '.M.') });
    await expect(lossy.put('sha256:doubtful', bytes)).rejects.toThrow('sha256:doubtful');
    const blobs = await bus.control.blobs();
    await blobs.put('sha256:doubtful', bytes);
    expect(Buffer.compare((await blobs.get('sha256:doubtful')) ?? new Uint8Array(), bytes)).toBe(0);
  });

  test('a name without its content is written again, and until then it is corrupt, not absent', async () => {
    const bytes = new Uint8Array(1_000).fill(7);
    const blobs = await bus.control.blobs();
    await blobs.put('sha256:hollow', bytes);
    const { state } = await bus.control.manager.streams.info('OBJ_blobs', { subjects_filter: '$O.blobs.C.*' });
    for (const subject of Object.keys(state.subjects ?? {})) {
      await bus.control.manager.streams.purge('OBJ_blobs', { filter: subject });
    }
    expect(await codeOf(blobs.get('sha256:hollow'))).toBe('JOURNAL_CORRUPT');
    await blobs.put('sha256:hollow', bytes);
    expect(await blobs.get('sha256:hollow')).toHaveLength(1_000);
  });

  test('are reached again after nats-server was away when they were first asked for', async () => {
    const own = await startNats();
    const late = await connectNats({ url: own.url, ...own.control, name: 'late' });
    try {
      await own.kill();
      expect(await codeOf(late.blobs())).not.toBe('resolved');
      await own.start();
      const blobs = await until('the object store', () => late.blobs());
      await blobs.put('sha256:late', new Uint8Array(3));
      expect(await blobs.get('sha256:late')).toHaveLength(3);
    } finally {
      await late.close();
      await own.stop();
    }
  });
});

const hostOf = ({ jetstream: js, manager, link, replicas }: NatsBus): BlobHost => ({ js, manager, link, replicas });

/** The server stores what is published to subjects with `part`, and its answer is lost. */
function losing(js: JetStreamClient, part: string): JetStreamClient {
  return new Proxy(js, {
    get(target, name) {
      if (name !== 'publish') return Reflect.get(target, name) as unknown;
      return async (...given: Parameters<JetStreamClient['publish']>) => {
        const ack = await target.publish(...given);
        if (given[0].includes(part)) throw new TimeoutError();
        return ack;
      };
    },
  });
}
