// Owns: what an engine is made of.
import type { Bus, Presence } from '../../ports/bus.ts';
import type { DeadLetters } from '../../ports/dead-letters.ts';
import type { Journal, Ownership } from '../../ports/journal.ts';
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
}
