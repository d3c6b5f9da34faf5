// Owns: the one way to set conditions. Times change only on flips; kstatus readers (kubectl wait, Flux, Argo CD) get
// Ready always, Reconciling and Stalled only while true.
import type { Condition } from '../../api/schema.ts';
import type { KubeObject } from '../../ports/kube.ts';
import type { Instant } from '../../ports/system.ts';
import { secondTime } from './micro-time.ts';

/** A condition before it is compared with the last one. */
export interface Finding {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  /** UpperCamelCase, from the registry of reasons. */
  readonly reason: string;
  /** What is so, why, and what to do next. */
  readonly message: string;
}

/** The three states kstatus knows; `ready` may be given together with neither of the others only. */
export type Health =
  | { readonly state: 'ready'; readonly reason: string; readonly message: string }
  | { readonly state: 'reconciling'; readonly reason: string; readonly message: string }
  | { readonly state: 'stalled'; readonly reason: string; readonly message: string }
  /** Not ready, not progressing, but nothing a person must repair here: waiting for something outside. */
  | { readonly state: 'waiting'; readonly reason: string; readonly message: string };

const MESSAGE_MAX = 32_768;

/** Conditions of `object` as last seen. */
export function conditionsOf(object: KubeObject): readonly Condition[] {
  const status = object['status'] as { readonly conditions?: readonly Condition[] } | undefined;
  return status?.conditions ?? [];
}

/** The named condition of `object`, if it has one. */
export function conditionOf(object: KubeObject, type: string): Condition | undefined {
  return conditionsOf(object).find((condition) => condition.type === type);
}

/** Ready, Reconciling and Stalled that tell `health`. */
export function kstatus(health: Health): readonly Finding[] {
  const { state, reason, message } = health;
  const ready: Finding = { type: 'Ready', status: state === 'ready' ? 'True' : 'False', reason, message };
  if (state === 'reconciling') return [ready, { type: 'Reconciling', status: 'True', reason, message }];
  if (state === 'stalled') return [ready, { type: 'Stalled', status: 'True', reason, message }];
  return [ready];
}

/** The complete list of conditions a controller writes: `findings`, with times kept where the status did not flip. */
export function conditions(root: KubeObject, findings: readonly Finding[], now: Instant): readonly Condition[] {
  const stamp = secondTime(now);
  const generation = root.metadata.generation;
  return findings.map((finding) => {
    const before = conditionOf(root, finding.type);
    return {
      ...finding,
      message: finding.message.slice(0, MESSAGE_MAX),
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      lastTransitionTime: before?.status === finding.status ? before.lastTransitionTime : stamp,
    };
  });
}
