// Owns: the gateway's view of the catalog. Bundles are immutable and kept; the agent's ceiling is read at each call, so that
// a right taken away is gone with the next call.
import { SignalboxError } from '../../api/errors.ts';
import type { AgentSnapshot, ResolvedBundle } from '../../api/messages/catalog.ts';
import { buckets, catalogKeys } from '../../api/messages/subjects.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';

export interface Catalog {
  /** The ceiling as it is now; undefined when there is no such agent. */
  agent(namespace: string, name: string): Promise<AgentSnapshot | undefined>;
  /** Rejects with NOT_FOUND. */
  bundle(digest: string): Promise<ResolvedBundle>;
}

const bundlesMax = 64;

export function catalogOf(bus: Bus): Catalog {
  let opened: Promise<Bucket<unknown>> | undefined;
  const bundles = new Map<string, ResolvedBundle>();
  const read = async (key: string): Promise<unknown> => {
    opened ??= bus.bucket<unknown>(buckets.catalog);
    try {
      return (await (await opened).get(key))?.value;
    } catch (error) {
      opened = undefined;
      throw error;
    }
  };
  return {
    agent: async (namespace, name) => (await read(catalogKeys.agent(namespace, name))) as AgentSnapshot | undefined,
    async bundle(digest) {
      const known = bundles.get(digest);
      if (known !== undefined) return known;
      const found = (await read(catalogKeys.bundle(digest))) as ResolvedBundle | undefined;
      if (found === undefined) {
        throw new SignalboxError('NOT_FOUND', `the catalog has no bundle ${digest}; is the operator running?`);
      }
      if (bundles.size >= bundlesMax) bundles.delete(bundles.keys().next().value ?? '');
      bundles.set(digest, found);
      return found;
    },
  };
}
