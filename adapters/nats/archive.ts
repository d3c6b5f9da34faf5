// Owns: histories that have left a partition's journal, in the stream ARCHIVE_<p>: one compressed message per segment. Large
// fields stay in the object store, where the journal's records had them.
import { createHash } from 'node:crypto';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { SignalboxError } from '../../api/errors.ts';
import { archiveStream, archiveSubject } from '../../api/messages/subjects.ts';
import type { ArchiveSegment } from '../../core/journal/archive.ts';
import { newerVersion, writtenByNewer } from '../../core/journal/version.ts';
import type { Archive } from '../../ports/journal.ts';
import type { NatsBus } from './bus.ts';
import { apiCode, apiCodes, busFailure } from './failure.ts';
import { inlineFields } from './large-fields.ts';
import { unreadable } from './read-stream.ts';
import { decode, encode } from './wire.ts';

/** A segment that does not fit into a message goes to the object store, and the message names it. */
const messageBytesMax = 900_000;
const plain = 0x28;

export function natsArchive(bus: NatsBus, partition: number, timeoutMs: number): Archive {
  const stream = archiveStream(partition);
  return {
    async append(segment) {
      const bytes = zstdCompressSync(encode(segment));
      const message = bytes.length <= messageBytesMax ? bytes : await apart(bus, bytes);
      try {
        return (await bus.jetstream.publish(archiveSubject(partition), message, { timeout: timeoutMs })).seq;
      } catch (error) {
        throw refusal(partition, error);
      }
    },
    async read(segment) {
      const stored = await messageAt(bus, stream, segment);
      if (stored === undefined) return undefined;
      const bytes = stored[0] === plain ? stored : await fetched(bus, stored, `${stream} segment ${segment}`);
      let parsed: ArchiveSegment;
      try {
        parsed = decode(zstdDecompressSync(bytes), `${stream} segment ${segment}`) as ArchiveSegment;
      } catch (error) {
        throw unreadable(stream, segment, error);
      }
      const newer = newerVersion(parsed);
      if (newer !== undefined) throw writtenByNewer(`${stream} segment ${segment}`, newer);
      return parsed;
    },
    async whole(run) {
      const { runs } = await inlineFields({ v: 1, id: '', owner: '', epoch: 0, runs: [run] }, () => bus.blobs());
      return runs[0]?.events ?? [];
    },
    async purgeBefore(segment) {
      try {
        await bus.manager.streams.purge(stream, { seq: segment });
      } catch (error) {
        throw busFailure(error, `purge ${stream}`);
      }
    },
    async bytes() {
      try {
        return (await bus.manager.streams.info(stream)).state.bytes;
      } catch (error) {
        throw busFailure(error, `read the size of ${stream}`);
      }
    },
  };
}

async function messageAt(bus: NatsBus, stream: string, seq: number): Promise<Uint8Array | undefined> {
  try {
    return (await bus.manager.streams.getMessage(stream, { seq }))?.data;
  } catch (error) {
    if (apiCode(error) === apiCodes.messageNotFound) return undefined;
    throw busFailure(error, `read ${stream} segment ${seq}`);
  }
}

async function apart(bus: NatsBus, bytes: Uint8Array): Promise<Uint8Array> {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  await (await bus.blobs()).put(digest, bytes);
  return encode({ $blob: digest });
}

async function fetched(bus: NatsBus, message: Uint8Array, what: string): Promise<Uint8Array> {
  const { $blob } = decode(message, what) as { readonly $blob: string };
  const bytes = await (await bus.blobs()).get($blob);
  if (bytes !== undefined) return bytes;
  throw new SignalboxError('JOURNAL_CORRUPT', `${what} names ${$blob}, but the object store does not have it`);
}

function refusal(partition: number, error: unknown): SignalboxError {
  const code = apiCode(error);
  if (code === apiCodes.storeFailed || code === apiCodes.maximumBytes || code === apiCodes.storageFull) {
    return new SignalboxError(
      'JOURNAL_FULL',
      `partition ${partition}: its archive has reached its bound or the disk is full; enlarge ${archiveStream(partition)}`,
      { cause: error },
    );
  }
  return busFailure(error, `append to ${archiveStream(partition)}`);
}
