// Owns: the Kube port over HTTP.
import { isSignalboxError } from '../../api/errors.ts';
import type {
  ApplyOptions,
  DeleteOptions,
  Kube,
  KubeObject,
  ObjectKey,
  Resource,
  Selection,
  WatchEvent,
} from '../../ports/kube.ts';
import { describe, keyOf } from '../../ports/resources.ts';
import { openTransport } from './transport.ts';
import type { Call, Lane, Transport, TransportOptions } from './transport.ts';
import { lines, parseEvent } from './watch-stream.ts';

export interface KubeConnection extends Kube {
  /** Closes every connection; running calls and watches end. */
  close(): Promise<void>;
}

const METADATA_ONLY = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const PAGE = 500;
const PAGES_MAX = 10_000;
/** The server ends a watch after this long, at random, so that not all come back together. */
const WATCH_SECONDS_MIN = 300;
const WATCH_SECONDS_SPREAD = 300;
/** Bookmarks come about once a minute: a watch this quiet has lost its connection. */
const WATCH_IDLE_MS = 150_000;

type Query = Readonly<Record<string, string | undefined>>;

/** Connects to one API server; no request is made before the first call. */
export function connectKube(options: TransportOptions): KubeConnection {
  return new HttpKube(openTransport(options), options.access.namespace);
}

class HttpKube implements KubeConnection {
  readonly #transport: Transport;
  readonly #namespace: string;

  constructor(transport: Transport, namespace: string) {
    this.#transport = transport;
    this.#namespace = namespace;
  }

  async get<T extends KubeObject>(
    resource: Resource,
    key: ObjectKey,
    options: { readonly metadataOnly?: boolean } = {},
  ): Promise<T | undefined> {
    const call = this.#call('GET', resource, { key });
    try {
      return await this.#json<T>(options.metadataOnly === true ? { ...call, accept: METADATA_ONLY } : call);
    } catch (error) {
      if (isSignalboxError(error, 'NOT_FOUND')) return undefined;
      throw error;
    }
  }

  async list<T extends KubeObject>(
    resource: Resource,
    selection: Selection = {},
  ): Promise<{ readonly items: readonly T[]; readonly resourceVersion: string }> {
    const items: T[] = [];
    let from: string | undefined;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const query = { ...selectionQuery(selection), limit: String(PAGE), continue: from };
      const answer = await this.#json<ListAnswer<T>>(this.#call('GET', resource, { ...within(selection), query }));
      // Items of a list come without these two; everything above expects whole objects.
      const shared = { apiVersion: answer.apiVersion, kind: resource.kind };
      for (const item of answer.items) items.push({ ...shared, ...item });
      from = answer.metadata.continue;
      if (from === undefined || from === '') {
        return { items, resourceVersion: answer.metadata.resourceVersion };
      }
    }
    throw new RangeError(`list of ${resource.plural} has more than ${PAGES_MAX * PAGE} items`);
  }

  create<T extends KubeObject>(resource: Resource, object: KubeObject, options: { dryRun?: boolean } = {}): Promise<T> {
    const { namespace } = object.metadata;
    return this.#json<T>(
      this.#call('POST', resource, {
        ...(namespace === undefined ? { home: true } : { namespace }),
        body: object,
        query: { fieldValidation: 'Strict', dryRun: dryRun(options.dryRun) },
      }),
    );
  }

  apply<T extends KubeObject>(resource: Resource, object: KubeObject, options: ApplyOptions): Promise<T> {
    return this.#json<T>(
      this.#call('PATCH', resource, {
        key: keyOf(object),
        subresource: options.subresource,
        body: object,
        contentType: 'application/apply-patch+yaml',
        repeatable: true,
        query: {
          fieldManager: options.fieldManager,
          force: options.force === true ? 'true' : undefined,
          fieldValidation: 'Strict',
          dryRun: dryRun(options.dryRun),
        },
      }),
    );
  }

  mergePatch<T extends KubeObject>(
    resource: Resource,
    key: ObjectKey,
    patch: unknown,
    subresource?: string,
  ): Promise<T> {
    return this.#json<T>(
      this.#call('PATCH', resource, {
        key,
        subresource,
        body: patch,
        contentType: 'application/merge-patch+json',
        query: { fieldValidation: 'Strict' },
      }),
    );
  }

  replace<T extends KubeObject>(resource: Resource, object: KubeObject): Promise<T> {
    return this.#json<T>(this.#call('PUT', resource, { key: keyOf(object), body: object }));
  }

  async delete(resource: Resource, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: options.propagation ?? 'Background',
      ...(options.uid === undefined ? {} : { preconditions: { uid: options.uid } }),
      ...(options.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: options.gracePeriodSeconds }),
    };
    try {
      await this.#transport.send(this.#call('DELETE', resource, { key, body, repeatable: options.uid !== undefined }));
    } catch (error) {
      if (!isSignalboxError(error, 'NOT_FOUND')) throw error;
    }
  }

  post<T>(resource: Resource, key: ObjectKey | undefined, subresource: string, body: unknown): Promise<T> {
    const target = key === undefined ? { home: resource.namespaced } : { key, subresource };
    return this.#json<T>(this.#call('POST', resource, { ...target, body }));
  }

  async *watch<T extends KubeObject>(
    resource: Resource,
    selection: Selection,
    resourceVersion: string,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<T>> {
    if (signal.aborted) return;
    const seconds = WATCH_SECONDS_MIN + Math.floor(Math.random() * WATCH_SECONDS_SPREAD);
    const query = {
      ...selectionQuery(selection),
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds: String(seconds),
    };
    const call = { ...this.#call('GET', resource, { ...within(selection), query }), lane: 'watches' as const };
    const quiet = new AbortController();
    const end = (): void => quiet.abort(signal.reason);
    signal.addEventListener('abort', end, { once: true });
    const idle = setTimeout(() => quiet.abort(new Error('no event and no bookmark came')), WATCH_IDLE_MS);
    try {
      const body = await this.#transport.open(call, quiet.signal);
      for await (const line of lines(body)) {
        idle.refresh();
        const event = parseEvent<T>(line, `watch ${describe(resource, undefined)}`);
        if (event !== undefined) yield event;
      }
    } catch (error) {
      // A quiet or broken connection only ends this request: the caller goes on from the last position.
      if (!quiet.signal.aborted) throw error;
    } finally {
      clearTimeout(idle);
      signal.removeEventListener('abort', end);
      quiet.abort();
    }
  }

  async raw(path: string): Promise<{ readonly status: number; readonly body: string }> {
    return this.#transport.attempt({ method: 'GET', path, what: `GET ${path}`, lane: 'requests', repeatable: true });
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  async #json<T>(call: Call): Promise<T> {
    const answer = await this.#transport.send(call);
    return JSON.parse(answer.body) as T;
  }

  #call(method: Call['method'], resource: Resource, target: Target): Call {
    const { key, body, contentType, repeatable } = target;
    return {
      method,
      path: this.#path(resource, target) + queryText(target.query ?? {}),
      what: `${method} ${describe(resource, key)}${target.subresource ? `/${target.subresource}` : ''}`,
      lane: laneOf(resource),
      repeatable: repeatable ?? method === 'GET',
      ...(body === undefined ? {} : { body }),
      ...(contentType === undefined ? {} : { contentType }),
    };
  }

  #path(resource: Resource, target: Target): string {
    const { key } = target;
    const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
    const inOne = key !== undefined || target.home === true;
    const namespace = key?.namespace ?? target.namespace ?? (inOne ? this.#namespace : undefined);
    const scope = resource.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
    const name = key === undefined ? '' : `/${encodeURIComponent(key.name)}`;
    return `${root}${scope}/${resource.plural}${name}${target.subresource ? `/${target.subresource}` : ''}`;
  }
}

interface Target {
  readonly key?: ObjectKey;
  /** For collections: the namespace. */
  readonly namespace?: string;
  /** For collections: the connection's own namespace instead of all. */
  readonly home?: boolean;
  readonly subresource?: string | undefined;
  readonly query?: Query;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly repeatable?: boolean;
}

interface ListAnswer<T> {
  readonly apiVersion: string;
  readonly items: readonly T[];
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
}

function within(selection: Selection): { readonly namespace?: string } {
  return selection.namespace === undefined ? {} : { namespace: selection.namespace };
}

function selectionQuery(selection: Selection): Query {
  return { labelSelector: selection.labelSelector, fieldSelector: selection.fieldSelector };
}

function queryText(query: Query): string {
  const pairs = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`;
}

function dryRun(asked: boolean | undefined): string | undefined {
  return asked === true ? 'All' : undefined;
}

function laneOf(resource: Resource): Lane {
  return resource.group === 'coordination.k8s.io' ? 'leases' : 'requests';
}
