// Owns: what the annotations of a Namespace say about its runs, as the engines read it from the catalog.
import { catalogKeys } from '../../api/messages/subjects.ts';
import type { Reason } from '../../api/conditions.ts';
import { readBounds } from '../../core/tenant/bounds.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { type BusCommand, publish, withdraw } from '../catalog/commands.ts';
import { isDeleting } from '../catalog/labels.ts';
import type { CatalogEntry } from '../catalog/objects.ts';
import type { Plan } from '../controller/plan.ts';

export interface NamespaceObserved {
  readonly root: KubeObject;
  readonly entry?: CatalogEntry | undefined;
}

export function planNamespace({ root, entry }: NamespaceObserved): Plan<BusCommand> {
  const key = catalogKeys.tenant(root.metadata.name);
  if (isDeleting(root)) return { commands: withdraw(key, entry) };
  const { bounds, problems } = readBounds(root.metadata.annotations ?? {});
  return {
    commands: Object.keys(bounds).length === 0 ? withdraw(key, entry) : publish(key, bounds, entry),
    events: problems.map((problem) => ({
      type: 'Warning',
      reason: 'InvalidSpec' satisfies Reason,
      action: 'Reconcile',
      note: `metadata.annotations ${problem}. Until then the setting of the engine holds.`,
    })),
  };
}
