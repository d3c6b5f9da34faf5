// Owns: keeping commit records small. A top-level field of an event above `fieldBytesMax` is replaced by a reference to the
// object store; readers never see the reference. A value that merely looks like a reference is stored the same way.
import { createHash } from 'node:crypto';
import { SignalboxError } from '../../api/errors.ts';
import type { CommitRecord, HistoryEvent } from '../../api/messages/history.ts';
import type { RecordText } from '../../core/journal/record-text.ts';
import type { Blobs } from '../../ports/bus.ts';
import { decode, encode } from './wire.ts';

export const fieldBytesMax = 65_536;
/** In a record that does not fit into a message otherwise. */
export const tightBytesMax = 4_096;
const parallelMax = 8;

interface BlobReference {
  readonly $blob: string;
  readonly bytes: number;
}

/** The record as it is written; everything it refers to is stored when this resolves. Most records have nothing large. */
export async function outlineFields(
  { text, eventBytesMax }: RecordText,
  blobs: () => Promise<Blobs>,
  bytesMax = fieldBytesMax,
): Promise<string> {
  if (eventBytesMax <= bytesMax && !text.includes('"$blob"')) return text;
  const record = JSON.parse(text) as CommitRecord;
  const stored: (() => Promise<void>)[] = [];
  const outlining = { blobs, stored, bytesMax };
  const runs = record.runs.map((run) => ({
    ...run,
    events: run.events.map((event) => outlineEvent(event, outlining)),
  }));
  if (stored.length === 0) return text;
  for (let at = 0; at < stored.length; at += parallelMax) {
    await Promise.all(stored.slice(at, at + parallelMax).map((store) => store()));
  }
  return JSON.stringify({ ...record, runs });
}

interface Outlining {
  readonly blobs: () => Promise<Blobs>;
  readonly stored: (() => Promise<void>)[];
  readonly bytesMax: number;
}

function outlineEvent(event: HistoryEvent, { blobs, stored, bytesMax }: Outlining): HistoryEvent {
  const large = Object.entries(event).filter(([, value]) => isReference(value) || maybeLarge(value, bytesMax));
  if (large.length === 0) return event;
  const replaced = large.flatMap(([field, value]) => {
    const bytes = encode(value);
    if (bytes.length <= bytesMax && !isReference(value)) return [];
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    stored.push(async () => (await blobs()).put(digest, bytes));
    return [[field, { $blob: digest, bytes: bytes.length } satisfies BlobReference] as const];
  });
  return { ...event, ...Object.fromEntries(replaced) };
}

/** Cheap enough for each field: false only when its JSON certainly is small. */
const maybeLarge = (value: unknown, bytesMax: number): boolean => bytesAtMost(value, bytesMax) > bytesMax;

/** A character takes at most six bytes in JSON, a number or a word at most 25. */
function bytesAtMost(value: unknown, enough: number): number {
  if (typeof value === 'string') return 6 * value.length + 2;
  if (typeof value !== 'object' || value === null) return 25;
  let bytes = 2;
  for (const key in value) {
    bytes += 6 * key.length + 4 + bytesAtMost((value as Readonly<Record<string, unknown>>)[key], enough);
    if (bytes > enough) break;
  }
  return bytes;
}

function isReference(value: unknown): value is BlobReference {
  return typeof value === 'object' && value !== null && '$blob' in value;
}

/** The record as it was before `outlineFields`. */
export async function inlineFields(record: CommitRecord, blobs: () => Promise<Blobs>): Promise<CommitRecord> {
  const outlined = record.runs.some((run) => run.events.some((event) => Object.values(event).some(isReference)));
  if (!outlined) return record;
  const store = await blobs();
  const inlineEvent = async (event: HistoryEvent): Promise<HistoryEvent> => {
    const fields = Object.entries(event).map(async ([field, value]) => {
      const whole: unknown = isReference(value) ? await fetchBlob(store, value) : value;
      return [field, whole] as const;
    });
    return Object.fromEntries(await Promise.all(fields)) as unknown as HistoryEvent;
  };
  const runs = [];
  for (const run of record.runs) runs.push({ ...run, events: await Promise.all(run.events.map(inlineEvent)) });
  return { ...record, runs };
}

async function fetchBlob(store: Blobs, { $blob }: BlobReference): Promise<unknown> {
  const bytes = await store.get($blob);
  if (bytes === undefined) {
    throw new SignalboxError('JOURNAL_CORRUPT', `the journal names ${$blob}, but the object store does not have it`);
  }
  return decode(bytes, $blob);
}
