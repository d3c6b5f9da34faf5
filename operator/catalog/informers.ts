// Owns: one list of informers for the kernel: those of the API server and those of the bus.
import type { Informer, Informers } from '../../ports/cache.ts';
import type { KubeObject, Resource, Selection } from '../../ports/kube.ts';

const nameOf = (resource: Resource): string => `${resource.group}/${resource.plural}`;

/** `selections`: of which kinds only some objects are ours to keep in memory, by plural. */
export function withProjections(
  kube: Informers,
  projections: readonly Informer<never>[],
  selections: Readonly<Record<string, Selection>>,
): Informers {
  const byName = new Map(projections.map((informer) => [nameOf(informer.resource), informer as unknown as Informer]));
  return {
    of<T extends KubeObject>(resource: Resource, selection?: Selection): Informer<T> {
      const projection = byName.get(nameOf(resource));
      return projection === undefined
        ? kube.of<T>(resource, selection ?? selections[resource.plural])
        : (projection as unknown as Informer<T>);
    },
    all: () => [...kube.all(), ...byName.values()],
  };
}
