// Owns: the partition log on JetStream, one stream per partition.
//   J1: an append is one message with the sequence it expects: compare-and-set is the only fence.
//   J2: after 10071, 10164 or no answer, the tail is read from the leader and one's own record looked for by its id.
//   J3: reads of truth go to the stream's leader; direct get is off.
//   J4: a field of an event above 64 KiB lies in the object store; it was written there before the record that names it.
//   J5: a server whose disk is full or fails stays silent: then its health page is asked, and no more is tried.
import { createHash } from 'node:crypto';
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type { CommitRecord } from '../../api/messages/history.ts';
import { journalStream, journalSubject } from '../../api/messages/subjects.ts';
import type { Blobs } from '../../ports/bus.ts';
import type { Appended, Durability, Journal, PartitionJournal, StoredRecord } from '../../ports/journal.ts';
import { natsArchive } from './archive.ts';
import type { NatsBus } from './bus.ts';
import { unlessReconnected } from './connection.ts';
import { natsCheckpoints } from './checkpoints.ts';
import { rolledBack } from '../../core/journal/chain.ts';
import type { RecordText } from '../../core/journal/record-text.ts';
import { newerVersion, recordVersion, writtenByNewer } from '../../core/journal/version.ts';
import { assertDurable } from './durability.ts';
import { apiCode, apiCodes, busFailure, isMissingStream, isUnknownOutcome, isWrongSequence } from './failure.ts';
import { fieldBytesMax, inlineFields, outlineFields, tightBytesMax } from './large-fields.ts';
import { readStream, streamEnd, unreadable } from './read-stream.ts';
import { decode } from './wire.ts';
import { assertWritable, isDiskError } from './write-errors.ts';
import { failpoint } from '../../ports/failpoint.ts';

export interface JournalOptions {
  /** What was chosen for the installation; default `disk`. */
  readonly durability?: Durability;
  /** The server's monitoring page, `http://host:8222`: the only place where it says its sync_interval. */
  readonly monitorUrl?: string;
  /** The newest commit records that are read, as an older release would; default all that this code knows. */
  readonly recordVersion?: number;
  /** The other accounts whose streams on disk hold what was acknowledged: bus events are in one of their own. */
  readonly accounts?: readonly NatsBus[];
  /** How long one append may take before its outcome is unknown; default 5,000 ms, tried three times. */
  readonly appendTimeoutMs?: number;
}

const appendTriesMax = 3;
/** Below the server's `max_payload` of 1 MiB, which counts headers too. */
const messageBytesMax = 1_000_000;

export function natsJournal(bus: NatsBus, options: JournalOptions = {}): Journal {
  return {
    async partition(partition) {
      const stream = journalStream(partition);
      try {
        await bus.manager.streams.info(stream);
      } catch (error) {
        if (!isMissingStream(error)) throw busFailure(error, `open ${stream}`);
        throw new SignalboxError('NOT_FOUND', `${stream} does not exist yet: the operator makes it when it starts`);
      }
      const writable = (): Promise<void> =>
        assertWritable(options.monitorUrl).catch((error: unknown) =>
          // That the page is away is no news about the disk.
          isDiskError(error) ? Promise.reject(error) : undefined,
        );
      await writable();
      const { appendTimeoutMs: timeoutMs = 5_000, recordVersion: upTo = recordVersion } = options;
      return partitionJournal({ bus, partition, timeoutMs, writable, upTo });
    },
    assertDurable: () =>
      assertDurable([bus, ...(options.accounts ?? [])], options.monitorUrl, options.durability ?? 'disk'),
    assertWritable: () => assertWritable(options.monitorUrl),
  };
}

function partitionJournal(opened: Opened): PartitionJournal {
  const { bus, partition } = opened;
  const stream = journalStream(partition);
  const asRecord = (bytes: Uint8Array, seq: number): CommitRecord => readRecord(bytes, { ...opened, stream, seq });
  const parse = async (seq: number, bytes: Uint8Array): Promise<StoredRecord> => ({
    seq,
    record: await inlineFields(asRecord(bytes, seq), () => bus.blobs()),
    digest: digestOf(bytes),
  });
  const lastSeq = (): Promise<number> => streamEnd(bus, stream);
  const at = async (seq: number): Promise<StoredRecord | undefined> => {
    try {
      const found = await bus.manager.streams.getMessage(stream, { seq });
      return found === null ? undefined : await parse(seq, found.data);
    } catch (error) {
      if (apiCode(error) === apiCodes.messageNotFound) return undefined;
      throw busFailure(error, `read ${stream} record ${seq}`);
    }
  };
  return {
    partition,
    lastSeq,
    size: () => sizeOf(bus, stream),
    at,
    read: (fromSeq) => readRecords(bus, stream, parse, fromSeq),
    async *readStored(fromSeq) {
      for await (const { seq, bytes } of readStream(bus, stream, fromSeq)) {
        yield { seq, record: asRecord(bytes, seq), digest: digestOf(bytes), bytes: bytes.length };
      }
    },
    async purgeBefore(seq) {
      try {
        await bus.manager.streams.purge(stream, { seq });
      } catch (error) {
        throw busFailure(error, `purge ${stream} before ${seq}`);
      }
    },
    checkpoints: natsCheckpoints(bus, partition, opened.timeoutMs),
    archive: natsArchive(bus, partition, opened.timeoutMs),
    append: (record, expectedSeq) => append({ ...opened, lastSeq, at }, record, expectedSeq),
  };
}

async function sizeOf(bus: NatsBus, stream: string): Promise<{ readonly bytes: number; readonly fullness: number }> {
  try {
    const { state, config } = await bus.manager.streams.info(stream);
    return { bytes: state.bytes, fullness: config.max_bytes > 0 ? state.bytes / config.max_bytes : 0 };
  } catch (error) {
    throw busFailure(error, `read the size of ${stream}`);
  }
}

async function* readRecords(
  bus: NatsBus,
  stream: string,
  parse: (seq: number, bytes: Uint8Array) => Promise<StoredRecord>,
  fromSeq: number,
): AsyncGenerator<StoredRecord> {
  for await (const { seq, bytes } of readStream(bus, stream, fromSeq)) yield await parse(seq, bytes);
}

interface Opened {
  readonly bus: NatsBus;
  readonly partition: number;
  readonly timeoutMs: number;
  /** Rejects when the server says that it cannot write. */
  readonly writable: () => Promise<void>;
  readonly upTo: number;
}

interface Appending extends Opened {
  readonly lastSeq: () => Promise<number>;
  readonly at: (seq: number) => Promise<StoredRecord | undefined>;
}

async function append(to: Appending, record: RecordText, expectedSeq: number): Promise<Appended> {
  const bytes = await messageOf(record, () => to.bus.blobs());
  let last: unknown;
  for (let tries = 0; tries < appendTriesMax; tries += 1) {
    try {
      const publish = to.bus.jetstream.publish(journalSubject(to.partition), bytes, {
        expect: { lastSequence: expectedSeq },
        timeout: to.timeoutMs,
      });
      const ack = await unlessReconnected(to.bus.link, publish);
      return { seq: ack.seq, digest: digestOf(bytes) };
    } catch (error) {
      last = error;
      const own = await settle(to, record, { expectedSeq, error });
      if (own !== undefined) return own;
      // J5. What was on its way may be on the disk all the same: its outcome is unknown.
      await to.writable().catch((why: unknown) => Promise.reject(unknown(to, why)));
    }
  }
  throw unknown(to, last);
}

/** J4. A record that does not fit into a message leaves more of itself to the object store. */
async function messageOf(record: RecordText, blobs: () => Promise<Blobs>): Promise<Uint8Array> {
  let bytes: Uint8Array = new Uint8Array();
  for (const fieldMax of [fieldBytesMax, tightBytesMax]) {
    const text = await outlineFields(record, blobs, fieldMax);
    if (text !== record.text) failpoint('engine.blob.stored');
    bytes = Buffer.from(text);
    if (bytes.length <= messageBytesMax) break;
  }
  return bytes;
}

const unknown = (to: Appending, why: unknown): SignalboxError =>
  busFailure(
    isSignalboxError(why) ? new Error(why.message, { cause: why }) : why,
    `append to ${journalStream(to.partition)}: outcome unknown, reload before going on`,
  );

/** J2: where one's own record is, undefined when the same append may be tried again; rejects when it cannot succeed. */
async function settle(
  to: Appending,
  record: RecordText,
  failed: { readonly expectedSeq: number; readonly error: unknown },
): Promise<Appended | undefined> {
  const { error, expectedSeq } = failed;
  if (!isWrongSequence(error) && !isUnknownOutcome(error)) throw refusal(to.partition, error);
  const tail = await to.lastSeq();
  if (tail === expectedSeq) return undefined;
  if (tail < expectedSeq) throw rolledBack(to.partition, expectedSeq, tail);
  const written = await to.at(expectedSeq + 1);
  if (written?.record.id === record.id) return written;
  throw new SignalboxError(
    'JOURNAL_FENCED',
    `partition ${to.partition}: expected to write after record ${expectedSeq}, but ${written?.record.owner ?? 'somebody'} wrote up to ${tail}; reload and take over again if this engine is the owner`,
    { cause: error },
  );
}

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function refusal(partition: number, error: unknown): SignalboxError {
  const code = apiCode(error);
  if (code === apiCodes.storeFailed || code === apiCodes.maximumBytes || code === apiCodes.storageFull) {
    return new SignalboxError(
      'JOURNAL_FULL',
      `partition ${partition}: the journal has reached its bound or the disk is full; archive or enlarge it`,
      { cause: error },
    );
  }
  return busFailure(error, `append to ${journalStream(partition)}`);
}

function readRecord(
  bytes: Uint8Array,
  { stream, seq, upTo }: Opened & { readonly stream: string; readonly seq: number },
): CommitRecord {
  let record: Partial<CommitRecord> | null;
  try {
    record = decode(bytes, `${stream} record ${seq}`) as Partial<CommitRecord> | null;
  } catch (error) {
    throw unreadable(stream, seq, error);
  }
  const newer = newerVersion(record, upTo);
  if (newer !== undefined) throw writtenByNewer(`${stream} record ${seq}`, newer);
  if (typeof record === 'object' && record?.v === 1 && typeof record.id === 'string' && Array.isArray(record.runs)) {
    return record as CommitRecord;
  }
  throw unreadable(stream, seq, new Error('it is no commit record'));
}
