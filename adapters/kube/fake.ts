// Owns: a Kube in memory, for unit tests of code above the port. It keeps what the contract test asks of a real API
// server: versions, uids, generations, preconditions, finalizers, status apart, field removal by server-side apply, and
// resumable watches. It has no schemas, no admission and no garbage collection: what depends on those needs a real one.
import { SignalboxError } from '../../api/errors.ts';
import type {
  ApplyOptions,
  DeleteOptions,
  Kube,
  KubeObject,
  ObjectKey,
  ObjectMeta,
  Resource,
  Selection,
  WatchEvent,
} from '../../ports/kube.ts';
import { describe, keyOf, keyText } from '../../ports/resources.ts';

type Json = Record<string, unknown>;
type Stored = KubeObject & { readonly metadata: ObjectMeta };

interface Entry {
  readonly kind: string;
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: Stored;
}

export interface FakeKube extends Kube {
  /** Forgets history: watches from older positions end with KUBE_GONE. */
  compact(): void;
}

/** An empty API server. */
export function fakeKube(): FakeKube {
  return new MemoryKube();
}

class MemoryKube implements FakeKube {
  readonly #objects = new Map<string, Stored>();
  /** What each manager last applied to each object: a path it leaves out next time is removed. */
  readonly #applied = new Map<string, Json>();
  #history: Entry[] = [];
  #compactedTo = 0;
  #version = 100;
  #uids = 0;
  #wake: (() => void)[] = [];

  compact(): void {
    this.#history = [];
    this.#compactedTo = this.#version;
  }

  async get<T extends KubeObject>(resource: Resource, key: ObjectKey): Promise<T | undefined> {
    return structuredClone(this.#objects.get(idOf(resource, key))) as T | undefined;
  }

  async list<T extends KubeObject>(resource: Resource, selection: Selection = {}) {
    const prefix = `${describe(resource, undefined)} `;
    const items = [...this.#objects.entries()]
      .filter(([id, object]) => id.startsWith(prefix) && selects(selection, object))
      .map(([, object]) => structuredClone(object) as unknown as T);
    return { items, resourceVersion: String(this.#version) };
  }

  async create<T extends KubeObject>(resource: Resource, object: KubeObject, options: { dryRun?: boolean } = {}) {
    if (this.#objects.has(idOf(resource, keyOf(object)))) {
      throw refused('KUBE_CONFLICT', 409, `${describe(resource, keyOf(object))} already exists`);
    }
    const { status: _, ...rest } = structuredClone(object) as KubeObject & { status?: unknown };
    const metadata = {
      ...rest.metadata,
      uid: `uid-${(this.#uids += 1)}`,
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
    };
    return this.#commit<T>(resource, { ...rest, metadata } as Stored, 'ADDED', options.dryRun);
  }

  async apply<T extends KubeObject>(resource: Resource, object: KubeObject, options: ApplyOptions): Promise<T> {
    const key = keyOf(object);
    const stored = this.#objects.get(idOf(resource, key));
    const wanted = structuredClone(object) as unknown as Json;
    const owner = `${options.fieldManager} ${options.subresource ?? ''} ${idOf(resource, key)}`;
    if (stored === undefined) {
      if (options.subresource !== undefined) throw refused('NOT_FOUND', 404, `${describe(resource, key)} not found`);
      if (object.metadata.uid !== undefined) throw refused('KUBE_CONFLICT', 409, 'uid mismatch: the object is gone');
      this.#applied.set(owner, wanted);
      return this.create<T>(resource, object, options.dryRun === undefined ? {} : { dryRun: options.dryRun });
    }
    precondition(stored, object.metadata);
    const base = structuredClone(stored) as unknown as Json;
    const before = this.#applied.get(owner);
    if (before !== undefined) removeDropped(base, before, wanted);
    const merged = merge(base, wanted, false) as unknown as Stored;
    if (options.dryRun !== true) this.#applied.set(owner, wanted);
    return this.#update<T>(resource, stored, merged, options);
  }

  async mergePatch<T extends KubeObject>(resource: Resource, key: ObjectKey, patch: unknown, subresource?: string) {
    const stored = this.#mustHave(resource, key);
    precondition(stored, (patch as { metadata?: Partial<ObjectMeta> }).metadata ?? {});
    const merged = merge(structuredClone(stored) as unknown as Json, patch as Json, true) as unknown as Stored;
    return this.#update<T>(resource, stored, merged, { subresource });
  }

  async replace<T extends KubeObject>(resource: Resource, object: KubeObject): Promise<T> {
    const stored = this.#mustHave(resource, keyOf(object));
    precondition(stored, object.metadata);
    return this.#update<T>(resource, stored, structuredClone(object) as Stored, {});
  }

  async delete(resource: Resource, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    const stored = this.#objects.get(idOf(resource, key));
    if (stored === undefined) return;
    precondition(stored, options.uid === undefined ? {} : { uid: options.uid });
    if ((stored.metadata.finalizers ?? []).length === 0) this.#remove(resource, stored);
    else if (stored.metadata.deletionTimestamp === undefined) {
      const metadata = { ...stored.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
      await this.#commit(resource, { ...stored, metadata }, 'MODIFIED', false);
    }
  }

  async post<T>(resource: Resource): Promise<T> {
    throw refused('KUBE_INVALID', 405, `the fake answers no POST to ${describe(resource, undefined)}`);
  }

  async *watch<T extends KubeObject>(resource: Resource, selection: Selection, from: string, signal: AbortSignal) {
    let at = Number(from);
    while (!signal.aborted) {
      if (at < this.#compactedTo) throw refused('KUBE_GONE', 410, `too old resource version: ${from}`);
      const news = this.#history.filter((entry) => entry.version > at);
      for (const { kind, version, type, object } of news) {
        at = version;
        if (kind !== describe(resource, undefined) || !selects(selection, object)) continue;
        yield { type, object: structuredClone(object) as unknown as T } satisfies WatchEvent<T>;
      }
      if (news.length === 0) await this.#more(signal);
    }
  }

  async raw(): Promise<{ readonly status: number; readonly body: string }> {
    return { status: 200, body: 'ok' };
  }

  #mustHave(resource: Resource, key: ObjectKey): Stored {
    const stored = this.#objects.get(idOf(resource, key));
    if (stored === undefined) throw refused('NOT_FOUND', 404, `${describe(resource, key)} not found`);
    return stored;
  }

  async #update<T>(
    resource: Resource,
    stored: Stored,
    merged: Stored,
    options: { readonly subresource?: string | undefined; readonly dryRun?: boolean },
  ): Promise<T> {
    const next = onlyAllowed(stored, merged, options.subresource);
    if (same(next, stored)) return structuredClone(stored) as T;
    const answer = await this.#commit<T>(resource, next, 'MODIFIED', options.dryRun);
    const { deletionTimestamp, finalizers = [] } = next.metadata;
    if (options.dryRun !== true && deletionTimestamp !== undefined && finalizers.length === 0)
      this.#remove(resource, next);
    return answer;
  }

  async #commit<T>(resource: Resource, object: Stored, type: Entry['type'], dryRun: boolean | undefined): Promise<T> {
    if (dryRun === true) return structuredClone(object) as T;
    const version = (this.#version += 1);
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    if (type === 'DELETED') this.#objects.delete(idOf(resource, keyOf(stored)));
    else this.#objects.set(idOf(resource, keyOf(stored)), stored);
    this.#history.push({ kind: describe(resource, undefined), version, type, object: stored });
    for (const wake of this.#wake.splice(0)) wake();
    return structuredClone(stored) as T;
  }

  #remove(resource: Resource, object: Stored): void {
    void this.#commit(resource, object, 'DELETED', false);
    const suffix = ` ${idOf(resource, keyOf(object))}`;
    for (const owner of this.#applied.keys()) if (owner.endsWith(suffix)) this.#applied.delete(owner);
  }

  #more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#wake.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }
}

function idOf(resource: Resource, key: ObjectKey): string {
  return `${describe(resource, undefined)} ${keyText(key)}`;
}

function refused(
  code: ConstructorParameters<typeof SignalboxError>[0],
  status: number,
  message: string,
): SignalboxError {
  return new SignalboxError(code, message, { fields: { status } });
}

function precondition(stored: Stored, asked: Partial<ObjectMeta>): void {
  for (const field of ['uid', 'resourceVersion'] as const) {
    if (asked[field] !== undefined && asked[field] !== stored.metadata[field]) {
      throw refused('KUBE_CONFLICT', 409, `${field} in the request (${asked[field]}) is not ${stored.metadata[field]}`);
    }
  }
}

/** Status changes only through its subresource, and nothing else there; a new spec is a new generation. */
function onlyAllowed(stored: Stored, merged: Stored, subresource: string | undefined): Stored {
  const kept = {
    uid: stored.metadata.uid,
    creationTimestamp: stored.metadata.creationTimestamp,
    deletionTimestamp: stored.metadata.deletionTimestamp,
    resourceVersion: stored.metadata.resourceVersion,
    generation: stored.metadata.generation,
  };
  const frozen = Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined));
  if (subresource !== undefined) return { ...stored, status: merged['status'] };
  const { status: _, ...rest } = merged as Stored & { status?: unknown };
  const next: Json = { ...rest, metadata: { ...merged.metadata, ...frozen } };
  if (stored['status'] !== undefined) next['status'] = stored['status'];
  if (!same(withoutMetadata(next), withoutMetadata(stored as unknown as Json))) {
    next['metadata'] = { ...(next['metadata'] as Json), generation: (stored.metadata.generation ?? 0) + 1 };
  }
  return next as unknown as Stored;
}

function withoutMetadata(object: Json): Json {
  const { metadata: _, ...rest } = object;
  return rest;
}

function selects(selection: Selection, object: Stored): boolean {
  if (selection.namespace !== undefined && object.metadata.namespace !== selection.namespace) return false;
  const terms = selection.labelSelector?.split(',') ?? [];
  return terms.every((term) => {
    const [name = '', value] = term.split('=');
    const label = object.metadata.labels?.[name];
    return value === undefined ? label !== undefined : label === value;
  });
}

function isMap(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function same(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, at) => same(item, b[at]));
  if (!isMap(a) || !isMap(b)) return Object.is(a, b);
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => same(a[name], b[name]));
}

function merge(base: Json, patch: Json, nullDeletes: boolean): Json {
  for (const [name, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    const inner = base[name];
    if (value === null && nullDeletes) delete base[name];
    else if (isMap(value)) base[name] = merge(isMap(inner) ? inner : {}, value, nullDeletes);
    else base[name] = value;
  }
  return base;
}

function removeDropped(base: Json, before: Json, wanted: Json): void {
  for (const [name, value] of Object.entries(before)) {
    const next = wanted[name];
    const inner = base[name];
    if (next === undefined && !(isMap(value) && isMap(inner))) delete base[name];
    else if (isMap(value) && isMap(inner)) removeDropped(inner, value, isMap(next) ? next : {});
  }
}
