// Owns: the copy of one kind in memory, its indexes, and the rule which of two versions of an object is newer.
// Invariants: (1) an object never goes back to an older version; (2) what was deleted does not come back with a late
// answer to a write; (3) every difference between two states is told to the listeners exactly once.
import type { Store, StoreChange } from '../../ports/cache.ts';
import type { KubeObject, ObjectKey } from '../../ports/kube.ts';
import { keyOf, keyText } from '../../ports/resources.ts';

export type Listener<T extends KubeObject> = (change: StoreChange<T>) => void;

/** Resource versions are decimal numbers without leading zeros, too large for doubles. */
export function isNewer(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}

interface IndexTable<T> {
  readonly values: (object: T) => readonly string[];
  readonly keys: Map<string, Set<string>>;
}

const NAMESPACE_INDEX = 'signalbox:namespace';
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** Drops what no controller reads and what is most of an object's size. */
export function trim<T extends KubeObject>(object: T): T {
  const { managedFields, ...metadata } = object.metadata as typeof object.metadata & { managedFields?: unknown };
  const annotations = metadata.annotations;
  if (managedFields === undefined && annotations?.[LAST_APPLIED] === undefined) return object;
  if (annotations?.[LAST_APPLIED] === undefined) return { ...object, metadata };
  const { [LAST_APPLIED]: _, ...kept } = annotations;
  return { ...object, metadata: { ...metadata, annotations: kept } };
}

export class ObjectStore<T extends KubeObject> implements Store<T> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, IndexTable<T>>();
  readonly #listeners: Listener<T>[] = [];
  readonly #freeze: boolean;
  /** The highest resource version the server told us of: everything up to here has been seen. */
  #seen = '0';

  constructor(options: { readonly freeze: boolean }) {
    this.#freeze = options.freeze;
    this.addIndex(NAMESPACE_INDEX, (object) => [object.metadata.namespace ?? '']);
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(keyText(key));
  }

  list(namespace?: string): readonly T[] {
    return namespace === undefined ? [...this.#objects.values()] : this.indexed(NAMESPACE_INDEX, namespace);
  }

  indexed(index: string, value: string): readonly T[] {
    const table = this.#indexes.get(index);
    if (table === undefined)
      throw new TypeError(`there is no index "${index}": declare it in the controller's indexes`);
    const found: T[] = [];
    for (const key of table.keys.get(value) ?? []) {
      const object = this.#objects.get(key);
      if (object !== undefined) found.push(object);
    }
    return found;
  }

  /** Adding the same name again replaces it. */
  addIndex(name: string, values: (object: T) => readonly string[]): void {
    const table: IndexTable<T> = { values, keys: new Map() };
    this.#indexes.set(name, table);
    for (const [key, object] of this.#objects) link(table, key, object);
  }

  listen(listener: Listener<T>): void {
    this.#listeners.push(listener);
  }

  /** An object as the server sent it in a watch. */
  put(object: T, initial = false): void {
    this.#advance(object.metadata.resourceVersion);
    this.#set(object, initial);
  }

  /** An object as the answer to one's own write. */
  remember(object: T): void {
    const version = object.metadata.resourceVersion;
    if (version === undefined) return;
    const known = this.#objects.has(keyText(keyOf(object)));
    // Not here although the watch has passed this version: it was deleted meanwhile.
    if (!known && !isNewer(version, this.#seen)) return;
    this.#set(object, false);
  }

  /** A deletion as the server sent it. */
  drop(object: T): void {
    this.#advance(object.metadata.resourceVersion);
    const key = keyText(keyOf(object));
    const stored = this.#objects.get(key);
    if (stored === undefined || isNewer(versionOf(stored), versionOf(object))) return;
    this.#remove(key, stored);
  }

  bookmark(resourceVersion: string): void {
    this.#advance(resourceVersion);
  }

  /** A complete list: what is missing in it was deleted, unless it is newer than the list. */
  replace(items: readonly T[], resourceVersion: string, initial: boolean): void {
    // A list older than what we have seen: the server's history was reset (a restored backup). Start over.
    if (isNewer(this.#seen, resourceVersion)) this.#forget(items);
    this.#seen = resourceVersion;
    const present = new Set(items.map((item) => keyText(keyOf(item))));
    for (const [key, object] of this.#objects) {
      if (!present.has(key) && !isNewer(versionOf(object), resourceVersion)) this.#remove(key, object);
    }
    for (const item of items) this.#set(item, initial);
  }

  #forget(items: readonly T[]): void {
    const kept = new Set(items.map((item) => `${keyText(keyOf(item))} ${versionOf(item)}`));
    for (const [key, object] of this.#objects) {
      if (!kept.has(`${key} ${versionOf(object)}`)) this.#remove(key, object);
    }
  }

  #advance(version: string | undefined): void {
    if (version !== undefined && isNewer(version, this.#seen)) this.#seen = version;
  }

  #set(raw: T, initial: boolean): void {
    const object = trim(raw);
    const key = keyText(keyOf(object));
    const before = this.#objects.get(key);
    if (before !== undefined && !isNewer(versionOf(object), versionOf(before))) return;
    if (this.#freeze) freeze(object);
    for (const table of this.#indexes.values()) {
      if (before !== undefined) unlink(table, key, before);
      link(table, key, object);
    }
    this.#objects.set(key, object);
    this.#tell({ before, after: object, initial });
  }

  #remove(key: string, before: T): void {
    for (const table of this.#indexes.values()) unlink(table, key, before);
    this.#objects.delete(key);
    this.#tell({ before, after: undefined, initial: false });
  }

  #tell(change: StoreChange<T>): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function versionOf(object: KubeObject): string {
  return object.metadata.resourceVersion ?? '0';
}

function link<T>(table: IndexTable<T>, key: string, object: T): void {
  for (const value of table.values(object)) {
    const keys = table.keys.get(value);
    if (keys === undefined) table.keys.set(value, new Set([key]));
    else keys.add(key);
  }
}

function unlink<T>(table: IndexTable<T>, key: string, object: T): void {
  for (const value of table.values(object)) {
    const keys = table.keys.get(value);
    keys?.delete(key);
    if (keys?.size === 0) table.keys.delete(value);
  }
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
}
