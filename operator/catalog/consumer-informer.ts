// Owns: which task consumers exist, read in turn since NATS has no watch for them. A server that lost its memory has lost
// the task stream and all consumers: the next reading shows it, and the agents make them again.
//   R1: what we make or delete while a reading is under way is known better than that reading knows it.
import type { BusAdmin } from '../../ports/bus.ts';
import { apiVersionOf } from '../../ports/resources.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { TASK_CONSUMER, type TaskConsumerObject } from './objects.ts';
import { ProjectionInformer } from './store.ts';

export interface ConsumerSource {
  readonly admin: Pick<BusAdmin, 'taskConsumers' | 'ensureTaskStreams'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Between two readings, in milliseconds; default 5,000. */
  readonly everyMs?: number;
}

export class ConsumerInformer extends ProjectionInformer<TaskConsumerObject> {
  readonly #source: ConsumerSource;
  #wake = new AbortController();
  /** Made or deleted since the reading began. */
  readonly #newer = new Set<string>();

  constructor(source: ConsumerSource) {
    super(TASK_CONSUMER, source.log);
    this.#source = source;
    this.index('agent', (consumer) => [`${consumer.namespace}/${consumer.agent}`]);
  }

  /** Reads again at once: after a reconnect. */
  refresh(): void {
    this.#wake.abort();
  }

  override async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#wake = new AbortController();
      try {
        await this.#read();
        this.markSynced();
      } catch (error) {
        this.markStale(error instanceof Error ? error.message : String(error));
      }
      const either = AbortSignal.any([signal, this.#wake.signal]);
      await this.#source.clock.sleep(this.#source.everyMs ?? 5_000, either).catch(() => undefined);
    }
  }

  /** A consumer that we just made or deleted. */
  wrote(name: string): void {
    this.#newer.add(name);
    const object = consumerObject(name, false);
    if (object !== undefined) this.put(object, true);
  }

  forgot(name: string): void {
    this.#newer.add(name);
    this.remove({ name });
  }

  async #read(): Promise<void> {
    this.#newer.clear();
    const all = await this.#source.admin.taskConsumers();
    const found = all.filter(({ name }) => !this.#newer.has(name));
    if (all.length === 0 && this.store.size > 0) await this.#source.admin.ensureTaskStreams();
    const names = new Set<string>();
    for (const { name, pending, unacknowledged } of found) {
      const object = consumerObject(name, pending + unacknowledged > 0);
      if (object === undefined) continue;
      names.add(name);
      const before = this.store.get({ name });
      if (before?.busy !== object.busy) this.put(object);
    }
    for (const { metadata } of this.store.list()) {
      if (!names.has(metadata.name) && !this.#newer.has(metadata.name)) this.remove({ name: metadata.name });
    }
  }
}

/** `<ns>_<agent>_<12 hex>`; undefined for consumers that are none of ours. */
function consumerObject(name: string, busy: boolean): TaskConsumerObject | undefined {
  const [namespace, agent, bundle, ...rest] = name.split('_');
  if (!namespace || !agent || !bundle || rest.length > 0) return undefined;
  return {
    apiVersion: apiVersionOf(TASK_CONSUMER),
    kind: TASK_CONSUMER.kind,
    metadata: { name },
    namespace,
    agent,
    bundle,
    busy,
  };
}
