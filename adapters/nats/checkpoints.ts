// Owns: checkpoints of one partition in the stream CHECKPOINT_<p>: one after the other, each cut into messages.
//   C1: only a checkpoint with its last message counts; that message carries the digest of all its pieces.
//   C2: each message is written with the sequence it expects, so two writers never mix, and the newest one is never behind.
import { createHash } from 'node:crypto';
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import { checkpointStream, checkpointSubject } from '../../api/messages/subjects.ts';
import type { CheckpointHead, CheckpointTail } from '../../core/journal/checkpoint.ts';
import { newerVersion, writtenByNewer } from '../../core/journal/version.ts';
import { failpoint } from '../../ports/failpoint.ts';
import type { Checkpoints, StoredCheckpoint } from '../../ports/journal.ts';
import type { NatsBus } from './bus.ts';
import { apiCode, apiCodes, busFailure, isWrongSequence } from './failure.ts';
import { readStream, streamEnd, unreadable } from './read-stream.ts';
import { decode, encode } from './wire.ts';

interface PartHeader {
  readonly v: 1;
  readonly part: number;
  /** Sequence of the checkpoint's first message; absent in that one. */
  readonly base?: number;
  /** In the first message. */
  readonly head?: CheckpointHead;
  /** In the last message. */
  readonly last?: { readonly tail: CheckpointTail; readonly bytes: number; readonly digest: string };
}

const pieceBytesMax = 512 * 1024;

export function natsCheckpoints(bus: NatsBus, partition: number, timeoutMs: number): Checkpoints {
  const stream = checkpointStream(partition);
  /** What the stream looked like at the last look: the next one is written after it. */
  let seen: { readonly lastSeq: number; readonly base: number; readonly at: number } | undefined;
  const publish = async (header: PartHeader, piece: Uint8Array, expected: number): Promise<number> => {
    try {
      const ack = await bus.jetstream.publish(checkpointSubject(partition), framed(header, piece), {
        expect: { lastSequence: expected },
        timeout: timeoutMs,
      });
      return ack.seq;
    } catch (error) {
      if (isWrongSequence(error)) throw fenced(partition, error);
      throw busFailure(error, `write a checkpoint to ${stream}`);
    }
  };
  return {
    async newest() {
      const lastSeq = await streamEnd(bus, stream);
      const found = await newestComplete(bus, stream, lastSeq);
      seen = { lastSeq, base: found?.base ?? 0, at: found?.checkpoint.head.end.seq ?? 0 };
      return found?.checkpoint;
    },
    async write(head, pieces, tail) {
      if (seen === undefined) throw new Error('look for the newest checkpoint before you write one');
      if (seen.at > head.end.seq) throw fenced(partition);
      const hash = createHash('sha256');
      let [base, part, expected, bytes] = [0, 0, seen.lastSeq, 0];
      const send = async (piece: Uint8Array, more: Partial<PartHeader> = {}): Promise<void> => {
        hash.update(piece);
        bytes += piece.length;
        const first = part === 0 ? { head } : { base };
        expected = await publish({ v: 1, part, ...first, ...more }, piece, expected);
        if (part === 0) base = expected;
        part += 1;
      };
      for await (const piece of inPieces(pieces)) {
        await send(piece);
        failpoint('engine.checkpoint.part');
      }
      if (part === 0) await send(new Uint8Array(0));
      failpoint('engine.checkpoint.last');
      const last = { tail: tail(), bytes, digest: hash.digest('hex') };
      const lastSeq = await publish({ v: 1, part, base, last }, new Uint8Array(0), expected);
      seen = { lastSeq, base, at: head.end.seq };
      return bytes;
    },
    async purgeOlder() {
      if (seen === undefined || seen.base <= 1) return;
      try {
        await bus.manager.streams.purge(stream, { seq: seen.base });
      } catch (error) {
        throw busFailure(error, `purge ${stream}`);
      }
    },
  };
}

interface Found {
  readonly base: number;
  readonly checkpoint: StoredCheckpoint;
}

/** Looks from the end backwards: an incomplete one says where it began, and what is before it is the one before. */
async function newestComplete(bus: NatsBus, stream: string, lastSeq: number): Promise<Found | undefined> {
  for (let seq = lastSeq; seq > 0;) {
    const message = await messageAt(bus, stream, seq);
    if (message === undefined) return undefined;
    const { header } = unframed(message, stream, seq);
    const base = header.base ?? seq;
    if (header.last !== undefined) return { base, checkpoint: await open(bus, stream, base, header.last) };
    seq = base - 1;
  }
  return undefined;
}

async function open(
  bus: NatsBus,
  stream: string,
  base: number,
  { tail, bytes, digest }: NonNullable<PartHeader['last']>,
): Promise<StoredCheckpoint> {
  const first = await messageAt(bus, stream, base);
  const head = first === undefined ? undefined : unframed(first, stream, base).header.head;
  if (head === undefined) throw unreadable(stream, base);
  return {
    head,
    bytes,
    tail: () => tail,
    async *pieces() {
      const hash = createHash('sha256');
      for await (const message of readStream(bus, stream, base)) {
        const { header, piece } = unframed(message.bytes, stream, message.seq);
        if (header.last !== undefined) break;
        hash.update(piece);
        yield piece;
      }
      if (hash.digest('hex') !== digest) throw unreadable(stream, base, new Error('a piece is missing or was changed'));
    },
  };
}

async function messageAt(bus: NatsBus, stream: string, seq: number): Promise<Uint8Array | undefined> {
  try {
    return (await bus.manager.streams.getMessage(stream, { seq }))?.data;
  } catch (error) {
    if (apiCode(error) === apiCodes.messageNotFound) return undefined;
    throw busFailure(error, `read ${stream} message ${seq}`);
  }
}

async function* inPieces(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let [waiting, bytes]: [Uint8Array[], number] = [[], 0];
  for await (const piece of pieces) {
    waiting.push(piece);
    bytes += piece.length;
    if (bytes < pieceBytesMax) continue;
    const all = Buffer.concat(waiting);
    let at = 0;
    for (; all.length - at >= pieceBytesMax; at += pieceBytesMax) yield all.subarray(at, at + pieceBytesMax);
    waiting = [all.subarray(at)];
    bytes = all.length - at;
  }
  if (bytes > 0) yield Buffer.concat(waiting);
}

function framed(header: PartHeader, piece: Uint8Array): Uint8Array {
  const text = encode(header);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, text, piece]);
}

function unframed(bytes: Uint8Array, stream: string, seq: number): { header: PartHeader; piece: Uint8Array } {
  try {
    const length = Buffer.from(bytes.buffer, bytes.byteOffset, 4).readUInt32BE();
    const header = decode(bytes.subarray(4, 4 + length), `${stream} message ${seq}`) as PartHeader;
    const newer = newerVersion(header);
    if (newer !== undefined) throw writtenByNewer(`${stream} message ${seq}`, newer);
    return { header, piece: bytes.subarray(4 + length) };
  } catch (error) {
    throw isSignalboxError(error, 'JOURNAL_NEWER') ? error : unreadable(stream, seq, error);
  }
}

function fenced(partition: number, cause?: unknown): SignalboxError {
  return new SignalboxError('JOURNAL_FENCED', `partition ${partition}: somebody else has written a checkpoint`, {
    cause,
  });
}
