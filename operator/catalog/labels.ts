// Owns: how the things that the operator makes are named, labelled and owned.
import type { KubeObject, OwnerReference } from '../../ports/kube.ts';

export const label = {
  role: 'signalbox.dev/role',
  agent: 'signalbox.dev/agent',
  /** 12 hex digits of the bundle's digest. */
  bundle: 'signalbox.dev/bundle',
  queue: 'signalbox.dev/queue',
  component: 'app.kubernetes.io/component',
  partOf: 'app.kubernetes.io/part-of',
  managedBy: 'app.kubernetes.io/managed-by',
} as const;

export const annotation = {
  bundleDigest: 'signalbox.dev/bundle-digest',
  bundleName: 'signalbox.dev/bundle-name',
  /** Since when no run and no task needs the workers, in milliseconds. */
  unusedSince: 'signalbox.dev/unused-since',
  requestedBy: 'signalbox.dev/requested-by',
  /** Who made an Agent want the bundle that it names. */
  changedBy: 'signalbox.dev/changed-by',
} as const;

/** Everything we make has these; caches of our children select by `managedBy`. */
export const managed = { [label.partOf]: 'signalbox', [label.managedBy]: 'signalbox-operator' } as const;
export const managedSelector = `${label.managedBy}=signalbox-operator`;

export type Role = 'gateway' | 'worker';

export const roleLabels = (role: Role): Readonly<Record<string, string>> => ({
  ...managed,
  [label.component]: role,
  [label.role]: role,
});

/** The root is the controller of its children, and the garbage collector removes them with it. */
export function ownerOf(root: KubeObject): OwnerReference {
  return {
    apiVersion: root.apiVersion,
    kind: root.kind,
    name: root.metadata.name,
    uid: root.metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}

export const isOwnedBy = (object: KubeObject, root: KubeObject): boolean =>
  object.metadata.ownerReferences?.some((owner) => owner.uid === root.metadata.uid) ?? false;

export const isDeleting = (object: KubeObject): boolean => object.metadata.deletionTimestamp !== undefined;

/** Finalizer of a kind that has something outside of Kubernetes. */
export const hasFinalizer = (object: KubeObject): boolean =>
  object.metadata.finalizers?.some((name) => name.startsWith('signalbox.dev/')) ?? false;
