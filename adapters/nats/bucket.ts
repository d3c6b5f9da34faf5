// Owns: buckets. A bucket in memory vanishes with its server: it is made again at the next use, and its owner writes it again.
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { buckets } from '../../api/messages/subjects.ts';
import type { Bucket, BucketOptions, Entry } from '../../ports/bus.ts';
import { type Link, unlessReconnected } from './connection.ts';
import { apiCode, apiCodes, busFailure, isMissingStream, isNoResponders, isWrongSequence } from './failure.ts';
import { watchBucket } from './watch.ts';
import { encode } from './wire.ts';

export interface BucketHost {
  readonly js: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly link: Link;
  readonly replicas: number;
}

/** How long a bus event is kept for a run that begins to wait for it. */
const inboxRetentionMs = 24 * 3_600_000;

/** How the product's own buckets are made, whoever asks first. Lease of `owners`: 3 s. */
const known: Readonly<Record<string, BucketOptions>> = {
  [buckets.owners]: { memory: true, ttlMs: 3_000, maxBytes: 1024 * 1024 },
  [buckets.runs]: { memory: true },
  [buckets.escalations]: { memory: true },
  [buckets.versions]: { memory: true },
  [buckets.projected]: { memory: true, maxBytes: 64 * 1024 },
  // Twice the minute that counts. On disk: a restarted server must not give a minute's worth again.
  [buckets.inbox]: { ttlMs: inboxRetentionMs },
  [buckets.limits]: { ttlMs: 2 * 60_000 },
  // Longer than any rollout is under way: then its keys are forgotten.
  [buckets.assignments]: { ttlMs: 60 * 24 * 3_600_000 },
  // Three days: a day's spending is read until the day is over everywhere.
  [buckets.spend]: { ttlMs: 3 * 24 * 3_600_000 },
};

const duplicateWindowMs = 120_000;
const nanos = (ms: number): number => ms * 1_000_000;
const memoryBytesMax = 64 * 1024 * 1024;
const diskBytesMax = 512 * 1024 * 1024;

export async function natsBucket<T>(host: BucketHost, name: string, options?: BucketOptions): Promise<Bucket<T>> {
  const settings = { ...known[name], ...options };
  const ensure = (): Promise<void> => ensureBucket(host, name, settings);
  await ensure();
  const kv = await new Kvm(host.js).open(name, { allow_direct: false });
  const attempt = async <R>(what: string, action: () => Promise<R>): Promise<R> => {
    try {
      return await unlessReconnected(host.link, action());
    } catch (error) {
      if (!isMissingStream(error) && !isNoResponders(error)) throw error;
      await ensure();
      return action().catch((again: unknown) => Promise.reject(busFailure(again, what)));
    }
  };
  return bucketOver<T>({ kv, host, name, ensure, attempt });
}

export interface OpenBucket {
  readonly kv: KV;
  readonly host: BucketHost;
  readonly name: string;
  readonly ensure: () => Promise<void>;
  readonly attempt: <R>(what: string, action: () => Promise<R>) => Promise<R>;
}

function bucketOver<T>(open: OpenBucket): Bucket<T> {
  const { kv, name, attempt } = open;
  const what = (verb: string, key: string): string => `${verb} ${key} of bucket ${name}`;
  return {
    async get(key) {
      try {
        const found = await attempt(what('read', key), () => kv.get(key));
        if (found === null || found.operation !== 'PUT') return undefined;
        return { key, value: found.json<T>(), revision: found.revision } satisfies Entry<T>;
      } catch (error) {
        if (apiCode(error) === apiCodes.messageNotFound) return undefined;
        throw busFailure(error, what('read', key));
      }
    },
    async put(key, value) {
      try {
        return await attempt(what('write', key), () => kv.put(key, encode(value)));
      } catch (error) {
        throw busFailure(error, what('write', key));
      }
    },
    async update(key, value, expectedRevision) {
      try {
        return await attempt(what('update', key), () => compareAndSet(kv, { key, value, expectedRevision }));
      } catch (error) {
        throw busFailure(error, what('update', key));
      }
    },
    async delete(key) {
      try {
        await attempt(what('delete', key), () => kv.delete(key));
      } catch (error) {
        throw busFailure(error, what('delete', key));
      }
    },
    async keys() {
      try {
        const found: string[] = [];
        for await (const key of await attempt(`list bucket ${name}`, () => kv.keys())) found.push(key);
        return found;
      } catch (error) {
        throw busFailure(error, `list bucket ${name}`);
      }
    },
    matching: async (pattern, limit, after = 0) => {
      try {
        return await attempt(`search bucket ${name}`, () => matching<T>(open, pattern, { limit, after }));
      } catch (error) {
        throw busFailure(error, `search bucket ${name}`);
      }
    },
    watch: (signal) => watchBucket<T>(open, signal),
  };
}

/** One request per entry, answered by the leader: without a consumer, so cheap when there is none. */
async function matching<T>(
  { host, name }: OpenBucket,
  pattern: string,
  { limit, after }: { readonly limit: number; readonly after: number },
): Promise<readonly Entry<T>[]> {
  const prefix = `$KV.${name}.`;
  const found: Entry<T>[] = [];
  for (let seq = after + 1; found.length < limit;) {
    // The server knows this query; the client's type of it does not.
    const query = { seq, next_by_subj: prefix + pattern };
    const next = await host.manager.streams.getMessage(`KV_${name}`, query).catch((error: unknown) => {
      if (apiCode(error) === apiCodes.messageNotFound) return null;
      throw error;
    });
    if (next === null) break;
    seq = next.seq + 1;
    if (next.header.get('KV-Operation') !== '') continue;
    found.push({ key: next.subject.slice(prefix.length), value: next.json<T>(), revision: next.seq });
  }
  return found;
}

async function compareAndSet(
  kv: KV,
  {
    key,
    value,
    expectedRevision,
  }: { readonly key: string; readonly value: unknown; readonly expectedRevision: number },
): Promise<number | undefined> {
  const write = (previousSeq: number): Promise<number | undefined> =>
    kv
      .put(key, encode(value), { previousSeq })
      .catch((error: unknown) => (isWrongSequence(error) ? undefined : Promise.reject(error)));
  const written = await write(expectedRevision);
  if (written !== undefined || expectedRevision !== 0) return written;
  // A deleted entry has left a marker, and the marker has a revision.
  const marker = await kv.get(key).catch(() => null);
  return marker === null || marker.operation === 'PUT' ? undefined : write(marker.revision);
}

async function ensureBucket({ manager, replicas }: BucketHost, name: string, options: BucketOptions): Promise<void> {
  const stream = `KV_${name}`;
  const memory = options.memory ?? false;
  try {
    await manager.streams.info(stream);
    return;
  } catch (error) {
    if (!isMissingStream(error)) throw busFailure(error, `open bucket ${name}`);
  }
  try {
    await manager.streams.add({
      name: stream,
      subjects: [`$KV.${name}.>`],
      retention: RetentionPolicy.Limits,
      storage: memory ? StorageType.Memory : StorageType.File,
      num_replicas: memory ? 1 : replicas,
      discard: DiscardPolicy.New,
      max_msgs_per_subject: 1,
      max_bytes: options.maxBytes ?? (memory ? memoryBytesMax : diskBytesMax),
      ...(options.ttlMs === undefined
        ? {}
        : { max_age: nanos(options.ttlMs), duplicate_window: nanos(Math.min(options.ttlMs, duplicateWindowMs)) }),
      allow_direct: false,
      allow_rollup_hdrs: true,
      deny_delete: false,
    });
  } catch (error) {
    if (apiCode(error) !== apiCodes.streamNameInUse) throw busFailure(error, `make bucket ${name}`);
  }
}
