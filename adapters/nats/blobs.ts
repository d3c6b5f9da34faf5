// Owns: content by digest in the object store. Writing the same digest twice is one object.
//   B1: reading makes no consumer: the client's own `get` leaves one on disk for minutes, and a server that restarts takes 20 ms
//       for each, which with a thousand of them is a minute in which nothing is answered.
import { createHash } from 'node:crypto';
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { type ObjectInfo, Objm, StorageType } from '@nats-io/obj';
import { SignalboxError } from '../../api/errors.ts';
import { objectStore } from '../../api/messages/subjects.ts';
import type { Blobs } from '../../ports/bus.ts';
import { apiCode, apiCodes, busFailure } from './failure.ts';

export async function natsBlobs(js: JetStreamClient, manager: JetStreamManager, replicas: number): Promise<Blobs> {
  const store = await new Objm(js)
    .create(objectStore, { storage: StorageType.File, replicas })
    // It is there, with other replicas: only the operator changes that.
    .catch((error: unknown) =>
      apiCode(error) === apiCodes.streamNameInUse ? new Objm(js).open(objectStore) : Promise.reject(error),
    )
    .catch((error: unknown) => Promise.reject(busFailure(error, 'open the object store')));
  return {
    async put(digest, bytes) {
      try {
        const known = await store.info(digest);
        if (known !== null && !known.deleted && known.size === bytes.length) return;
        await store.putBlob({ name: digest }, bytes);
      } catch (error) {
        throw busFailure(error, `store ${digest}`);
      }
    },
    async get(digest) {
      try {
        const info = await store.info(digest);
        return info === null || info.deleted ? undefined : await readChunks(manager, info);
      } catch (error) {
        throw busFailure(error, `read ${digest}`);
      }
    },
  };
}

/** In the order in which they were written; rejects when they are not what the object store says. */
async function readChunks(manager: JetStreamManager, { name, nuid, size, digest }: ObjectInfo): Promise<Uint8Array> {
  const subject = `$O.${objectStore}.C.${nuid}`;
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
  if (bytes.length === size && digest.replace(/^SHA-256=/, '').replace(/=+$/, '') === found) return bytes;
  throw new SignalboxError(
    'JOURNAL_CORRUPT',
    `object ${name} is not what was stored: ${bytes.length} of ${size} bytes`,
  );
}
