// Owns: what Signalbox asks of a Kubernetes API server. Objects are raw JSON, never model classes: unknown fields survive.

/** A kind as the API server serves it. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

export interface ObjectKey {
  readonly namespace?: string;
  readonly name: string;
}

export interface Selection {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export type WatchEvent<T extends KubeObject = KubeObject> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

export interface ApplyOptions {
  readonly fieldManager: string;
  /** Take fields from other managers: only on objects Signalbox owns. */
  readonly force?: boolean;
  readonly subresource?: 'status' | 'scale';
  readonly dryRun?: boolean;
}

export interface DeleteOptions {
  /** Refuses (409) when the object was replaced by one of the same name. */
  readonly uid?: string;
  readonly gracePeriodSeconds?: number;
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan';
}

/**
 * One connection to one API server. Every call has a deadline. Failures are `SignalboxError`s with codes
 * KUBE_CONFLICT (409), KUBE_INVALID (400, 422), KUBE_FORBIDDEN (401, 403), KUBE_GONE (410), KUBE_UNREACHABLE (network,
 * 429, 5xx after bounded retries); an absent object is `undefined` from `get` and no error for `delete`.
 */
export interface Kube {
  /** `metadataOnly`: the content never leaves the API server; what comes back has kind PartialObjectMetadata. */
  get<T extends KubeObject>(
    resource: Resource,
    key: ObjectKey,
    options?: { readonly metadataOnly?: boolean },
  ): Promise<T | undefined>;
  list<T extends KubeObject>(
    resource: Resource,
    selection?: Selection,
  ): Promise<{ readonly items: readonly T[]; readonly resourceVersion: string }>;
  create<T extends KubeObject>(resource: Resource, object: KubeObject, options?: { dryRun?: boolean }): Promise<T>;
  /** Server-side apply; the object carries apiVersion, kind and metadata.name. */
  apply<T extends KubeObject>(resource: Resource, object: KubeObject, options: ApplyOptions): Promise<T>;
  /** JSON merge patch (RFC 7386). */
  mergePatch<T extends KubeObject>(
    resource: Resource,
    key: ObjectKey,
    patch: unknown,
    subresource?: string,
  ): Promise<T>;
  /** PUT with the object's resourceVersion: for Leases. */
  replace<T extends KubeObject>(resource: Resource, object: KubeObject): Promise<T>;
  delete(resource: Resource, key: ObjectKey, options?: DeleteOptions): Promise<void>;
  /** POST to a subresource (`token`, `binding`, `eviction`) or to a review kind (key undefined). */
  post<T>(resource: Resource, key: ObjectKey | undefined, subresource: string, body: unknown): Promise<T>;
  /** One watch request: ends when the server ends it; throws KUBE_GONE when `resourceVersion` is too old. */
  watch<T extends KubeObject>(
    resource: Resource,
    selection: Selection,
    resourceVersion: string,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<T>>;
  /** GET of a non-resource path, such as /readyz or /version. */
  raw(path: string): Promise<{ readonly status: number; readonly body: string }>;
}
