// Owns: the words of a decision. A kind's `plan` is pure and returns these; `operator/apply.ts` is the one place that acts.
import type { Condition } from '../../api/schema.ts';
import type { KubeObject, ObjectKey, ObjectMeta, Resource } from '../../ports/kube.ts';

/** An object as we want it: every field present is ours; what is left out is not. */
export interface Intent {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Pick<ObjectMeta, 'name' | 'namespace' | 'labels' | 'annotations' | 'ownerReferences'>;
  readonly [field: string]: unknown;
}

/** One change at the API server. A command whose effect is already there costs nothing. */
export type Command =
  /** Create or repair: server-side apply of the whole intent, skipped when the live object already holds it. */
  | {
      readonly kind: 'apply';
      readonly resource: Resource;
      readonly object: Intent;
      /** The live spec may hold nothing but the intent and the server's defaults: for pods, where an addition is an intrusion. */
      readonly exact?: boolean;
    }
  /** Delete exactly the object seen: a namesake made meanwhile stays. */
  | { readonly kind: 'delete'; readonly resource: Resource; readonly key: ObjectKey; readonly uid: string }
  /** Status of an object other than the root (the root's own goes into `Plan.status`). */
  | { readonly kind: 'status'; readonly resource: Resource; readonly object: KubeObject; readonly status: Status }
  /** Add or remove our finalizer on an object as seen; adding to an object that is being deleted does nothing. */
  | { readonly kind: 'finalizer'; readonly resource: Resource; readonly object: KubeObject; readonly present: boolean };

/** The complete status this controller wants on the root; a field left out is given up. */
export interface Status {
  readonly observedGeneration?: number | undefined;
  readonly conditions?: readonly Condition[] | undefined;
  readonly [field: string]: unknown;
}

/** One line in `kubectl describe`. Repeats of the same text are counted, not stored again. */
export interface EventIntent {
  readonly type: 'Normal' | 'Warning';
  /** UpperCamelCase, from the registry of reasons. */
  readonly reason: string;
  /** What was being done: UpperCamelCase verb such as `Reconcile`, `ApplyDeployment`. */
  readonly action: string;
  /** A sentence; cut at 1,024 bytes. */
  readonly note: string;
}

/**
 * What to do about one root object. `Extra` is the kind's own command type for systems other than Kubernetes; its
 * `perform` carries them out.
 */
export interface Plan<Extra = never> {
  /** In order; neighbouring `apply` commands run side by side. The first failure ends the list. */
  readonly commands: readonly (Command | Extra)[];
  /** Written last, and only when every command succeeded; omit to leave the status alone. */
  readonly status?: Status;
  readonly events?: readonly EventIntent[];
  /** Look again after this many milliseconds even if nothing changes. */
  readonly requeueAfterMs?: number;
}
