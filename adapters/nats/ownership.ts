// Owns: leases on partitions (`p<n>`) and the engines that live (`engine.<name>`). Both vanish 3 s after their last renewal; they
// make takeovers fast, never safe.
import { buckets } from '../../api/messages/subjects.ts';
import type { Bucket } from '../../ports/bus.ts';
import type { Ownership, Seen } from '../../ports/journal.ts';
import type { NatsBus } from './bus.ts';

interface Lease {
  readonly owner: string;
}

const engineKey = (owner: string): string => `engine.${owner}`;
/** Leases and engines that are read at most. */
const seenMax = 4_096;

export async function natsOwnership(bus: NatsBus): Promise<Ownership> {
  const bucket: Bucket<Lease> = await bus.bucket<Lease>(buckets.owners);
  const revisions = new Map<number, number>();
  const keyOf = (partition: number): string => `p${partition}`;
  const renew = async (partition: number, owner: string, revision: number): Promise<boolean> => {
    const renewed = await bucket.update(keyOf(partition), { owner }, revision);
    if (renewed === undefined) revisions.delete(partition);
    else revisions.set(partition, renewed);
    return renewed !== undefined;
  };
  return {
    async hold(partition, owner) {
      const revision = revisions.get(partition);
      if (revision !== undefined && (await renew(partition, owner, revision))) return true;
      const current = await bucket.get(keyOf(partition));
      if (current !== undefined && current.value.owner !== owner) return false;
      return renew(partition, owner, current?.revision ?? 0);
    },
    async release(partition, owner) {
      revisions.delete(partition);
      const current = await bucket.get(keyOf(partition));
      if (current?.value.owner === owner) await bucket.delete(keyOf(partition));
    },
    async holder(partition) {
      return (await bucket.get(keyOf(partition)))?.value.owner;
    },
    async announce(owner) {
      await bucket.put(engineKey(owner), { owner });
    },
    async withdraw(owner) {
      await bucket.delete(engineKey(owner));
    },
    seen: () => seenIn(bucket),
  };
}

async function seenIn(bucket: Bucket<Lease>): Promise<Seen> {
  const [holders, engines] = [new Map<number, string>(), new Set<string>()];
  for (const { key, value } of await bucket.matching('>', seenMax)) {
    if (key === engineKey(value.owner)) engines.add(value.owner);
    else if (/^p\d+$/.test(key)) holders.set(Number(key.slice(1)), value.owner);
  }
  return { holders, engines: [...engines] };
}
