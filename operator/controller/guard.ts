// Owns: that nobody but the leader writes. Every change passes here and is refused the moment leadership is in doubt.
import { SignalboxError } from '../../api/errors.ts';
import type { Kube } from '../../ports/kube.ts';

/** What the kernel must know about who leads. */
export interface Leadership {
  /** True while no other replica can have taken over. */
  isLeader(): boolean;
  /** resourceVersion of the Lease when it was taken: grows with every leader; undefined before the first. */
  epoch(): number | undefined;
}

/** For programs that run alone, such as tests. */
export const alwaysLeader: Leadership = { isLeader: () => true, epoch: () => undefined };

/** Throws unless we lead. */
export function assertLeader(leadership: Leadership): void {
  if (!leadership.isLeader()) {
    throw new SignalboxError('STALE', 'this replica does not lead (any more): the change was not sent');
  }
}

/** A Kube whose writes need leadership; reads are free. */
export function guardedKube(kube: Kube, leadership: Leadership): Kube {
  const guarded = <A extends readonly unknown[], R>(call: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      assertLeader(leadership);
      return call(...args);
    };
  };
  return {
    get: (resource, key) => kube.get(resource, key),
    list: (resource, selection) => kube.list(resource, selection),
    watch: (resource, selection, version, signal) => kube.watch(resource, selection, version, signal),
    raw: (path) => kube.raw(path),
    create: guarded(kube.create.bind(kube)) as Kube['create'],
    apply: guarded(kube.apply.bind(kube)) as Kube['apply'],
    mergePatch: guarded(kube.mergePatch.bind(kube)) as Kube['mergePatch'],
    replace: guarded(kube.replace.bind(kube)) as Kube['replace'],
    delete: guarded(kube.delete.bind(kube)),
    post: guarded(kube.post.bind(kube)) as Kube['post'],
  };
}
