// Owns: whether what nats-server acknowledges outlives a power cut, as it says itself.
//   disk: every acknowledgement follows an fsync (sync_interval: always). replicated: the operator of the system has chosen that
//   it follows copies in the memory of a majority of at least three servers; the disk comes up to sync_interval later.
import { request as httpRequest } from 'undici';
import { StorageType, type StreamInfo } from '@nats-io/jetstream';
import { SignalboxError } from '../../api/errors.ts';
import type { Durability } from '../../ports/journal.ts';
import type { NatsBus } from './bus.ts';
import { busFailure } from './failure.ts';

export const replicasOf: Readonly<Record<Durability, number>> = { disk: 1, replicated: 3 };

interface Varz {
  readonly cluster?: { readonly name?: string };
  readonly jetstream?: {
    readonly config?: { readonly sync_always?: boolean; readonly sync_interval?: number };
    readonly meta?: { readonly cluster_size?: number };
  };
}

/** Resolves with what is promised, in words; rejects with BUS_NOT_DURABLE when the profile is not what runs. */
export async function assertDurable(
  accounts: readonly NatsBus[],
  monitorUrl: string | undefined,
  profile: Durability,
): Promise<string> {
  if (monitorUrl === undefined) {
    throw new SignalboxError(
      'CONFIG_INVALID',
      'the monitoring URL of nats-server is not set; set SIGNALBOX_NATS_MONITOR_URL (such as http://nats:8222), so that sync_interval can be read back',
    );
  }
  const varz = await readVarz(monitorUrl);
  const config = varz.jetstream?.config;
  const always = config?.sync_always === true;
  if (profile === 'disk') return assertSynced(monitorUrl, config);
  assertCluster(monitorUrl, varz.jetstream?.meta?.cluster_size ?? 1);
  for (const account of accounts) assertReplicas(await durableStreams(account));
  if (always) return 'every acknowledged fact is on the disks of a majority of three servers (sync_interval: always)';
  const seconds = Math.round((config?.sync_interval ?? 0) / 1_000_000_000);
  return `acknowledged facts are in the memory of a majority of three servers: a power cut of all three loses those of the last ${seconds || 'unknown'} s`;
}

function assertSynced(monitorUrl: string, config: NonNullable<Varz['jetstream']>['config']): string {
  if (config?.sync_always === true) return 'every acknowledged fact is on disk (sync_interval: always)';
  throw new SignalboxError(
    'BUS_NOT_DURABLE',
    `nats-server at ${monitorUrl} acknowledges before it has written to disk (sync_interval ${config?.sync_interval ?? 'unknown'} ns); set "sync_interval: always" in its jetstream section and restart it`,
  );
}

function assertCluster(monitorUrl: string, size: number): void {
  const least = replicasOf.replicated;
  if (size >= least) return;
  throw new SignalboxError(
    'BUS_NOT_DURABLE',
    `SIGNALBOX_DURABILITY is replicated, but nats-server at ${monitorUrl} is in a JetStream cluster of ${size}; it takes at least ${least}, or SIGNALBOX_DURABILITY=disk with sync_interval: always`,
  );
}

function assertReplicas(streams: readonly StreamInfo[]): void {
  const least = replicasOf.replicated;
  const poor = streams.filter(
    ({ config, cluster }) => config.num_replicas < least || (cluster?.replicas ?? []).length < least - 1,
  );
  if (streams.length > 0 && poor.length === 0) return;
  const names = poor.map(({ config }) => `${config.name} (${config.num_replicas})`).join(', ');
  throw new SignalboxError(
    'BUS_NOT_DURABLE',
    streams.length === 0
      ? 'no stream is there yet: the operator makes them when it starts with SIGNALBOX_DURABILITY=replicated'
      : `SIGNALBOX_DURABILITY is replicated, but these streams have fewer than ${least} replicas: ${names}; start the operator with the same setting, which raises them`,
  );
}

/** Streams on disk of the account: memory streams are derived and may vanish. */
async function durableStreams(bus: NatsBus): Promise<readonly StreamInfo[]> {
  const found: StreamInfo[] = [];
  try {
    for await (const info of bus.manager.streams.list()) if (info.config.storage === StorageType.File) found.push(info);
    return found;
  } catch (error) {
    throw busFailure(error, 'list the streams');
  }
}

async function readVarz(monitorUrl: string): Promise<Varz> {
  try {
    const answer = await httpRequest(`${monitorUrl}/varz`, { headersTimeout: 3_000, bodyTimeout: 3_000 });
    return (await answer.body.json()) as Varz;
  } catch (error) {
    throw busFailure(error, `read ${monitorUrl}/varz`);
  }
}
