// Owns: what is kept of every run of a partition in plain numbers, one place per run. A place that was given back is used again.
import type { RunStatus } from '../../api/messages/history.ts';

export const statuses: readonly RunStatus[] = ['Running', 'Waiting', 'Frozen', 'Closed'];
export const closedStatus = statuses.indexOf('Closed');

/** Facets are known and say that nothing is to be done. */
export const flagQuiet = 1;
/** Facets are known. */
export const flagKnown = 2;
/** In a checkpoint: what people see of the run was behind. */
export const flagUnprojected = 4;
/** An object shows the run, or people were asked about it. */
export const flagShown = 8;
/** It may be packed although something is wanted for it: what is wanted is kept elsewhere. */
export const flagRests = 16;

/** The columns of one run. */
export interface Row {
  /** Infinity: it does not wake by itself. */
  wakeAt: number;
  /** `eventKey` of what it waits for; 0: nothing. */
  awaits: number;
  startedAt: number;
  /** 0: open. */
  closedAt: number;
  status: number;
  flags: number;
  /** Number of its namespace and workflow. */
  group: number;
  /** Archive segments with its first and its last archived events; 0: none. */
  firstSegment: number;
  lastSegment: number;
}

type Column = Float64Array | Uint32Array | Uint16Array | Uint8Array;
const smallest = 64;

export class Columns {
  #size = 0;
  readonly #free: number[] = [];
  wakeAt = new Float64Array(smallest);
  startedAt = new Float64Array(smallest);
  closedAt = new Float64Array(smallest);
  place = new Float64Array(smallest);
  length = new Uint32Array(smallest);
  awaits = new Uint32Array(smallest);
  firstSegment = new Uint32Array(smallest);
  lastSegment = new Uint32Array(smallest);
  group = new Uint16Array(smallest);
  touched = new Uint32Array(smallest);
  status = new Uint8Array(smallest);
  flags = new Uint8Array(smallest);

  /** Places are below this. */
  get size(): number {
    return this.#size;
  }

  add(): number {
    const slot = this.#free.pop() ?? this.#size;
    if (slot === this.#size) this.#size += 1;
    if (slot >= this.status.length) this.#grow();
    this.write(slot, {
      wakeAt: Number.POSITIVE_INFINITY,
      awaits: 0,
      startedAt: 0,
      closedAt: 0,
      status: 0,
      flags: 0,
      group: 0,
      firstSegment: 0,
      lastSegment: 0,
    });
    this.length[slot] = 0;
    this.touched[slot] = 0;
    return slot;
  }

  giveBack(slot: number): void {
    this.wakeAt[slot] = Number.POSITIVE_INFINITY;
    this.closedAt[slot] = 0;
    this.#free.push(slot);
  }

  write(slot: number, row: Row): void {
    this.wakeAt[slot] = row.wakeAt;
    this.awaits[slot] = row.awaits;
    this.startedAt[slot] = row.startedAt;
    this.closedAt[slot] = row.closedAt;
    this.status[slot] = row.status;
    this.flags[slot] = row.flags;
    this.group[slot] = row.group;
    this.firstSegment[slot] = row.firstSegment;
    this.lastSegment[slot] = row.lastSegment;
  }

  read(slot: number): Row {
    return {
      wakeAt: this.wakeAt[slot] ?? Number.POSITIVE_INFINITY,
      awaits: this.awaits[slot] ?? 0,
      startedAt: this.startedAt[slot] ?? 0,
      closedAt: this.closedAt[slot] ?? 0,
      status: this.status[slot] ?? 0,
      flags: this.flags[slot] ?? 0,
      group: this.group[slot] ?? 0,
      firstSegment: this.firstSegment[slot] ?? 0,
      lastSegment: this.lastSegment[slot] ?? 0,
    };
  }

  #grow(): void {
    const larger = <C extends Column>(column: C, made: C): C => {
      made.set(column);
      return made;
    };
    const length = Math.ceil(this.status.length * 1.5);
    this.wakeAt = larger(this.wakeAt, new Float64Array(length));
    this.startedAt = larger(this.startedAt, new Float64Array(length));
    this.closedAt = larger(this.closedAt, new Float64Array(length));
    this.place = larger(this.place, new Float64Array(length));
    this.length = larger(this.length, new Uint32Array(length));
    this.awaits = larger(this.awaits, new Uint32Array(length));
    this.firstSegment = larger(this.firstSegment, new Uint32Array(length));
    this.lastSegment = larger(this.lastSegment, new Uint32Array(length));
    this.group = larger(this.group, new Uint16Array(length));
    this.touched = larger(this.touched, new Uint32Array(length));
    this.status = larger(this.status, new Uint8Array(length));
    this.flags = larger(this.flags, new Uint8Array(length));
  }
}
