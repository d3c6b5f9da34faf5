// Owns: Escalation objects: what the journal asks people, where kubectl can see it.
//   I1: an open question has exactly one object, by a name that follows from the journal; deleted by others, it comes back.
//   I2: nothing is deleted while open; what is over stays seven days.
import type { EscalationRecord } from '../../api/messages/history.ts';
import type { Reason } from '../../api/conditions.ts';
import type { EscalationSpec } from '../../api/v1alpha1/escalation.ts';
import { apiVersionOf, ESCALATION, keyOf } from '../../ports/resources.ts';
import type { Instant } from '../../ports/system.ts';
import { label, managed } from '../catalog/labels.ts';
import type { EscalationObject } from '../catalog/objects.ts';
import { ready, told, type Verdict, waiting } from '../catalog/verdict.ts';
import type { Intent, Plan, Status } from '../controller/plan.ts';

export interface EscalationObserved {
  /** What the journal says; undefined when the projection has forgotten it. */
  readonly record?: EscalationRecord | undefined;
  readonly object?: EscalationObject | undefined;
}

export const keptForMs = 7 * 24 * 3_600_000;
/** Timers hold at most 24.8 days; a day is near enough. */
const LOOK_AGAIN_MS = 24 * 3_600_000;

export function planEscalation({ record, object }: EscalationObserved, now: Instant): Plan {
  if (record === undefined) return object === undefined ? { commands: [] } : planOver(object, now);
  if (object === undefined) {
    if (record.status !== 'Open' && now - (record.decidedAt ?? record.openedAt) > keptForMs) return { commands: [] };
    return { commands: [{ kind: 'apply', resource: ESCALATION, object: intentOf(record) }] };
  }
  const mirrored = told(object, { verdict: verdictOf(record), fields: fieldsOf(record) }, now);
  if (record.status === 'Open') return { commands: [], ...mirrored };
  const over = planOver(object, now, record.decidedAt);
  return over.commands.length > 0 ? over : { ...mirrored, ...over };
}

function planOver(object: EscalationObject, now: Instant, decidedAt?: number): Plan {
  const state = object.status?.state;
  if (decidedAt === undefined && (state === undefined || state === 'Open')) return { commands: [] };
  const since = decidedAt ?? Date.parse(object.status?.decidedAt ?? object.spec.openedAt);
  const left = since + keptForMs - now;
  if (left > 0) return { commands: [], requeueAfterMs: Math.min(left, LOOK_AGAIN_MS) };
  return { commands: [{ kind: 'delete', resource: ESCALATION, key: keyOf(object), uid: object.metadata.uid ?? '' }] };
}

export function intentOf({
  namespace,
  run,
  workflow,
  requestedBy,
  escalation,
  costMicros,
  openedAt,
}: EscalationRecord): Intent {
  const spec: EscalationSpec = {
    id: escalation.id,
    run,
    workflow,
    state: escalation.state,
    ...(escalation.agent === undefined ? {} : { agent: escalation.agent }),
    ...(escalation.rule === undefined ? {} : { rule: escalation.rule }),
    signal: escalation.signal,
    action: escalation.action,
    queue: escalation.queue,
    question: cut(escalation.question),
    evidence: escalation.evidence.slice(0, evidenceMax).map(cut),
    ...(escalation.proposal === undefined
      ? {}
      : { proposal: { tool: escalation.proposal.tool, args: { ...escalation.proposal.args } } }),
    digest: escalation.digest,
    requestedBy,
    costMicros,
    openedAt: time(openedAt),
    deadline: time(escalation.deadline),
  };
  const labels = { ...managed, [label.queue]: escalation.queue };
  return {
    apiVersion: apiVersionOf(ESCALATION),
    kind: ESCALATION.kind,
    metadata: { name: escalation.id, namespace, labels },
    spec,
  };
}

const evidenceMax = 32;
const textMax = 2_048;
const cut = (text: string): string => (text.length > textMax ? `${text.slice(0, textMax - 1)}…` : text);

function fieldsOf({ status, escalation, option, decidedBy, reason, decidedAt }: EscalationRecord): Status {
  const fields = {
    state: status,
    queue: escalation.queue,
    deadline: time(escalation.deadline),
    option,
    decidedBy,
    reason,
    decidedAt: decidedAt === undefined ? undefined : time(decidedAt),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function verdictOf({ status, escalation, option, decidedBy, reason }: EscalationRecord): Verdict {
  const why: Reason = status;
  switch (status) {
    case 'Open':
      return waiting(why, `Waits for an answer from queue ${escalation.queue} until ${time(escalation.deadline)}.`);
    case 'Decided':
      return ready(
        why,
        `${option === 'approve' ? 'Approved' : 'Rejected'} by ${decidedBy ?? 'somebody'}: ${reason ?? ''}`,
      );
    case 'Expired':
      return ready(why, 'Nobody answered before the deadline; the queue’s onExpiry was done.');
    case 'Closed':
      return ready(why, 'Closed without an answer: the run went on or ended.');
  }
}

const time = (at: Instant): string => new Date(at).toISOString();
