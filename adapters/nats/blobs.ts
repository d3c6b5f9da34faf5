// Owns: content by digest in the object store. Writing the same digest twice is one object.
//   B1: reading makes no consumer: the client's own `get` leaves one on disk for minutes, and a server that restarts takes 20 ms
//       for each, which with a thousand of them is a minute in which nothing is answered.
//   B2: nothing that was written is taken away. The client's own `put` purges what it wrote when no answer comes; its last
//       message may be stored all the same, and then names content that is gone.
//   B3: what is there counts when it is whole, not when it is named.
import { createHash } from 'node:crypto';
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { type ObjectInfo, type ObjectStore, Objm, StorageType } from '@nats-io/obj';
import { headers, nuid } from '@nats-io/transport-node';
import { SignalboxError } from '../../api/errors.ts';
import { objectStore } from '../../api/messages/subjects.ts';
import type { Blobs } from '../../ports/bus.ts';
import { failpoint } from '../../ports/failpoint.ts';
import { type Link, unlessReconnected } from './connection.ts';
import { apiCode, apiCodes, busFailure } from './failure.ts';
import { encode } from './wire.ts';

export interface BlobHost {
  readonly js: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly link: Link;
  readonly replicas: number;
}

const chunkBytesMax = 128 * 1024;
const PUBLISH_TIMEOUT_MS = 5_000;

const chunkSubject = (id: string): string => `$O.${objectStore}.C.${id}`;
/** The name in the URL-safe alphabet, with its padding: as every client of an object store writes it. */
const metaSubject = (name: string): string =>
  `$O.${objectStore}.M.${Buffer.from(name).toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`;

export async function natsBlobs(host: BlobHost): Promise<Blobs> {
  const store = await openStore(host);
  return {
    async put(digest, bytes) {
      try {
        const known = await infoOf(store, digest);
        if (known?.size === bytes.length && (await readChunks(host.manager, known)) !== undefined) return;
        await write(host, digest, bytes);
      } catch (error) {
        throw busFailure(error, `store ${digest}`);
      }
    },
    async get(digest) {
      try {
        const info = await infoOf(store, digest);
        if (info === undefined) return undefined;
        const bytes = await readChunks(host.manager, info);
        if (bytes !== undefined) return bytes;
      } catch (error) {
        throw busFailure(error, `read ${digest}`);
      }
      throw new SignalboxError('JOURNAL_CORRUPT', `object ${digest} is named, but its content is not what was stored`);
    },
  };
}

function openStore({ js, replicas }: BlobHost): Promise<ObjectStore> {
  const stores = new Objm(js);
  return (
    stores
      .create(objectStore, { storage: StorageType.File, replicas })
      // It is there, with other replicas: only the operator changes that.
      .catch((error: unknown) =>
        apiCode(error) === apiCodes.streamNameInUse ? stores.open(objectStore) : Promise.reject(error),
      )
      .catch((error: unknown) => Promise.reject(busFailure(error, 'open the object store')))
  );
}

async function infoOf(store: ObjectStore, digest: string): Promise<ObjectInfo | undefined> {
  const info = await store.info(digest);
  return info === null || info.deleted ? undefined : info;
}

/** B2: the chunks under a name of their own, then the message that names them. */
async function write({ js, link }: BlobHost, name: string, bytes: Uint8Array): Promise<void> {
  const id = nuid.next();
  const publish = (subject: string, data: Uint8Array, more: object = {}): Promise<unknown> =>
    unlessReconnected(link, js.publish(subject, data, { timeout: PUBLISH_TIMEOUT_MS, ...more }));
  let chunks = 0;
  for (let at = 0; at < bytes.length; at += chunkBytesMax, chunks += 1) {
    await publish(chunkSubject(id), bytes.subarray(at, at + chunkBytesMax));
  }
  const info = {
    name,
    bucket: objectStore,
    nuid: id,
    size: bytes.length,
    chunks,
    mtime: new Date().toISOString(),
    digest: `SHA-256=${createHash('sha256').update(bytes).digest('base64url')}`,
    deleted: false,
    options: { max_chunk_size: chunkBytesMax },
  };
  failpoint('engine.blob.written');
  const newest = headers();
  newest.set('Nats-Rollup', 'sub');
  await publish(metaSubject(name), encode(info), { headers: newest });
}

/** In the order in which they were written; undefined when they are not what the object store says. */
async function readChunks(
  manager: JetStreamManager,
  { nuid: id, size, digest }: ObjectInfo,
): Promise<Uint8Array | undefined> {
  const subject = chunkSubject(id);
  const chunks: Uint8Array[] = [];
  let read = 0;
  for (let seq = 1; read < size;) {
    // The server knows this query; the client's type of it does not.
    const next = { seq, next_by_subj: subject };
    const found = await manager.streams.getMessage(`OBJ_${objectStore}`, next);
    if (found === null) break;
    chunks.push(found.data);
    read += found.data.length;
    seq = found.seq + 1;
  }
  const bytes = Buffer.concat(chunks);
  const found = createHash('sha256').update(bytes).digest('base64url');
  const whole = bytes.length === size && digest.replace(/^SHA-256=/, '').replace(/=+$/, '') === found;
  return whole ? bytes : undefined;
}
