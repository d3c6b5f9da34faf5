// Owns: from what is so to what people read: conditions, and one event when the answer to "is it ready" changes.
import type { ConditionType, Reason } from '../../api/conditions.ts';
import type { KubeObject } from '../../ports/kube.ts';
import type { Instant } from '../../ports/system.ts';
import type { EventIntent, Status } from '../controller/plan.ts';
import { conditionOf, conditions, type Finding, type Health, kstatus } from '../controller/status.ts';

export interface Verdict {
  readonly state: Health['state'];
  readonly reason: Reason;
  readonly message: string;
}

export const ready = (reason: Reason, message: string): Verdict => ({ state: 'ready', reason, message });
export const reconciling = (reason: Reason, message: string): Verdict => ({ state: 'reconciling', reason, message });
export const stalled = (reason: Reason, message: string): Verdict => ({ state: 'stalled', reason, message });
export const waiting = (reason: Reason, message: string): Verdict => ({ state: 'waiting', reason, message });

/** Accepted: sound, and all that it names exists. */
export const accepted = (message: string): Finding => ({
  type: 'Accepted' satisfies ConditionType,
  status: 'True',
  reason: 'Accepted' satisfies Reason,
  message,
});
export const notAccepted = ({ reason, message }: Verdict): Finding => ({
  type: 'Accepted' satisfies ConditionType,
  status: 'False',
  reason,
  message,
});

/** Status and events of a root: the kstatus conditions of `verdict`, `more` conditions, and the kind's own fields. */
export function told(
  root: KubeObject,
  { verdict, more = [], fields = {} }: { verdict: Verdict; more?: readonly Finding[]; fields?: Status },
  now: Instant,
): { readonly status: Status; readonly events: readonly EventIntent[] } {
  const status: Status = {
    ...fields,
    observedGeneration: root.metadata.generation,
    conditions: conditions(root, [...kstatus(verdict), ...more], now),
  };
  const before = conditionOf(root, 'Ready');
  if (before?.reason === verdict.reason && before.message === verdict.message) return { status, events: [] };
  if (before === undefined && verdict.state === 'reconciling') return { status, events: [] };
  const type = verdict.state === 'stalled' || verdict.state === 'waiting' ? 'Warning' : 'Normal';
  return { status, events: [{ type, reason: verdict.reason, action: 'Reconcile', note: verdict.message }] };
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(words: readonly string[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
