// Owns: keeping a store equal to the server, for ever: list, watch from there, resume after every break, list again and
// tell the differences when the position is too old. No error ends it.
import { isSignalboxError } from '../../api/errors.ts';
import type { Informer, Informers, Store, StoreChange } from '../../ports/cache.ts';
import type { Kube, KubeObject, Resource, Selection, WatchEvent } from '../../ports/kube.ts';
import { describe } from '../../ports/resources.ts';
import type { Clock, Log, Metrics } from '../../ports/system.ts';
import { statusOf } from './failure.ts';
import { ObjectStore } from './store.ts';

export interface InformersOptions {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** Freeze every object, to find code that changes what it only may read; default: under test. */
  readonly freeze?: boolean;
}

const BACKOFF_FIRST_MS = 800;
const BACKOFF_MAX_MS = 30_000;
/** A server that restarts is back within a minute: until then, look often. */
const BRIEF_MS = 60_000;
const BRIEF_BACKOFF_MAX_MS = 2_000;
/** A watch that held this long was healthy: the next failure starts from the shortest wait. */
const HEALTHY_MS = 120_000;
/** A watch the server ends sooner than this is no success: wait before the next. */
const SHORT_WATCH_MS = 1_000;
/** Refused this often in a row by a server that answers: the position itself may be the reason. */
const RELIST_AFTER_REFUSALS = 3;
/** Breaks shorter than this are not worth a word. */
const STALE_AFTER_MS = 20_000;
/** A watch that was not refused within this time is open. */
const OPEN_AFTER_MS = 5_000;

/** One informer per kind and selection; run each until the program ends. */
export function createInformers(options: InformersOptions): Informers {
  const made = new Map<string, Reflector<KubeObject>>();
  return {
    of<T extends KubeObject>(resource: Resource, selection: Selection = {}): Informer<T> {
      const id = `${describe(resource, undefined)} ${JSON.stringify(selection)}`;
      let informer = made.get(id);
      if (informer === undefined) {
        informer = new Reflector(resource, selection, options);
        made.set(id, informer);
      }
      return informer as unknown as Informer<T>;
    },
    all: () => [...made.values()],
  };
}

class Reflector<T extends KubeObject> implements Informer<T> {
  readonly resource: Resource;
  readonly #selection: Selection;
  readonly #options: InformersOptions;
  readonly #store: ObjectStore<T>;
  readonly #log: Log;
  readonly #count: ReturnType<typeof informerMetrics>;
  /** Where to go on watching; undefined: list first. */
  #position: string | undefined;
  #synced = false;
  #failure: { readonly since: number; readonly reason: string } | undefined;
  #attemptAt = 0;
  #refusals = 0;

  constructor(resource: Resource, selection: Selection, options: InformersOptions) {
    this.resource = resource;
    this.#selection = selection;
    this.#options = options;
    this.#store = new ObjectStore<T>({ freeze: options.freeze ?? process.env['NODE_ENV'] === 'test' });
    this.#log = options.log.child({ informer: describe(resource, undefined) });
    this.#count = informerMetrics(options.metrics, resource.plural);
  }

  get store(): Store<T> {
    return this.#store;
  }

  index(name: string, values: (object: T) => readonly string[]): void {
    this.#store.addIndex(name, values);
  }

  onChange(listener: (change: StoreChange<T>) => void): void {
    this.#store.listen((change) => {
      try {
        listener(change);
      } catch (error) {
        this.#log.error('a listener failed; the change is lost to it', { error });
      }
    });
  }

  synced(): boolean {
    return this.#synced;
  }

  staleness(): string | undefined {
    const now = this.#options.clock.now();
    if (!this.#synced) return `${describe(this.resource, undefined)}: no complete list yet${this.#because()}`;
    if (this.#failure === undefined || now - this.#failure.since < STALE_AFTER_MS) return undefined;
    const open = this.#attemptAt > this.#failure.since && now - this.#attemptAt > OPEN_AFTER_MS;
    return open ? undefined : `${describe(this.resource, undefined)}: not watching${this.#because()}`;
  }

  remember(object: T): void {
    this.#store.remember(object);
  }

  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const startedAt = this.#options.clock.now();
      let waitMs = 0;
      try {
        if (this.#position === undefined) await this.#list();
        await this.#watch(signal);
        if (this.#options.clock.now() - startedAt < SHORT_WATCH_MS) waitMs = BACKOFF_FIRST_MS;
        failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        if (this.#options.clock.now() - startedAt > HEALTHY_MS) failures = 0;
        waitMs = this.#afterFailure(error, failures);
        failures += 1;
      }
      if (waitMs > 0) await this.#options.clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  async #list(): Promise<void> {
    const { items, resourceVersion } = await this.#options.kube.list<T>(this.resource, this.#selection);
    this.#store.replace(items, resourceVersion, !this.#synced);
    this.#position = resourceVersion;
    this.#synced = true;
    this.#healthy();
    this.#count.lists();
    this.#count.objects(this.#store.size);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const position = this.#position ?? '';
    this.#attemptAt = this.#options.clock.now();
    for await (const event of this.#options.kube.watch<T>(this.resource, this.#selection, position, signal)) {
      this.#take(event);
      this.#healthy();
    }
  }

  #take(event: WatchEvent<T>): void {
    if (event.type === 'BOOKMARK') {
      this.#store.bookmark(event.resourceVersion);
      this.#position = event.resourceVersion;
      return;
    }
    if (event.type === 'DELETED') this.#store.drop(event.object);
    else this.#store.put(event.object);
    this.#position = event.object.metadata.resourceVersion ?? this.#position;
    this.#count.objects(this.#store.size);
  }

  #healthy(): void {
    this.#failure = undefined;
    this.#refusals = 0;
  }

  /** Milliseconds to wait before the next attempt. */
  #afterFailure(error: unknown, failures: number): number {
    const reason = error instanceof Error ? error.message : String(error);
    if (isSignalboxError(error, 'KUBE_GONE')) {
      this.#position = undefined;
      this.#count.restarts('gone');
      this.#log.info('the watch position is too old; listing again', { reason });
      return failures === 0 ? 0 : this.#backoffMs(failures);
    }
    this.#failure ??= { since: this.#options.clock.now(), reason };
    if (statusOf(error) !== undefined) this.#refusals += 1;
    if (this.#refusals >= RELIST_AFTER_REFUSALS) {
      this.#position = undefined;
      this.#refusals = 0;
    }
    this.#count.restarts('error');
    const waitMs = this.#backoffMs(failures);
    this.#log.warn('watching failed; trying again', { reason, waitMs: Math.round(waitMs) });
    return waitMs;
  }

  #backoffMs(failures: number): number {
    const brief = this.#failure === undefined || this.#options.clock.now() - this.#failure.since < BRIEF_MS;
    const most = brief ? BRIEF_BACKOFF_MAX_MS : BACKOFF_MAX_MS;
    const ceiling = Math.min(most, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10));
    return ceiling * (0.5 + Math.random() / 2);
  }

  #because(): string {
    return this.#failure === undefined ? '' : `: ${this.#failure.reason}`;
  }
}

function informerMetrics(metrics: Metrics | undefined, kind: string) {
  const objects = metrics?.gauge('signalbox_informer_objects', 'Objects in the copy of a kind.', ['kind']);
  const lists = metrics?.counter('signalbox_informer_lists_total', 'Complete lists of a kind.', ['kind']);
  const restarts = metrics?.counter('signalbox_informer_watch_restarts_total', 'Watches begun anew, by reason.', [
    'kind',
    'reason',
  ]);
  return {
    objects: (count: number) => objects?.(count, { kind }),
    lists: () => lists?.({ kind }),
    restarts: (reason: 'gone' | 'error') => restarts?.({ kind, reason }),
  };
}
