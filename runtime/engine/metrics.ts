// Owns: what an engine counts.
import { priorities } from '../../api/messages/priority.ts';
import { type Counts, phases } from '../../core/dispatch/dispatch.ts';
import type { Metrics } from '../../ports/system.ts';

export interface EngineMetrics {
  committed(events: number): void;
  asked(verb: string, outcome: string): void;
  seconds(verb: string, value: number): void;
  partitions(held: number): void;
  runs(byStatus: Readonly<Record<string, number>>): void;
  tasks(waiting: number, claimed: number): void;
  children(open: number): void;
  dispatch(counts: readonly Counts[]): void;
  schedules(count: number): void;
  scheduled(outcome: 'started' | 'retried' | 'refused'): void;
  /** Starts that a namespace's bound has refused. */
  refused(bound: string): void;
  /** 1 while the partition's journal is not trusted. */
  untrusted(partition: number, stopped: boolean): void;
  /** 1 while only a newer engine can read the partition's journal. */
  parked(partition: number, stopped: boolean): void;
  /** Runs of all partitions in memory: as objects, and packed with all their bytes. */
  memory(resident: number, packed: number, packedBytes: number): void;
  journal(partition: number, now: JournalMeasures): void;
  archive(partition: number, bytes: number): void;
  checkpointed(partition: number, seconds: number): void;
  takenOver(partition: number, seconds: number): void;
}

export interface JournalMeasures {
  readonly bytes: number;
  readonly fullness: number;
  readonly checkpointAgeMs: number;
  readonly checkpointBytes: number;
}

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

export function engineMetrics(metrics: Metrics): EngineMetrics {
  const commits = metrics.counter('signalbox_engine_commits_total', 'Records appended to the journal.');
  const events = metrics.counter('signalbox_engine_events_total', 'Events appended to the journal.');
  const asks = metrics.counter('signalbox_engine_requests_total', 'Requests answered.', ['verb', 'outcome']);
  const seconds = metrics.histogram('signalbox_engine_request_seconds', 'Time to an answer.', secondsBuckets, ['verb']);
  const held = metrics.gauge('signalbox_engine_partitions', 'Partitions this engine serves.');
  const runs = metrics.gauge('signalbox_engine_runs', 'Runs of the served partitions by status.', ['status']);
  const tasks = metrics.gauge('signalbox_engine_tasks', 'Activities that wait for or are at a worker.', ['phase']);
  const children = metrics.gauge('signalbox_engine_children', 'Children that runs of the served partitions wait for.');
  const schedules = metrics.gauge('signalbox_engine_schedules', 'Schedules this engine looks after.');
  const scheduled = metrics.counter('signalbox_engine_schedule_starts_total', 'Starts of schedules.', ['outcome']);
  const refused = metrics.counter(
    'signalbox_engine_starts_refused_total',
    'Times a bound of a namespace has refused a start.',
    ['bound'],
  );
  const dispatch = metrics.gauge('signalbox_engine_dispatch_tasks', 'Tasks by priority and how far they are.', [
    'priority',
    'phase',
  ]);
  return {
    dispatch(counts) {
      for (const priority of priorities) {
        for (const phase of phases) {
          const value = counts.reduce((sum, partition) => sum + partition[priority][phase], 0);
          dispatch(value, { priority, phase });
        }
      }
    },
    schedules: (count) => schedules(count),
    scheduled: (outcome) => scheduled({ outcome }),
    refused: (bound) => refused({ bound }),
    ...storageMetrics(metrics),
    ...stopMetrics(metrics),
    committed(count) {
      commits();
      events({}, count);
    },
    asked: (verb, outcome) => asks({ verb, outcome }),
    seconds: (verb, value) => seconds(value, { verb }),
    partitions: (count) => held(count),
    runs(byStatus) {
      for (const [status, count] of Object.entries(byStatus)) runs(count, { status });
    },
    children: (open) => children(open),
    tasks(waiting, claimed) {
      tasks(waiting, { phase: 'waiting' });
      tasks(claimed, { phase: 'claimed' });
    },
  };
}

function stopMetrics(metrics: Metrics): Pick<EngineMetrics, 'untrusted' | 'parked'> {
  const untrusted = metrics.gauge(
    'signalbox_engine_journal_untrusted',
    'Partitions that are not served because their journal is damaged or an older copy.',
    ['partition'],
  );
  const parked = metrics.gauge(
    'signalbox_engine_partitions_parked',
    'Partitions that are not served because a newer engine has written on: bring every engine to its release.',
    ['partition'],
  );
  return {
    untrusted: (partition, stopped) => untrusted(stopped ? 1 : 0, { partition: String(partition) }),
    parked: (partition, stopped) => parked(stopped ? 1 : 0, { partition: String(partition) }),
  };
}

type StorageMetrics = Pick<EngineMetrics, 'memory' | 'journal' | 'archive' | 'checkpointed' | 'takenOver'>;
const longBuckets = [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60];

function storageMetrics(metrics: Metrics): StorageMetrics {
  const gauge = (name: string, help: string) => {
    const set = metrics.gauge(`signalbox_engine_${name}`, help, ['partition']);
    return (partition: number, value: number): void => set(value, { partition: String(partition) });
  };
  const memory = metrics.gauge('signalbox_engine_runs_in_memory', 'Runs as objects, and packed.', ['form']);
  const packedBytes = metrics.gauge('signalbox_engine_packed_bytes', 'Memory of all packed runs.');
  const bytes = gauge('journal_bytes', 'Size of the journal.');
  const fullness = gauge('journal_fullness', 'Share of the journal that is used, of 1.');
  const age = gauge('checkpoint_age_seconds', 'Time since the last checkpoint, or since the takeover.');
  const size = gauge('checkpoint_bytes', 'Size of the last checkpoint.');
  const archived = gauge('archive_bytes', 'Size of the archive.');
  const duration = metrics.histogram(
    'signalbox_engine_checkpoint_seconds',
    'Time to archive, write and purge.',
    longBuckets,
  );
  const takeover = metrics.histogram(
    'signalbox_engine_takeover_seconds',
    'Time to bring a partition into memory.',
    longBuckets,
  );
  return {
    memory(resident, packed, held) {
      memory(resident, { form: 'resident' });
      memory(packed, { form: 'packed' });
      packedBytes(held);
    },
    journal(partition, now) {
      bytes(partition, now.bytes);
      fullness(partition, now.fullness);
      age(partition, now.checkpointAgeMs / 1_000);
      size(partition, now.checkpointBytes);
    },
    archive: archived,
    checkpointed: (_partition, value) => duration(value),
    takenOver: (_partition, value) => takeover(value),
  };
}
