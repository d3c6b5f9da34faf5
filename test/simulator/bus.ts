// Owns: the ports of one process over the network of its world, in the shape that the real adapters and shells expect.
import { JetStreamApiError } from '@nats-io/jetstream';
import { TimeoutError } from '@nats-io/transport-node';
import type { NatsBus } from '../../adapters/nats/bus.ts';
import { decode, encode } from '../../adapters/nats/wire.ts';
import { SignalboxError } from '../../api/errors.ts';
import { streams } from '../../api/messages/subjects.ts';
import type { Bucket, Bus, Task } from '../../ports/bus.ts';
import type { DeadLetters } from '../../ports/dead-letters.ts';
import type { Clock, Ids, Log, Metrics } from '../../ports/system.ts';
import type { Delivery, PublishOptions } from './jetstream.ts';
import { type Network, sleepOf } from './network.ts';
import type { Process, World } from './world.ts';

const apiError = (code: number): JetStreamApiError =>
  new JetStreamApiError({ code: 400, err_code: code, description: `error ${code}` });
const streamMissing = 10059;
const messageMissing = 10037;
const commandTimeoutMs = 2_000;

/** What a process that has died since goes on asking is never answered: it is not heard. */
const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

function lifeOf(owner: Process): () => boolean {
  const { life } = owner;
  return () => owner.alive && owner.life === life;
}

/** Who hears of what the server has on disk. */
export type Stored = (subject: string, seq: number, bytes: Uint8Array) => void;

export function busOf(network: Network, owner: Process, stored: Stored): NatsBus {
  const { world } = network;
  const living = lifeOf(owner);
  const timeout = (): Error => new TimeoutError();
  const publish = async (subject: string, bytes: Uint8Array, options: PublishOptions & { timeoutMs: number }) => {
    const { timeoutMs, ...expected } = options;
    if (!living()) return never<never>();
    const done = await network.command(owner, { what: 'publish', timeoutMs, timeout }, () => {
      const published = network.js.publish(subject, bytes, world.now, expected);
      if (published?.ok === true && !published.duplicate) {
        stored(subject, published.seq, bytes);
        network.published(subject);
      }
      return published;
    });
    if (!done.ok) throw apiError(done.code);
    return { seq: done.seq, duplicate: done.duplicate, stream: '' };
  };
  const bus: Bus = {
    request: <T>(subject: string, payload: unknown, timeoutMs: number) =>
      living() ? (network.request(owner, subject, payload, timeoutMs) as Promise<T>) : never<T>(),
    // A message there carries one ask.
    ask: <T>(subject: string, payload: unknown, timeoutMs: number) => bus.request<T>(subject, payload, timeoutMs),
    serve(subject, answer, { queue }) {
      const stop = network.serve(owner, subject, queue, (asked, payload) => answer({ subject: asked, payload }));
      return {
        stop: () => {
          stop();
          return Promise.resolve();
        },
      };
    },
    async publish(subject, payload, { id } = {}) {
      await publish(subject, encode(payload), {
        timeoutMs: commandTimeoutMs,
        ...(id === undefined ? {} : { id }),
      }).catch((error: unknown) => Promise.reject(new SignalboxError('BUS_UNREACHABLE', String(error))));
    },
    consume(stream, consumer, slots, work) {
      const stop = network.consume(owner, stream, consumer, slots, (delivery) =>
        work(taskOf(network, delivery, living)),
      );
      return {
        stop: () => {
          stop();
          return Promise.resolve();
        },
      };
    },
    bucket: <T>(name: string) => Promise.resolve(bucketOf<T>(network, name, { owner, living })),
    blobs: () =>
      Promise.resolve({ put: () => Promise.reject(new Error('no blobs here')), get: () => Promise.resolve(undefined) }),
    onReconnect: (callback) => void network.onReconnect(owner, callback),
    problem: () => (network.up ? undefined : 'disconnected'),
    close: () => Promise.resolve(),
  };
  return Object.assign(bus, {
    link: { onReconnect: (callback: () => void) => network.onReconnect(owner, callback) },
    jetstream: {
      consumers: {
        get: (stream: string, from: { opt_start_seq?: number }) =>
          readerOf(network, owner, { stream, fromSeq: from.opt_start_seq ?? 1 }),
      },
      publish: (
        subject: string,
        bytes: Uint8Array,
        {
          expect,
          timeout: timeoutMs,
          msgID,
        }: { expect?: { lastSequence?: number; lastSubjectSequence?: number }; timeout?: number; msgID?: string } = {},
      ) =>
        publish(subject, bytes, {
          timeoutMs: timeoutMs ?? commandTimeoutMs,
          ...(expect?.lastSequence === undefined ? {} : { expectedLastSeq: expect.lastSequence }),
          ...(expect?.lastSubjectSequence === undefined ? {} : { expectedLastSubjectSeq: expect.lastSubjectSequence }),
          ...(msgID === undefined ? {} : { id: msgID }),
        }),
    },
    manager: { streams: streamsOf(network, owner, living) },
  }) as unknown as NatsBus;
}

function streamsOf(network: Network, owner: Process, living: () => boolean) {
  const options = { what: 'read', timeoutMs: commandTimeoutMs, timeout: (): Error => new TimeoutError() };
  return {
    async info(stream: string) {
      if (!living()) return never<never>();
      const state = await network.command(owner, options, () => network.js.state(stream) ?? 'missing');
      if (state === 'missing') throw apiError(streamMissing);
      return {
        state: { last_seq: state.lastSeq, first_seq: state.firstSeq, messages: state.messages, bytes: state.bytes },
        config: { max_bytes: 0 },
      };
    },
    async getMessage(stream: string, by: { seq?: number; last_by_subj?: string }) {
      if (!living()) return never<never>();
      const wanted = by.last_by_subj === undefined ? { seq: by.seq ?? 0 } : { lastOf: by.last_by_subj };
      const found = await network.command(owner, options, () => network.js.message(stream, wanted) ?? 'missing');
      if (found === 'missing') throw apiError(messageMissing);
      return { seq: found.seq, subject: found.subject, data: found.bytes };
    },
    async purge(stream: string, { seq, filter }: { seq?: number; filter?: string }) {
      if (!living()) return never<never>();
      const below = seq === undefined ? {} : { belowSeq: seq };
      const of = filter === undefined ? {} : { subject: filter };
      return network.command(owner, options, () => ({ purged: network.js.purge(stream, { ...below, ...of }) }));
    },
  };
}

/** An ordered consumer: what the stream held when it was asked. */
function readerOf(network: Network, owner: Process, { stream, fromSeq }: { stream: string; fromSeq: number }) {
  const options = { what: 'read', timeoutMs: commandTimeoutMs, timeout: (): Error => new TimeoutError() };
  const read = (): Promise<readonly { readonly seq: number; readonly bytes: Uint8Array }[]> =>
    network.command(owner, options, () => [...network.js.read(stream, fromSeq)]);
  return Promise.resolve({
    info: async () => ({ num_pending: (await read()).length }),
    consume: async () => {
      const found = await read();
      let stopped = false;
      return {
        stop: () => {
          stopped = true;
        },
        async *[Symbol.asyncIterator]() {
          for (const [index, { seq, bytes }] of found.entries()) {
            if (stopped) return;
            yield await Promise.resolve({ seq, data: bytes, info: { pending: found.length - index - 1 } });
          }
        },
      };
    },
    delete: () => Promise.resolve(true),
  });
}

function taskOf(network: Network, delivery: Delivery, living: () => boolean): Task {
  const tell = (what: 'ack' | 'nak' | 'working', delayMs = 0): void => {
    if (living()) network.tell(what, delivery, delayMs);
  };
  return {
    subject: delivery.subject,
    payload: decode(delivery.bytes, streams.tasks),
    deliveries: delivery.deliveries,
    ack: () => tell('ack'),
    nak: (delayMs) => tell('nak', delayMs),
    working: () => tell('working'),
  };
}

const fits = (pattern: string, key: string): boolean => {
  if (pattern === '>') return true;
  const [wanted, given] = [pattern.split('.'), key.split('.')];
  if (wanted.at(-1) === '>')
    return wanted.slice(0, -1).every((token, index) => token === '*' || token === given[index]);
  return wanted.length === given.length && wanted.every((token, index) => token === '*' || token === given[index]);
};

/** Buckets answer at once: what hurts in them is that they vanish, and that others write first. */
function bucketOf<T>(
  network: Network,
  name: string,
  { owner, living }: { readonly owner: Process; readonly living: () => boolean },
): Bucket<T> {
  const { world } = network;
  const attempt = async <R>(act: (table: ReturnType<Network['table']>) => R): Promise<R> => {
    if (!living()) return never<R>();
    // Whoever falls asleep before it has asked asks when it wakes.
    const asleepMs = sleepOf(owner, world.now);
    if (asleepMs > 0) {
      await new Promise<void>((resolve) => void world.after(asleepMs, 'wakes', owner, resolve));
      return attempt(act);
    }
    if (!network.up) throw new SignalboxError('BUS_UNREACHABLE', `bucket ${name}: disconnected`);
    return act(network.table(name));
  };
  const write = (key: string, value: unknown, deleted: boolean): number => network.write(name, key, value, deleted);
  return {
    get: (key) =>
      attempt((table) => {
        const row = network.row(table, key);
        return row === undefined ? undefined : { key, value: row.value as T, revision: row.revision };
      }),
    put: (key, value) => attempt(() => write(key, value, false)),
    update: (key, value, expected) =>
      attempt((table) => {
        const revision = network.row(table, key)?.revision ?? 0;
        return revision === expected ? write(key, value, false) : undefined;
      }),
    delete: (key) => attempt(() => void write(key, undefined, true)),
    keys: () => attempt((table) => [...table.rows.keys()].filter((key) => network.row(table, key) !== undefined)),
    matching: (pattern, limit, after = 0) =>
      attempt((table) =>
        [...table.rows.keys()]
          .flatMap((key) => {
            const row = fits(pattern, key) ? network.row(table, key) : undefined;
            return row === undefined ? [] : [{ key, value: row.value as T, revision: row.revision }];
          })
          .filter(({ revision }) => revision > after)
          .toSorted((left, right) => left.revision - right.revision)
          .slice(0, limit),
      ),
    async *watch(signal) {
      const later: Parameters<Parameters<Network['follow']>[2]>[0][] = [];
      let wake: () => void = () => undefined;
      network.follow(name, owner, (change) => {
        later.push(change);
        wake();
      });
      const now = [...network.table(name).rows].toSorted(([, left], [, right]) => left.revision - right.revision);
      for (const [key, { value, revision, deleted }] of now) {
        if (!deleted) yield { kind: 'Put', entry: { key, value: value as T, revision } };
      }
      yield { kind: 'Synced' };
      const aborted = new Promise<never>((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(new Error('stopped'))),
      );
      for (;;) {
        for (const { key, value, revision, deleted } of later.splice(0)) {
          if (deleted) yield { kind: 'Delete', key, revision };
          else yield { kind: 'Put', entry: { key, value: value as T, revision } };
        }
        await Promise.race([aborted, new Promise<void>((resolve) => void (wake = resolve))]);
      }
    },
  };
}

/** Time as the process sees it. Loops of an engine that only look around may do so a little late. */
export function clockOf(world: World, owner: Process): Clock {
  const living = lifeOf(owner);
  return {
    now: () => world.now + owner.skewMs,
    sleep: (ms, signal) =>
      new Promise<void>((resolve, reject) => {
        if (!living()) return;
        if (signal?.aborted === true) {
          reject(signal.reason as Error);
          return;
        }
        if (signal === undefined && owner.role === 'engine' && ms <= 250) {
          world.soonish(Math.max(1, ms), 700, resolve);
          return;
        }
        const event = world.after(Math.max(1, ms), 'sleep', owner, () => {
          signal?.removeEventListener('abort', stop);
          resolve();
        });
        const stop = (): void => {
          event.cancelled = true;
          reject(signal?.reason as Error);
        };
        signal?.addEventListener('abort', stop, { once: true });
      }),
  };
}

export function idsOf(owner: Process): Ids {
  let count = 0;
  const life = owner.life;
  return {
    random: () => {
      count += 1;
      return `${owner.name}x${life}x${count}`;
    },
  };
}

export function logOf(world: World, owner: Process): Log {
  const say = (message: string, fields: Readonly<Record<string, unknown>> = {}): void =>
    world.tell(() => `${owner.name}: ${message} ${shown(fields)}`);
  const log: Log = { debug: say, info: say, warn: say, error: say, child: () => log };
  return log;
}

const shown = (fields: Readonly<Record<string, unknown>>): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}=${value instanceof Error ? value.message : JSON.stringify(value)}`)
    .join(' ')
    .slice(0, 300);

const nothing = (): void => undefined;
export const noMetrics: Metrics = {
  counter: () => nothing,
  gauge: () => nothing,
  histogram: () => nothing,
  render: () => Promise.resolve({ contentType: '', body: '' }),
};

/** Nothing is given up in these worlds: a letter is a fact worth telling. */
export function noDeadLetters(world: World): DeadLetters {
  const none = (): Promise<never[]> => Promise.resolve([]);
  return {
    note: (given) => {
      world.tell(() => `dead letter: ${JSON.stringify(given)}`);
      return Promise.reject(new SignalboxError('BUS_UNREACHABLE', 'there are no dead letters here'));
    },
    list: none,
    read: () => Promise.resolve(undefined),
    content: () => Promise.resolve(undefined),
    decide: () => Promise.resolve(false),
    sweep: () => Promise.resolve(0),
    counts: () => Promise.resolve({} as Awaited<ReturnType<DeadLetters['counts']>>),
  };
}
