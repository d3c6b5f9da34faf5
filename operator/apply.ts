// Owns: the one place where the operator acts. It compares each command with the live object first: a command whose
// effect is there already sends nothing, so an operator at rest writes nothing, also after a restart.
import { createHash } from 'node:crypto';
import { TerminalError, isSignalboxError } from '../api/errors.ts';
import type { Informer, Informers } from '../ports/cache.ts';
import type { Kube, KubeObject, ObjectKey, Resource } from '../ports/kube.ts';
import { SIGNALBOX_GROUP, describe, keyOf, keyText } from '../ports/resources.ts';
import type { Log, Metrics } from '../ports/system.ts';
import { canonical, foreignStatus, isPartOf, sameJson } from './controller/compare.ts';
import type { Leadership } from './controller/guard.ts';
import type { Command, Intent, Status } from './controller/plan.ts';
import { Exactness } from './exact.ts';
import { failpoint } from '../ports/failpoint.ts';

/** Holds the digest of the intent last applied: a field we no longer want shows as a different digest. */
export const INTENT_ANNOTATION = `${SIGNALBOX_GROUP}/intent`;

export interface ApplierOptions {
  /** Field manager `signalbox-<controller>`, finalizer `signalbox.dev/<controller>`. */
  readonly controller: string;
  /** Guarded: refuses writes when we do not lead. */
  readonly kube: Kube;
  readonly informers: Informers;
  readonly leadership: Leadership;
  /** Write the epoch into `status.leaderEpoch` of the root. */
  readonly fenced: boolean;
  readonly log: Log;
  readonly metrics?: Metrics;
}

/** What was last written to one object, for those parts a comparison with the live object cannot tell. */
interface Written {
  readonly uid: string | undefined;
  readonly digest: string;
  /** Version of the spec (or of the whole object) that the server made of our intent, when it is not a superset of it. */
  readonly altered?: string;
}

export class Applier {
  readonly #options: ApplierOptions;
  readonly #manager: string;
  readonly #finalizer: string;
  readonly #exact: Exactness;
  readonly #written = new Map<string, Written>();
  readonly #statuses = new Map<string, { readonly uid: string | undefined; readonly status: Status }>();
  readonly #count: (verb: 'apply' | 'delete' | 'status' | 'finalizer', result: 'written' | 'same') => void;

  constructor(options: ApplierOptions) {
    this.#options = options;
    this.#exact = new Exactness(options.kube, options.log);
    this.#manager = `signalbox-${options.controller}`;
    this.#finalizer = `${SIGNALBOX_GROUP}/${options.controller}`;
    const counter = options.metrics?.counter(
      'signalbox_commands_total',
      'Commands carried out, by controller, verb and whether anything had to be written.',
      ['controller', 'verb', 'result'],
    );
    this.#count = (verb, result) => counter?.({ controller: options.controller, verb, result });
  }

  async carryOut(command: Command): Promise<void> {
    switch (command.kind) {
      case 'apply':
        return this.#apply(command.resource, command.object, command.exact ?? false);
      case 'delete':
        return this.#delete(command.resource, command.key, command.uid);
      case 'status':
        return this.status(command.resource, command.object, command.status);
      case 'finalizer':
        return this.#finalize(command.resource, command.object, command.present);
    }
  }

  /** Writes a complete status, unless the live object has it. */
  async status(resource: Resource, object: KubeObject, wanted: Status, fenced = false): Promise<void> {
    const id = idOf(resource, keyOf(object));
    const before = this.lastStatus(resource, object);
    const live = (await this.#live(resource, keyOf(object))) ?? object;
    const complete = isWhole(wanted, live) || (before !== undefined && sameJson(before, wanted));
    this.#statuses.set(id, { uid: object.metadata.uid, status: wanted });
    if (complete && isPartOf(wanted, live['status'] ?? {})) return this.#count('status', 'same');
    const intent = statusIntent(object, this.#withEpoch(wanted, fenced));
    try {
      const options = { fieldManager: `${this.#manager}-status`, force: true, subresource: 'status' as const };
      failpoint('operator.status.before', resource.kind);
      this.#remember(resource, await this.#options.kube.apply(resource, intent, options));
      failpoint('operator.status.written', resource.kind);
      this.#count('status', 'written');
    } catch (error) {
      this.#statuses.delete(id);
      if (!isSignalboxError(error, 'NOT_FOUND')) throw error;
    }
  }

  #withEpoch(status: Status, fenced: boolean): Status {
    const epoch = fenced && this.#options.fenced ? this.#options.leadership.epoch() : undefined;
    return epoch === undefined ? status : { ...status, leaderEpoch: String(epoch) };
  }

  /** The status last wanted for an object, by this process. */
  lastStatus(resource: Resource, object: KubeObject): Status | undefined {
    const entry = this.#statuses.get(idOf(resource, keyOf(object)));
    return entry?.uid === object.metadata.uid ? entry?.status : undefined;
  }

  /** True when the change is nothing but our own status write coming back. */
  isEcho(resource: Resource, before: KubeObject, after: KubeObject): boolean {
    const ours = this.lastStatus(resource, after);
    if (ours === undefined || !isPartOf(ours, after['status'] ?? {})) return false;
    const owned = { ...ours, leaderEpoch: '' };
    return (
      sameJson(outsideStatus(before), outsideStatus(after)) &&
      sameJson(foreignStatus(before['status'] as Status, owned), foreignStatus(after['status'] as Status, owned))
    );
  }

  /** The object is gone: what was noted about it is no longer needed. */
  forget(resource: Resource, key: ObjectKey): void {
    this.#written.delete(idOf(resource, key));
    this.#statuses.delete(idOf(resource, key));
  }

  async #apply(resource: Resource, intent: Intent, exact: boolean): Promise<void> {
    const key = keyOf(intent);
    const id = idOf(resource, key);
    const wanted = stamped(intent);
    const digest = wanted.metadata.annotations[INTENT_ANNOTATION] ?? '';
    const live = await this.#live(resource, key);
    if (live !== undefined) {
      refuseForeignOwner(resource, intent, live);
      if (isPartOf(wanted, live) || this.#isAltered(id, digest, live)) {
        const restored = exact ? await this.#exact.restore(resource, wanted, live, digest) : undefined;
        if (restored !== undefined) this.#remember(resource, restored);
        return this.#count('apply', restored === undefined ? 'same' : 'written');
      }
    }
    failpoint('operator.apply.before', resource.kind);
    const written = await this.#options.kube.apply(resource, wanted, { fieldManager: this.#manager, force: true });
    failpoint('operator.apply.written', resource.kind);
    this.#count('apply', 'written');
    this.#note(id, { resource, wanted, digest, written });
    this.#remember(resource, written);
  }

  /** The server may store our intent in another form (`1000m` as `1`): then its own answer is what we compare with. */
  #note(id: string, seen: { resource: Resource; wanted: KubeObject; digest: string; written: KubeObject }): void {
    if (isPartOf(seen.wanted, seen.written)) {
      this.#written.delete(id);
      return;
    }
    const { uid } = seen.written.metadata;
    this.#written.set(id, { uid, digest: seen.digest, altered: specVersion(seen.written) });
    this.#options.log.debug('the API server stores the intent in another form', {
      object: describe(seen.resource, keyOf(seen.written)),
    });
  }

  #isAltered(id: string, digest: string, live: KubeObject): boolean {
    const noted = this.#written.get(id);
    return noted?.uid === live.metadata.uid && noted?.digest === digest && noted.altered === specVersion(live);
  }

  async #delete(resource: Resource, key: ObjectKey, uid: string): Promise<void> {
    const live = await this.#live(resource, key);
    if (live === undefined || live.metadata.uid !== uid || live.metadata.deletionTimestamp !== undefined) {
      return this.#count('delete', 'same');
    }
    failpoint('operator.delete.before', resource.kind);
    await this.#options.kube.delete(resource, key, { uid });
    failpoint('operator.delete.done', resource.kind);
    this.#count('delete', 'written');
    this.#written.delete(idOf(resource, key));
  }

  async #finalize(resource: Resource, object: KubeObject, present: boolean): Promise<void> {
    const { finalizers = [], deletionTimestamp, uid, resourceVersion } = object.metadata;
    if (finalizers.includes(this.#finalizer) === present || (present && deletionTimestamp !== undefined)) {
      return this.#count('finalizer', 'same');
    }
    const others = finalizers.filter((name) => name !== this.#finalizer);
    const patch = {
      metadata: { uid, resourceVersion, finalizers: present ? [...finalizers, this.#finalizer] : others },
    };
    const moment = `${resource.kind}/${present ? 'added' : 'removed'}`;
    try {
      failpoint('operator.finalizer.before', moment);
      const answer = await this.#options.kube.mergePatch(resource, keyOf(object), patch);
      failpoint('operator.finalizer.written', moment);
      // The answer to a removal may describe an object that is gone already: wait for the watch.
      if (present) this.#remember(resource, answer);
      this.#count('finalizer', 'written');
    } catch (error) {
      if (present || !isSignalboxError(error, 'NOT_FOUND')) throw error;
    }
  }

  #informer(resource: Resource): Informer | undefined {
    return this.#options.informers
      .all()
      .find(({ resource: each }) => each.plural === resource.plural && each.group === resource.group);
  }

  async #live(resource: Resource, key: ObjectKey): Promise<KubeObject | undefined> {
    const informer = this.#informer(resource);
    return informer === undefined ? this.#options.kube.get(resource, key) : informer.store.get(key);
  }

  #remember(resource: Resource, object: KubeObject): void {
    this.#informer(resource)?.remember(object);
  }
}

function statusIntent(object: KubeObject, status: Status): KubeObject {
  const { name, namespace, uid } = object.metadata;
  return {
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), ...(uid === undefined ? {} : { uid }) },
    status,
  };
}

function idOf(resource: Resource, key: ObjectKey): string {
  return `${resource.plural}.${resource.group} ${keyText(key)}`;
}

function stamped(intent: Intent): Intent & { readonly metadata: { readonly annotations: Record<string, string> } } {
  const digest = createHash('sha256').update(canonical(intent)).digest('hex').slice(0, 32);
  const annotations = { ...intent.metadata.annotations, [INTENT_ANNOTATION]: digest };
  return { ...intent, metadata: { ...intent.metadata, annotations } };
}

/** The live status holds no field and no condition that `wanted` lacks, the epoch aside. */
function isWhole(wanted: Status, live: KubeObject): boolean {
  const extra = foreignStatus(live['status'] as Status | undefined, { ...wanted, leaderEpoch: '' });
  return Object.keys(extra).length === 0;
}

function outsideStatus(object: KubeObject): unknown {
  const { status: _, metadata, ...rest } = object;
  const { resourceVersion: __, ...kept } = metadata;
  return { ...rest, metadata: kept };
}

/** Changes whenever somebody changes the spec; metadata alone does not move a generation. */
function specVersion(object: KubeObject): string {
  const { generation, resourceVersion } = object.metadata;
  return generation === undefined ? `v${resourceVersion}` : `g${generation}`;
}

/** An object that another controller owns is not ours to change. */
function refuseForeignOwner(resource: Resource, intent: Intent, live: KubeObject): void {
  const ours = intent.metadata.ownerReferences?.find((owner) => owner.controller === true);
  const theirs = live.metadata.ownerReferences?.find((owner) => owner.controller === true);
  if (ours === undefined || theirs === undefined || ours.uid === theirs.uid) return;
  if (ours.kind === theirs.kind && ours.name === theirs.name) {
    throw new OwnerLeaving(`${describe(resource, keyOf(live))} still belongs to a deleted ${theirs.kind} of that name`);
  }
  throw new TerminalError(
    'KUBE_INVALID',
    `${describe(resource, keyOf(live))} belongs to ${theirs.kind} ${theirs.name}; rename one of the two`,
  );
}

/** Garbage collection has yet to remove it: try again. */
class OwnerLeaving extends Error {}
