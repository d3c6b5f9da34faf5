// Owns: what people read in `kubectl describe`. Telling must never hold up or fail a reconcile: the queue is bounded,
// what does not fit is dropped and counted. Repeats of one text are one Event with a growing `series`.
import { createHash } from 'node:crypto';
import { isSignalboxError } from '../../api/errors.ts';
import type { Kube, KubeObject } from '../../ports/kube.ts';
import { EVENT, apiVersionOf } from '../../ports/resources.ts';
import type { Clock, Ids, Instant, Log, Metrics } from '../../ports/system.ts';
import { microTime } from './micro-time.ts';
import type { EventIntent } from './plan.ts';

export interface RecorderOptions {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** Pod name: `reportingInstance`. */
  readonly instance: string;
}

export interface Recorder {
  /** `controller` becomes `reportingController: signalbox.dev/<controller>`. Returns at once. */
  record(controller: string, regarding: KubeObject, event: EventIntent): void;
  /** Resolves when everything recorded so far was sent or dropped. */
  flush(): Promise<void>;
}

const QUEUE_MAX = 1_000;
const SERIES_MAX = 4_096;
/** The same text after a silence this long is a new Event. */
const SERIES_ENDS_MS = 360_000;
/** A series that goes on is written at most this often. */
const SERIES_REFRESH_MS = 60_000;
/** Per object: so many different texts at once, then one more every five minutes. */
const BURST = 25;
const REFILL_MS = 300_000;
const NOTE_MAX_BYTES = 1_024;
const INSTANCE_MAX = 128;
const NAME_MAX = 200;

interface Series {
  readonly name: string;
  readonly namespace: string;
  count: number;
  lastAt: Instant;
  writtenAt: Instant;
}

interface Budget {
  left: number;
  at: Instant;
}

/** Events of one process. */
export function eventRecorder(options: RecorderOptions): Recorder {
  return new BoundedRecorder(options);
}

class BoundedRecorder implements Recorder {
  readonly #options: RecorderOptions;
  readonly #series = new Map<string, Series>();
  readonly #budgets = new Map<string, Budget>();
  readonly #queue: (() => Promise<void>)[] = [];
  readonly #dropped: (reason: 'queueFull' | 'tooMany' | 'refused' | 'namespaceGoing') => void;
  #sending: Promise<void> = Promise.resolve();
  #busy = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
    const count = options.metrics?.counter('signalbox_events_dropped_total', 'Events not told, by reason.', ['reason']);
    this.#dropped = (reason) => count?.({ reason });
  }

  record(controller: string, regarding: KubeObject, event: EventIntent): void {
    const now = this.#options.clock.now();
    const id = identity(controller, regarding, event);
    const known = this.#series.get(id);
    if (known !== undefined && now - known.lastAt <= SERIES_ENDS_MS) {
      this.#repeat(known, now);
    } else if (spend(this.#budgets, regarding.metadata.uid ?? regarding.metadata.name, now)) {
      const { instance, ids, kube } = this.#options;
      const object = eventObject({ controller, regarding, event, now, instance, suffix: ids.random() });
      const namespace = object.metadata.namespace ?? 'default';
      remember(this.#series, id, { name: object.metadata.name, namespace, count: 1, lastAt: now, writtenAt: now });
      this.#enqueue(async () => {
        await kube.create(EVENT, object);
      });
    } else {
      this.#dropped('tooMany');
    }
  }

  async flush(): Promise<void> {
    await this.#sending;
  }

  #repeat(known: Series, now: Instant): void {
    known.count += 1;
    known.lastAt = now;
    if (known.count > 2 && now - known.writtenAt < SERIES_REFRESH_MS) return;
    known.writtenAt = now;
    this.#enqueue(() => patchSeries(this.#options.kube, known));
  }

  #enqueue(job: () => Promise<void>): void {
    if (this.#queue.length >= QUEUE_MAX) {
      this.#dropped('queueFull');
      return;
    }
    this.#queue.push(job);
    if (this.#busy) return;
    this.#busy = true;
    this.#sending = this.#drain();
  }

  async #drain(): Promise<void> {
    for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) {
      await job().catch((error: unknown) => {
        const going = isNamespaceGoing(error);
        this.#dropped(going ? 'namespaceGoing' : 'refused');
        if (!going) this.#options.log.warn('an event could not be recorded', { error });
      });
    }
    this.#busy = false;
  }
}

/** A namespace that is being removed takes no more events: nothing is wrong. */
const isNamespaceGoing = (error: unknown): boolean =>
  isSignalboxError(error, 'KUBE_FORBIDDEN') && error.message.includes('because it is being terminated');

/** Only `series` may change in an Event. One that expired at the server is told anew next time. */
async function patchSeries(kube: Kube, entry: Series): Promise<void> {
  const patch = { series: { count: entry.count, lastObservedTime: microTime(entry.lastAt) } };
  try {
    await kube.mergePatch(EVENT, { namespace: entry.namespace, name: entry.name }, patch);
  } catch (error) {
    if (!isSignalboxError(error, 'NOT_FOUND')) throw error;
    entry.lastAt = -Infinity;
  }
}

function identity(controller: string, regarding: KubeObject, event: EventIntent): string {
  const { type, reason, action, note } = event;
  return createHash('sha256')
    .update(JSON.stringify([controller, regarding.metadata.uid, type, reason, action, note]))
    .digest('base64url');
}

function spend(budgets: Map<string, Budget>, uid: string, now: Instant): boolean {
  const budget = budgets.get(uid) ?? { left: BURST, at: now };
  const refilled = Math.min(BURST, budget.left + (now - budget.at) / REFILL_MS);
  budget.at = now;
  budget.left = refilled >= 1 ? refilled - 1 : refilled;
  remember(budgets, uid, budget);
  return refilled >= 1;
}

/** Newest last; the oldest entry makes room. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= SERIES_MAX) break;
    map.delete(oldest);
  }
}

interface EventParts {
  readonly controller: string;
  readonly regarding: KubeObject;
  readonly event: EventIntent;
  readonly now: Instant;
  readonly instance: string;
  readonly suffix: string;
}

function eventObject(parts: EventParts): KubeObject {
  const { regarding, event } = parts;
  const { name, namespace, uid, resourceVersion } = regarding.metadata;
  return {
    apiVersion: apiVersionOf(EVENT),
    kind: EVENT.kind,
    metadata: { name: `${name.slice(0, NAME_MAX)}.${parts.suffix.toLowerCase()}`, namespace: namespace ?? 'default' },
    eventTime: microTime(parts.now),
    reportingController: `signalbox.dev/${parts.controller}`,
    reportingInstance: parts.instance.slice(0, INSTANCE_MAX),
    regarding: { apiVersion: regarding.apiVersion, kind: regarding.kind, name, namespace, uid, resourceVersion },
    type: event.type,
    reason: event.reason,
    action: event.action,
    note: cutBytes(event.note, NOTE_MAX_BYTES),
  };
}

function cutBytes(text: string, max: number): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= max) return text;
  return `${bytes
    .subarray(0, max - 4)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')}…`;
}
