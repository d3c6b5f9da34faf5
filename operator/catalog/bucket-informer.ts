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
  /** Keys that we take away and the bucket has not said so yet. */
  readonly #forgotten = new Set<string>();
  #revision = Number.POSITIVE_INFINITY;
  #seen = 0;
  /** The bucket is read from its beginning, for the first time or once more. */
  #reading = true;

  constructor(source: BucketSource<T>) {
    super(source.resource, source.log);
    this.#source = source;
  }

  override async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const bucket = await this.#source.open();
        for await (const change of bucket.watch(signal)) {
          if (change.kind === 'Put') this.#take(change.entry);
          else if (change.kind === 'Delete') this.#drop(change.key);
          else this.markSynced();
          if (change.kind === 'Synced') this.#wholeAgain();
          else this.#see((change.kind === 'Put' ? change.entry : change).revision);
        }
      } catch (error) {
        this.markStale(error instanceof Error ? error.message : String(error));
      }
      if (!signal.aborted) await this.#source.clock.sleep(RETRY_MS, signal).catch(() => undefined);
    }
  }

  /** What is here is the bucket as of this revision, or a later one; Infinity while that is not known. */
  get revision(): number {
    return this.#forgotten.size > 0 ? Number.POSITIVE_INFINITY : this.#revision;
  }

  /** Takes our own write into the copy at once. */
  wrote(key: string, value: T, revision: number): void {
    this.put(this.#object(key, value, revision), true);
  }

  /** We are about to take this away: from now on it is not known up to where the copy is whole. */
  forgetting(key: string): void {
    this.#forgotten.add(key);
  }

  forgot(key: string): void {
    this.remove(keyOfEntry(this.resource, key));
  }

  /** Nothing of it is believed any more: it may have been made anew. */
  dropAll(): void {
    for (const { metadata } of this.store.list()) this.remove(metadata);
  }

  /** Within one reading revisions rise. */
  #see(revision: number): void {
    if (revision < this.#seen) this.#reading = true;
    this.#seen = revision;
    if (!this.#reading) this.#revision = revision;
  }

  #drop(key: string): void {
    this.#forgotten.delete(key);
    this.remove(keyOfEntry(this.resource, key));
  }

  #wholeAgain(): void {
    this.#forgotten.clear();
    this.#reading = false;
    this.#revision = this.#seen;
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
