// Owns: content by digest in the object store. Writing the same digest twice is one object.
import type { JetStreamClient } from '@nats-io/jetstream';
import { Objm, StorageType } from '@nats-io/obj';
import { objectStore } from '../../api/messages/subjects.ts';
import type { Blobs } from '../../ports/bus.ts';
import { busFailure } from './failure.ts';

export async function natsBlobs(js: JetStreamClient): Promise<Blobs> {
  const store = await new Objm(js)
    .create(objectStore, { storage: StorageType.File })
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
        return (await store.getBlob(digest)) ?? undefined;
      } catch (error) {
        throw busFailure(error, `read ${digest}`);
      }
    },
  };
}
