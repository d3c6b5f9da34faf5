// Owns: a bucket as a cache of objects, so that a controller watches it like any kind.
import type { Bucket, Entry } from '../../ports/bus.ts';
import type { ObjectKey, Resource } from '../../ports/kube.ts';
import { apiVersionOf } from '../../ports/resources.ts';
import type { Clock, Log } from '../../ports/system.ts';
import type { Projected } from './objects.ts';
import { ProjectionInformer } from './store.ts';

const RETRY_MS = 1_000;

export interface BucketSource<T> {
  readonly resource: Resource;
  readonly open: () => Promise<Bucket<T>>;
  /** What is not kept is not in the copy: closed runs that no object shows need no memory. */
  readonly keep?: (value: T) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** `<ns>.<name>` of a namespaced resource; of others the whole key is the name. */
export function keyOfEntry(resource: Resource, key: string): ObjectKey {
  if (!resource.namespaced) return { name: key };
  const dot = key.indexOf('.');
  return { namespace: key.slice(0, dot), name: key.slice(dot + 1) };
}

export class BucketInformer<T> extends ProjectionInformer<Projected<T>> {
  readonly #source: BucketSource<T>;

  constructor(source: BucketSource<T>) {
    super(source.resource, source.log);
    this.#source = source;
  }

  override async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const bucket = await this.#source.open();
        for await (const change of bucket.watch(signal)) {
          if (change.kind === 'Synced') this.markSynced();
          else if (change.kind === 'Put') this.#take(change.entry);
          else this.remove(keyOfEntry(this.resource, change.key));
        }
      } catch (error) {
        this.markStale(error instanceof Error ? error.message : String(error));
      }
      if (!signal.aborted) await this.#source.clock.sleep(RETRY_MS, signal).catch(() => undefined);
    }
  }

  /** Takes our own write into the copy at once. */
  wrote(key: string, value: T, revision: number): void {
    this.put(this.#object(key, value, revision), true);
  }

  forgot(key: string): void {
    this.remove(keyOfEntry(this.resource, key));
  }

  #take({ key, value, revision }: Entry<T>): void {
    if (this.#source.keep?.(value) ?? true) this.put(this.#object(key, value, revision));
    else this.remove(keyOfEntry(this.resource, key));
  }

  #object(key: string, value: T, revision: number): Projected<T> {
    return {
      apiVersion: apiVersionOf(this.resource),
      kind: this.resource.kind,
      metadata: { ...keyOfEntry(this.resource, key), resourceVersion: String(revision) },
      value,
    };
  }
}
