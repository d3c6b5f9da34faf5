// Owns: what a controller reads instead of the API server: one watched copy per kind, kept fresh for ever.
import type { KubeObject, ObjectKey, Resource, Selection } from './kube.ts';

/** A read-only copy of all objects of one kind. Objects are shared: never change one (tests freeze them). */
export interface Store<T extends KubeObject = KubeObject> {
  readonly size: number;
  get(key: ObjectKey): T | undefined;
  /** All objects, or those of one namespace. */
  list(namespace?: string): readonly T[];
  /** Objects for which the named index (see `Informer.index`) yields `value`. */
  indexed(index: string, value: string): readonly T[];
}

/** One change of one object; `initial` marks what was there when the cache first filled. */
export interface StoreChange<T extends KubeObject = KubeObject> {
  readonly before: T | undefined;
  readonly after: T | undefined;
  readonly initial: boolean;
}

/** Feeds one store from one API server. It never gives up: errors are retried with back-off until the signal fires. */
export interface Informer<T extends KubeObject = KubeObject> {
  readonly resource: Resource;
  readonly store: Store<T>;
  /** Adds an index before the start; `values` of an object are looked up with `store.indexed(name, value)`. */
  index(name: string, values: (object: T) => readonly string[]): void;
  /** Listeners run at once and in order; they must only note keys. One that throws is logged and skipped. */
  onChange(listener: (change: StoreChange<T>) => void): void;
  /** True once the first complete list is in the store. */
  synced(): boolean;
  /** Why the copy may be old, or undefined when the watch is healthy. */
  staleness(): string | undefined;
  /** Takes the answer to one's own write into the store at once; an answer older than the store is ignored. */
  remember(object: T): void;
  /** Runs until the signal fires; resolves then. */
  run(signal: AbortSignal): Promise<void>;
}

/** One informer per kind and selection, shared by all controllers of a program. */
export interface Informers {
  of<T extends KubeObject>(resource: Resource, selection?: Selection): Informer<T>;
  all(): readonly Informer[];
}
