// Owns: the witness of the journals outside of their store, in a ConfigMap. Looked at in rounds: read Kubernetes, the bucket,
// the journal, in this order; decide; write the bucket, then Kubernetes, each only where it is otherwise. A round that fails
// anywhere is made again.
import { isSignalboxError } from '../../api/errors.ts';
import { buckets } from '../../api/messages/subjects.ts';
import { type Kept, readKept, witnessMapKeys, witnessMapName } from '../../core/journal/witness-map.ts';
import { type ToldWitness, witnessKeys } from '../../core/journal/witness.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import type { Journal } from '../../ports/journal.ts';
import type { Kube, KubeObject } from '../../ports/kube.ts';
import { apiVersionOf, CONFIG_MAP } from '../../ports/resources.ts';
import type { Clock, Log, Metrics } from '../../ports/system.ts';
import type { EventIntent } from '../controller/plan.ts';
import type { Recorder } from '../controller/recorder.ts';
import { decide, type Found, lossText, type Step } from './plan.ts';

const LOOK_MS = 10_000;
/** While a loss waits for a person. */
const LOOK_SOON_MS = 2_000;
const name = 'journal-witness';

export interface KeepingOptions {
  /** Guarded. */
  readonly kube: Kube;
  readonly recorder: Recorder;
  readonly signal: AbortSignal;
  readonly control: Bus;
  readonly journal: Journal;
  readonly namespace: string;
  readonly partitions: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

interface WitnessMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

type Changes = Record<string, string | null>;
type Bucketed = Bucket<ToldWitness>;

/** Until the signal fires. */
export async function keepWitness(options: KeepingOptions): Promise<void> {
  const { control, clock, signal } = options;
  const log = options.log.child({ controller: name });
  const gauge = options.metrics.gauge('signalbox_journal_lost', 'Partitions with a loss nobody accepted.', [
    'partition',
  ]);
  const state: { wake: AbortController } = { wake: new AbortController() };
  // NATS is back, perhaps with another store.
  control.onReconnect(() => state.wake.abort());
  while (!signal.aborted) {
    state.wake = new AbortController();
    let soon = true;
    try {
      soon = await round({ ...options, log }, gauge);
    } catch (error) {
      log.warn('the witness of the journals could not be looked at; it is tried again', { error });
    }
    const pause = AbortSignal.any([signal, state.wake.signal]);
    await clock.sleep(soon ? LOOK_SOON_MS : LOOK_MS, pause).catch(() => undefined);
  }
}

/** Resolves true when somebody should look again soon. */
async function round(options: KeepingOptions, gauge: ReturnType<Metrics['gauge']>): Promise<boolean> {
  const map = await openMap(options);
  const bucket = await options.control.bucket<ToldWitness>(buckets.witness);
  const changes: Changes = {};
  const events: EventIntent[] = [];
  let soon = false;
  for (let partition = 0; partition < options.partitions; partition += 1) {
    try {
      const kept = readKept(map.data ?? {}, partition);
      const step = decide(kept, await look(options, bucket, { partition, kept }));
      await tellEngines(bucket, partition, step);
      Object.assign(changes, changesOf(partition, step));
      const event = eventOf(partition, step);
      if (event !== undefined) events.push(event);
      const lost = step.kind === 'Lost' || (step.kind === 'Nothing' && kept.lost !== undefined);
      gauge(lost ? 1 : 0, { partition: String(partition) });
      soon ||= lost;
    } catch (error) {
      soon = true;
      const level = isSignalboxError(error, 'NOT_FOUND') ? 'debug' : 'error';
      options.log[level]('the witness of a partition cannot be compared; it is tried again', { partition, error });
    }
  }
  if (Object.keys(changes).length > 0) await write(options, map, changes);
  for (const event of events) {
    options.log[event.type === 'Warning' ? 'error' : 'info'](event.note, { reason: event.reason });
    options.recorder.record(name, map, event);
  }
  return soon;
}

async function openMap({ kube, namespace }: KeepingOptions): Promise<WitnessMap> {
  const found = await kube.get<WitnessMap>(CONFIG_MAP, { namespace, name: witnessMapName });
  if (found !== undefined) return found;
  return kube.create<WitnessMap>(CONFIG_MAP, {
    apiVersion: apiVersionOf(CONFIG_MAP),
    kind: CONFIG_MAP.kind,
    metadata: { namespace, name: witnessMapName, labels: { 'app.kubernetes.io/part-of': 'signalbox' } },
  });
}

async function look(
  { journal }: KeepingOptions,
  bucket: Bucketed,
  { partition, kept }: { readonly partition: number; readonly kept: Kept },
): Promise<Found> {
  const stored = await bucket.get(witnessKeys.end(partition));
  const told = await bucket.get(witnessKeys.told(partition));
  const opened = await journal.partition(partition);
  const end = await opened.lastSeq();
  const seq = kept.witness?.seq ?? 0;
  const record = seq === 0 || seq > end ? undefined : await opened.at(seq);
  return {
    end,
    ...(stored === undefined ? {} : { stored: stored.value }),
    ...(told === undefined ? {} : { told: told.value }),
    ...(record === undefined ? {} : { record: { seq, digest: record.digest } }),
  };
}

async function tellEngines(bucket: Bucketed, partition: number, step: Step): Promise<void> {
  if (step.kind === 'Lost') await bucket.put(witnessKeys.told(partition), step.told);
  if (step.kind !== 'Accept' || step.lowered) return;
  const { ends: seq, id } = step.acceptance;
  await bucket.put(witnessKeys.end(partition), { seq, digest: '' });
  await bucket.put(witnessKeys.told(partition), { seq, digest: '', accepted: id });
}

function changesOf(partition: number, step: Step): Changes {
  const keys = witnessMapKeys(partition);
  switch (step.kind) {
    case 'Nothing':
      return {};
    case 'Keep':
      return { [keys.witness]: JSON.stringify(step.witness) };
    case 'Lost':
      return { [keys.lost]: JSON.stringify(step.lost) };
    case 'Whole':
      return { [keys.lost]: null };
    case 'Accept':
      return { [keys.witness]: JSON.stringify({ seq: step.acceptance.ends, digest: '' }), [keys.lost]: null };
  }
}

/** Refused with a conflict when somebody else wrote since it was read. */
async function write({ kube, namespace }: KeepingOptions, map: WitnessMap, data: Changes): Promise<void> {
  const { resourceVersion } = map.metadata;
  await kube.mergePatch(CONFIG_MAP, { namespace, name: witnessMapName }, { metadata: { resourceVersion }, data });
}

function eventOf(partition: number, step: Step): EventIntent | undefined {
  switch (step.kind) {
    case 'Nothing':
    case 'Keep':
      return undefined;
    case 'Lost':
      return {
        type: 'Warning',
        reason: 'JournalRolledBack',
        action: 'CompareJournal',
        note: lossText(partition, step.lost),
      };
    case 'Whole':
      return {
        type: 'Normal',
        reason: 'JournalWhole',
        action: 'CompareJournal',
        note: `partition ${partition}: everything that was known to be committed is there again`,
      };
    case 'Accept': {
      const { by, reason, ends, committed } = step.acceptance;
      const note = `partition ${partition}: ${by} accepted that the journal ends at record ${ends} though record ${committed} was committed: ${reason}`;
      return { type: 'Warning', reason: 'JournalLossAccepted', action: 'AcceptLoss', note };
    }
  }
}
