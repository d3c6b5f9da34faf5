// Owns: that the spec of what we made holds nothing that we did not ask for: a container, a variable or a volume that somebody
// added to our pods. Server-side apply leaves what others own; so the API server is asked, without storing anything, what our
// intent alone would be, and a spec that differs is replaced.
//   E1: one question per object and change, none at rest.   E2: at most one replacement per change of somebody else's: where
//   the server itself adds to a spec, its own answer is taken for what we want.
import { isSignalboxError } from '../api/errors.ts';
import type { Kube, KubeObject, Resource } from '../ports/kube.ts';
import { describe, keyOf } from '../ports/resources.ts';
import type { Log } from '../ports/system.ts';
import { sameJson } from './controller/compare.ts';

export class Exactness {
  readonly #kube: Kube;
  readonly #log: Log;
  /** Object → the version of it that is known to be as we want it. */
  readonly #known = new Map<string, string>();

  constructor(kube: Kube, log: Log) {
    this.#kube = kube;
    this.#log = log;
  }

  /** The replaced object, or undefined when the live one is exact. `digest` names the intent. */
  async restore(
    resource: Resource,
    wanted: KubeObject,
    live: KubeObject,
    digest: string,
  ): Promise<KubeObject | undefined> {
    const id = describe(resource, keyOf(live));
    if (this.#known.get(id) === versionOf(live, digest)) return undefined;
    const spec = await this.#defaulted(resource, wanted);
    if (spec === undefined || sameJson(spec, live['spec'])) {
      this.#known.set(id, versionOf(live, digest));
      return undefined;
    }
    const fresh = await this.#kube.get(resource, keyOf(live));
    if (fresh === undefined || fresh.metadata.generation !== live.metadata.generation) return undefined;
    const replaced = await this.#kube.replace(resource, { ...fresh, spec });
    this.#known.set(id, versionOf(replaced, digest));
    this.#log.warn('somebody had added to the spec; it is as declared again', { object: id });
    return replaced;
  }

  /** What the intent is with the server's defaults; undefined where admission does not let us ask. */
  async #defaulted(resource: Resource, wanted: KubeObject): Promise<unknown> {
    const { name, ...metadata } = wanted.metadata;
    const twin = { ...wanted, metadata: { ...metadata, name: `${name}-as-declared` } };
    try {
      return (await this.#kube.create(resource, twin, { dryRun: true }))['spec'];
    } catch (error) {
      if (isSignalboxError(error, 'KUBE_FORBIDDEN') || isSignalboxError(error, 'KUBE_INVALID')) return undefined;
      throw error;
    }
  }
}

const versionOf = ({ metadata }: KubeObject, digest: string): string =>
  `${metadata.uid} ${metadata.generation} ${digest}`;
