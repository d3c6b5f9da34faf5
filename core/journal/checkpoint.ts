// Owns: a checkpoint as bytes, and when one is due. A checkpoint at record N is every run of the partition as N left it; with
// it and the records after N the partition is folded again.
import type { ChainEnd } from './chain.ts';
import type { Row } from './columns.ts';
import type { TableEntry } from './entries.ts';

export interface CheckpointHead {
  readonly v: 1;
  /** The record it stands at. */
  readonly end: ChainEnd;
  /** Histories up to this record are archived. */
  readonly archivedTo: number;
  readonly facetsVersion: number;
  readonly groups: readonly string[];
  readonly at: number;
}

export interface CheckpointTail {
  readonly runs: number;
  readonly dictionaries: readonly string[];
}

const fixedBytes = 1 + 8 * 3 + 4 * 4 + 2 + 1 + 1;

export function encodeEntry(entry: TableEntry): Uint8Array {
  const { run, bytes } = entry;
  const encoded = new Uint8Array(fixedBytes + run.length + bytes.length);
  const view = new DataView(encoded.buffer);
  view.setUint8(0, run.length);
  view.setFloat64(1, entry.wakeAt);
  view.setFloat64(9, entry.startedAt);
  view.setFloat64(17, entry.closedAt);
  view.setUint32(25, entry.awaits);
  view.setUint32(29, entry.firstSegment);
  view.setUint32(33, entry.lastSegment);
  view.setUint32(37, bytes.length);
  view.setUint16(41, entry.group);
  view.setUint8(43, entry.status);
  view.setUint8(44, entry.flags);
  for (let at = 0; at < run.length; at += 1) encoded[fixedBytes + at] = run.charCodeAt(at);
  encoded.set(bytes, fixedBytes + run.length);
  return encoded;
}

/** Entries out of pieces of bytes that are cut anywhere. */
export class EntryReader {
  #rest = new Uint8Array(0);

  /** Entries that are whole now. */
  *read(piece: Uint8Array): Generator<TableEntry> {
    const bytes = this.#rest.length === 0 ? piece : joined(this.#rest, piece);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (at + fixedBytes <= bytes.length) {
      const start = at + fixedBytes;
      const runEnd = start + view.getUint8(at);
      const end = runEnd + view.getUint32(at + 37);
      if (end > bytes.length) break;
      const run = String.fromCharCode(...bytes.subarray(start, runEnd));
      yield { ...rowOf(view, at), run, bytes: bytes.subarray(runEnd, end) };
      at = end;
    }
    this.#rest = bytes.slice(at);
  }

  /** True when nothing is left over. */
  get whole(): boolean {
    return this.#rest.length === 0;
  }
}

const rowOf = (view: DataView, at: number): Row => ({
  wakeAt: view.getFloat64(at + 1),
  startedAt: view.getFloat64(at + 9),
  closedAt: view.getFloat64(at + 17),
  awaits: view.getUint32(at + 25),
  firstSegment: view.getUint32(at + 29),
  lastSegment: view.getUint32(at + 33),
  group: view.getUint16(at + 41),
  status: view.getUint8(at + 43),
  flags: view.getUint8(at + 44),
});

function joined(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}

export interface CheckpointPolicy {
  /** Records after the last checkpoint that make one due. */
  readonly records: number;
  /** Their bytes; at least as many as the last checkpoint had, so that writing it costs at most as much again. */
  readonly bytes: number;
  /** After this long one record is enough. */
  readonly ms: number;
  /** Share of the journal's bound from which on one record is enough. */
  readonly fullness: number;
}

export const checkpointPolicy: CheckpointPolicy = { records: 100_000, bytes: 16_000_000, ms: 600_000, fullness: 0.5 };

export interface SinceCheckpoint {
  readonly records: number;
  readonly bytes: number;
  readonly ms: number;
  readonly fullness: number;
  readonly lastBytes: number;
}

export function isCheckpointDue(since: SinceCheckpoint, policy: CheckpointPolicy = checkpointPolicy): boolean {
  if (since.records === 0) return false;
  if (since.records >= policy.records || since.ms >= policy.ms || since.fullness >= policy.fullness) return true;
  return since.bytes >= Math.max(policy.bytes, since.lastBytes);
}
