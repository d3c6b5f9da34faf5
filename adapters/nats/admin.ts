// Owns: making streams and consumers: the operator's alone. What was asked for once is made again after each reconnect, since
// streams in memory vanish with their server.
import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  DiscardPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import {
  archiveStream,
  archiveSubject,
  buckets,
  checkpointStream,
  checkpointSubject,
  journalStream,
  journalSubject,
  streams,
} from '../../api/messages/subjects.ts';
import { lettersMax } from '../../core/dead-letter/letter.ts';
import type { BusAdmin } from '../../ports/bus.ts';
import type { NatsBus } from './bus.ts';
import { apiCode, apiCodes, busFailure, isMissingStream } from './failure.ts';

/** Durable consumer of the stream EVENTS, shared by all engines. */
export const eventsConsumer = 'engines';

export interface AdminOptions {
  readonly control: NatsBus;
  readonly work: NatsBus;
  /** Bound of each partition's journal; default 2 GiB. */
  readonly journalBytesMax?: number;
  /** Bound of each partition's checkpoints, of which two may be there at a time; default 1 GiB. */
  readonly checkpointBytesMax?: number;
  /** Bound of each partition's archive; default 2 GiB. */
  readonly archiveBytesMax?: number;
  /** Bound of the ledger; default 2 GiB. */
  readonly ledgerBytesMax?: number;
  /** After this long without an acknowledgement or a sign of work a task is delivered again; default 15,000 ms. */
  readonly taskAckWaitMs?: number;
}

const GiB = 1024 * 1024 * 1024;
const nanos = (ms: number): number => ms * 1_000_000;
type Wanted = Partial<StreamConfig> & { readonly name: string };

/** Gateways read and write these, and may not make them. */
const shared = [buckets.catalog, buckets.keys, buckets.spend, buckets.limits, buckets.witness, buckets.assignments];

export function natsBusAdmin(options: AdminOptions): BusAdmin {
  const { work } = options;
  const again = new Map<string, () => Promise<void>>();
  const remember = async (name: string, make: () => Promise<void>): Promise<void> => {
    again.set(name, make);
    await make();
  };
  // A failure here shows in `problem()` of the bus or at the next ensure; the reconnect after it tries once more.
  work.onReconnect(() => void remake([...again.values()]));
  return {
    ensureStreams: (partitions) => ensureStreams(options, partitions),
    ensureTaskStreams: () =>
      remember('streams', async () => {
        await ensureStream(work, tasks);
        await ensureStream(work, events);
        await ensureConsumer(work, streams.events, eventConsumer);
      }),
    ensureTaskConsumer: (name, subject, maxAckPending) =>
      remember(`consumer ${name}`, () =>
        ensureConsumer(work, streams.tasks, {
          durable_name: name,
          filter_subject: subject,
          ack_policy: AckPolicy.Explicit,
          deliver_policy: DeliverPolicy.All,
          ack_wait: nanos(options.taskAckWaitMs ?? 15_000),
          max_deliver: -1,
          max_ack_pending: maxAckPending,
          max_waiting: 512,
        }),
      ),
    async taskConsumers() {
      try {
        const found = [];
        for await (const info of work.manager.consumers.list(streams.tasks)) {
          const { name, config, num_pending: pending, num_ack_pending: unacknowledged } = info;
          found.push({ name, subject: config.filter_subject ?? '', pending, unacknowledged });
        }
        return found;
      } catch (error) {
        if (isMissingStream(error)) return [];
        throw busFailure(error, 'list task consumers');
      }
    },
    async deleteTaskConsumer(name) {
      again.delete(`consumer ${name}`);
      try {
        await work.manager.consumers.delete(streams.tasks, name);
      } catch (error) {
        if (apiCode(error) === apiCodes.consumerNotFound || isMissingStream(error)) return;
        throw busFailure(error, `delete task consumer ${name}`);
      }
    },
  };
}

async function ensureStreams(options: AdminOptions, partitions: number): Promise<void> {
  const { control } = options;
  const archiveBytesMax = options.archiveBytesMax ?? 2 * GiB;
  const checkpointBytesMax = options.checkpointBytesMax ?? GiB;
  for (let partition = 0; partition < partitions; partition += 1) {
    // The journal last: who finds it finds the others too.
    await ensureStream(control, kept(checkpointStream(partition), checkpointSubject(partition), checkpointBytesMax));
    await ensureStream(control, kept(archiveStream(partition), archiveSubject(partition), archiveBytesMax));
    await ensureStream(control, journal(partition, options.journalBytesMax ?? 2 * GiB));
  }
  await ensureStream(control, ledger(options.ledgerBytesMax ?? 2 * GiB));
  await ensureStream(control, deadLetters);
  await ensureStream(control, evidence);
  await ensureShared(control);
}

const remakeTriesMax = 60;

async function remake(makers: readonly (() => Promise<void>)[]): Promise<void> {
  for (const make of makers) {
    for (let tries = 0; tries < remakeTriesMax; tries += 1) {
      try {
        await make();
        break;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }
}

/** A stream of facts: on disk, and nothing is ever pushed out of it. */
const kept = (name: string, subject: string, bytesMax: number): Wanted => ({
  name,
  subjects: [subject],
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  discard: DiscardPolicy.New,
  max_bytes: bytesMax,
  deny_delete: true,
  allow_direct: false,
});

const journal = (partition: number, bytesMax: number): Wanted =>
  kept(journalStream(partition), journalSubject(partition), bytesMax);

const ledger = (bytesMax: number): Wanted => kept(streams.ledger, 'ledger.>', bytesMax);

const deadLetters: Wanted = {
  name: streams.deadLetters,
  subjects: ['deadletter.>'],
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  discard: DiscardPolicy.New,
  max_msgs: lettersMax,
  max_msgs_per_subject: 1,
  max_bytes: 64 * 1024 * 1024,
  allow_direct: false,
};

/** What verdicts of rollouts rest on: kept for a year after the last one. */
const evidence: Wanted = {
  ...kept(streams.evidence, 'evidence.*', GiB),
  max_age: nanos(400 * 24 * 3_600_000),
};

const tasks: Wanted = {
  name: streams.tasks,
  subjects: ['task.>'],
  retention: RetentionPolicy.Workqueue,
  storage: StorageType.Memory,
  discard: DiscardPolicy.New,
  max_bytes: 64 * 1024 * 1024,
};

const events: Wanted = {
  name: streams.events,
  subjects: ['event.>'],
  retention: RetentionPolicy.Workqueue,
  storage: StorageType.File,
  discard: DiscardPolicy.New,
  max_bytes: 512 * 1024 * 1024,
  duplicate_window: nanos(120_000),
};

const eventConsumer: Partial<ConsumerConfig> = {
  durable_name: eventsConsumer,
  filter_subject: 'event.>',
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.All,
  // What an engine had when it died comes again after this; handling one event twice is no harm.
  ack_wait: nanos(10_000),
  max_deliver: -1,
  max_ack_pending: 1_000,
};

/** Makes the stream, or sets what may be changed of an existing one; never makes it anew. */
async function ensureStream({ manager, replicas }: NatsBus, stream: Wanted): Promise<void> {
  const wanted = { ...stream, num_replicas: stream.storage === StorageType.Memory ? 1 : replicas };
  try {
    const { config } = await manager.streams.info(wanted.name);
    const raised = config.num_replicas < wanted.num_replicas;
    if (config.max_bytes !== wanted.max_bytes || raised) await manager.streams.update(wanted.name, wanted);
  } catch (error) {
    if (!isMissingStream(error)) throw busFailure(error, `look at stream ${wanted.name}`);
    try {
      await manager.streams.add(wanted);
    } catch (failed) {
      if (apiCode(failed) !== apiCodes.streamNameInUse) throw busFailure(failed, `make stream ${wanted.name}`);
    }
  }
}

async function ensureShared(control: NatsBus): Promise<void> {
  for (const name of shared) await control.bucket(name);
  await control.blobs();
  await raiseReplicas(control);
}

/** Buckets and objects that were made with fewer replicas than are wanted now; never fewer than they have. */
async function raiseReplicas({ manager, replicas }: NatsBus): Promise<void> {
  if (replicas === 1) return;
  try {
    for await (const { config } of manager.streams.list()) {
      if (config.storage !== StorageType.File || config.num_replicas >= replicas) continue;
      await manager.streams.update(config.name, { ...config, num_replicas: replicas });
    }
  } catch (error) {
    throw busFailure(error, `raise the replicas to ${replicas}`);
  }
}

/** A create that is refused can destroy the consumer that is there: an existing one is only updated. */
async function ensureConsumer({ manager }: NatsBus, stream: string, wanted: Partial<ConsumerConfig>): Promise<void> {
  const name = wanted.durable_name ?? '';
  try {
    const { config } = await manager.consumers.info(stream, name);
    const { max_ack_pending = 1_000, ack_wait = nanos(30_000) } = wanted;
    if (config.max_ack_pending !== max_ack_pending || config.ack_wait !== ack_wait) {
      await manager.consumers.update(stream, name, { max_ack_pending, ack_wait });
    }
  } catch (error) {
    if (apiCode(error) !== apiCodes.consumerNotFound) throw busFailure(error, `look at consumer ${name}`);
    try {
      await manager.consumers.add(stream, wanted);
    } catch (failed) {
      throw busFailure(failed, `make consumer ${name} of ${stream}`);
    }
  }
}
