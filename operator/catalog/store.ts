// Owns: a small in-memory copy of things that are no Kubernetes objects, with the interface of the kernel's caches.
import type { Informer, Store, StoreChange } from '../../ports/cache.ts';
import type { KubeObject, ObjectKey, Resource } from '../../ports/kube.ts';
import { keyOf, keyText } from '../../ports/resources.ts';
import type { Log } from '../../ports/system.ts';

/** Sources are small (a catalog, open runs): indexes are computed on reading. */
class MemoryStore<T extends KubeObject> implements Store<T> {
  readonly objects = new Map<string, T>();
  readonly indexes = new Map<string, (object: T) => readonly string[]>();

  get size(): number {
    return this.objects.size;
  }

  get(key: ObjectKey): T | undefined {
    return this.objects.get(keyText(key));
  }

  list(namespace?: string): readonly T[] {
    const all = [...this.objects.values()];
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  indexed(index: string, value: string): readonly T[] {
    const values = this.indexes.get(index);
    if (values === undefined)
      throw new TypeError(`there is no index "${index}": declare it in the controller's indexes`);
    return this.list().filter((object) => values(object).includes(value));
  }
}

/** What every source of projections shares; a source only says how it is fed. */
export abstract class ProjectionInformer<T extends KubeObject> implements Informer<T> {
  readonly resource: Resource;
  readonly #store = new MemoryStore<T>();
  readonly #listeners: ((change: StoreChange<T>) => void)[] = [];
  readonly #log: Log;
  #synced = false;
  #lastReason: string | undefined;
  #trouble: string | undefined = 'nothing has been read yet';

  constructor(resource: Resource, log: Log) {
    this.resource = resource;
    this.#log = log.child({ source: resource.plural });
  }

  get store(): Store<T> {
    return this.#store;
  }

  abstract run(signal: AbortSignal): Promise<void>;

  index(name: string, values: (object: T) => readonly string[]): void {
    this.#store.indexes.set(name, values);
  }

  onChange(listener: (change: StoreChange<T>) => void): void {
    this.#listeners.push(listener);
  }

  synced(): boolean {
    return this.#synced;
  }

  staleness(): string | undefined {
    return this.#trouble;
  }

  remember(object: T): void {
    this.put(object);
  }

  protected markSynced(): void {
    this.#synced = true;
    this.#trouble = undefined;
    this.#lastReason = undefined;
  }

  /** Says why nothing comes in. Only a copy that was never filled makes the process unready: an old one still serves. */
  protected markStale(reason: string): void {
    if (this.#lastReason !== reason) this.#log.warn('the copy may be old', { reason });
    this.#lastReason = reason;
    if (!this.#synced) this.#trouble = reason;
  }

  /** `quiet`: nobody needs to look again. */
  protected put(after: T, quiet = false): void {
    const key = keyText(keyOf(after));
    const before = this.#store.objects.get(key);
    this.#store.objects.set(key, after);
    const { resourceVersion } = after.metadata;
    if (resourceVersion !== undefined && before?.metadata.resourceVersion === resourceVersion) return;
    if (!quiet) this.#tell({ before, after, initial: !this.#synced });
  }

  protected remove(key: ObjectKey): void {
    const text = keyText(key);
    const before = this.#store.objects.get(text);
    if (before === undefined) return;
    this.#store.objects.delete(text);
    this.#tell({ before, after: undefined, initial: false });
  }

  #tell(change: StoreChange<T>): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#log.error('a listener failed', { error });
      }
    }
  }
}
