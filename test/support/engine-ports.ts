// Owns: what an engine under test is made of, beside its connections.
import {
  type NatsBus,
  natsDeadLetters,
  natsJournal,
  natsLedgerSweep,
  natsOwnership,
  natsPresence,
} from '../../adapters/nats/nats.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemIds } from '../../adapters/system/ids.ts';
import { jsonLog } from '../../adapters/system/log.ts';
import { promMetrics } from '../../adapters/system/metrics.ts';
import { statePacking } from '../../adapters/system/packing.ts';
import type { EnginePorts } from '../../runtime/engine/ports.ts';

export interface PortOptions {
  readonly name: string;
  readonly receiptKey: Uint8Array;
  /** The newest commit records that it reads, as an older release would. */
  readonly recordVersion?: number;
}

export async function enginePorts(
  { control, work }: { readonly control: NatsBus; readonly work: NatsBus },
  { name, receiptKey, ...written }: PortOptions,
): Promise<EnginePorts> {
  return {
    control,
    work,
    journal: natsJournal(control, { appendTimeoutMs: 1_000, ...written }),
    ownership: await natsOwnership(control),
    presence: natsPresence(work),
    ledger: natsLedgerSweep(control),
    packing: statePacking,
    deadLetters: natsDeadLetters(control, () => systemClock().now()),
    clock: systemClock(),
    ids: systemIds(),
    log: jsonLog({ name, level: process.env['LOG_LEVEL'] ?? 'silent' }),
    metrics: promMetrics({ processMetrics: false }),
    receiptKey,
  };
}
