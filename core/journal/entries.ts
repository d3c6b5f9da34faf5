// Owns: a run as bytes: how it is packed, and what a checkpoint has of it.
import type { RunState } from '../workflow/state.ts';
import type { Row } from './columns.ts';

/** Turns a state into few bytes and back. What was packed for one partition is unpacked with its dictionaries. */
export interface StatePacking {
  pack(state: RunState): Uint8Array;
  unpack(run: string, bytes: Uint8Array): RunState;
  dictionaries(): readonly string[];
  restore(dictionaries: readonly string[]): void;
}

/** One run of a checkpoint. */
export interface TableEntry extends Row {
  readonly run: string;
  readonly bytes: Uint8Array;
}
