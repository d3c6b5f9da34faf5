// Owns: what the plan of a Namespace's bounds looks at.
import { catalogKeys } from '../../api/messages/subjects.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { NAMESPACE } from '../../ports/resources.ts';
import type { BusCommand } from '../catalog/commands.ts';
import { CATALOG_ENTRY, type CatalogEntry } from '../catalog/objects.ts';
import { type Controller, planned } from '../controller/controller.ts';
import { type NamespaceObserved, planNamespace } from './plan.ts';

const prefix = catalogKeys.tenant('');

export const namespaceController = (perform: (command: BusCommand) => Promise<void>): Controller =>
  planned<NamespaceObserved, BusCommand>({
    name: 'namespace',
    root: NAMESPACE,
    watches: [
      {
        resource: CATALOG_ENTRY,
        map: ({ metadata: { name } }: KubeObject) =>
          name.startsWith(prefix) ? [{ name: name.slice(prefix.length) }] : [],
      },
    ],
    observe: (root, caches) => ({
      root,
      entry: caches.of<CatalogEntry>(CATALOG_ENTRY).get({ name: catalogKeys.tenant(root.metadata.name) }),
    }),
    plan: planNamespace,
    perform,
  });
