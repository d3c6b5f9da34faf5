// Owns: the processes of a world: the real engine, worker and gateway, started over the ports of the simulator.
import { natsJournal } from '../../adapters/nats/journal.ts';
import { natsLedger, natsLedgerSweep } from '../../adapters/nats/ledger.ts';
import { natsOwnership } from '../../adapters/nats/ownership.ts';
import { checkpointPolicy } from '../../core/journal/checkpoint.ts';
import type { StatePacking } from '../../core/journal/entries.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import { initialState, type RunState } from '../../core/workflow/state.ts';
import { startEngine } from '../../runtime/engine/engine.ts';
import { storageDefault } from '../../runtime/engine/ports.ts';
import { gatewayOf, serveAsks } from '../../runtime/gateway/gateway.ts';
import { startWorker } from '../../runtime/worker/worker.ts';
import { busOf, clockOf, idsOf, logOf, noDeadLetters, noMetrics, type Stored } from './bus.ts';
import { bundles, namespace } from './definitions.ts';
import type { Network } from './network.ts';
import type { Outside } from './outside.ts';
import type { Process } from './world.ts';

export const receiptKey = new Uint8Array(32).fill(7);

/** Checkpoints come often enough to be met by every fault. */
const storage = { ...storageDefault, checkpoint: { ...checkpointPolicy, records: 8 } };

/** States as text: what compression does is no matter here. */
const plainPacking = (): StatePacking => ({
  pack: (state) => Buffer.from(JSON.stringify(state)),
  unpack: (run, bytes) => ({ ...initialState(run), ...(JSON.parse(Buffer.from(bytes).toString()) as RunState) }),
  dictionaries: () => [],
  restore: () => undefined,
});

export interface Host {
  readonly network: Network;
  readonly outside: Outside;
  readonly stored: Stored;
}

export function engine({ network, stored }: Host, owner: Process): void {
  const { world } = network;
  const bus = busOf(network, owner, stored);
  void natsOwnership(bus).then((ownership) => {
    startEngine(
      {
        control: bus,
        work: bus,
        journal: natsJournal(bus),
        ownership,
        ledger: natsLedgerSweep(bus),
        packing: plainPacking,
        deadLetters: noDeadLetters(world),
        clock: clockOf(world, owner),
        ids: idsOf(owner),
        log: logOf(world, owner),
        metrics: noMetrics,
        receiptKey,
      },
      { name: owner.name, partitions: network.partitions, storage },
    );
  });
}

export function worker({ network, stored }: Host, owner: Process, agent: string): void {
  const bundle = bundles[agent];
  if (bundle === undefined) throw new Error(`no bundle for ${agent}`);
  const { world } = network;
  const ports = {
    bus: busOf(network, owner, stored),
    clock: clockOf(world, owner),
    log: logOf(world, owner),
    metrics: noMetrics,
  };
  startWorker(ports, { namespace, agent, bundle, slots: 2, name: `${owner.name}x${owner.life}` });
}

export function gateway({ network, outside, stored }: Host, owner: Process): void {
  const { world } = network;
  const bus = busOf(network, owner, stored);
  const made = gatewayOf(
    {
      control: bus,
      ledger: natsLedger(bus),
      model: outside.model(owner),
      tools: outside.tools(owner),
      credentials: { read: () => Promise.resolve('secret') },
      clock: clockOf(world, owner),
      ids: idsOf(owner),
      log: logOf(world, owner),
      metrics: noMetrics,
      receiptKey,
    },
    {
      namespace,
      opener: `${owner.name}.${owner.life}`,
      partitionOf: (run) => partitionOf(run, network.partitions),
    },
  );
  serveAsks(made, bus);
}
