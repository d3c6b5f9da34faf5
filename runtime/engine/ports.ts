// Owns: what an engine is made of.
import type { Bus, Presence } from '../../ports/bus.ts';
import type { DeadLetters } from '../../ports/dead-letters.ts';
import { checkpointPolicy, type CheckpointPolicy } from '../../core/journal/checkpoint.ts';
import type { StatePacking } from '../../core/journal/entries.ts';
import type { TenantBounds } from '../../core/tenant/bounds.ts';
import type { Journal, LedgerSweep, Ownership } from '../../ports/journal.ts';
import type { Clock, Ids, Log, Metrics } from '../../ports/system.ts';

export interface EnginePorts {
  /** Account CONTROL. */
  readonly control: Bus;
  /** Account WORK. */
  readonly work: Bus;
  /** Of workers, in account WORK; without it their silence tells. */
  readonly presence?: Presence;
  readonly journal: Journal;
  readonly ownership: Ownership;
  readonly ledger: LedgerSweep;
  /** One for each partition. */
  readonly packing: () => StatePacking;
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Verifies what the gateway signed. */
  readonly receiptKey: Uint8Array;
}

export interface EngineSettings {
  /** Unique among engines: the pod's name. */
  readonly name: string;
  /** Fixed at install. */
  readonly partitions: number;
  readonly storage?: StorageSettings;
  /** What a namespace may have and do where it declares nothing; default: no bound but the journal's. */
  readonly tenants?: TenantBounds;
}

export interface StorageSettings {
  readonly checkpoint: CheckpointPolicy;
  /** A closed run is forgotten after this: then its business key may start anew. */
  readonly closedMs: number;
  /** Closed runs of a partition that are kept at most. */
  readonly closedMax: number;
}

export const storageDefault: StorageSettings = {
  checkpoint: checkpointPolicy,
  closedMs: 7 * 24 * 3_600_000,
  closedMax: 100_000,
};
