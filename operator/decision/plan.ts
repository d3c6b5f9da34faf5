// Owns: the life of a Decision: checked against what was read, sent to the engine until it answers, told what came of it.
//   I1: the engine decides; asking twice is one decision, recognised by the object's uid.   I2: a told decision is done.
import type { DecideRequest } from '../../api/messages/asks.ts';
import type { Instant } from '../../ports/system.ts';
import type { Answer } from '../catalog/engine.ts';
import { isDeleting, ownerOf } from '../catalog/labels.ts';
import type { DecisionObject, EscalationObject } from '../catalog/objects.ts';
import { ready, reconciling, stalled, told, waiting } from '../catalog/verdict.ts';
import { DECISION } from '../../ports/resources.ts';
import type { Command, Plan } from '../controller/plan.ts';
import type { Reason } from '../../api/conditions.ts';

export interface DecisionObserved {
  readonly root: DecisionObject;
  readonly escalation?: EscalationObject | undefined;
  readonly answer?: Answer | undefined;
}

export interface DecideCommand {
  readonly kind: 'decide';
  readonly uid: string;
  readonly request: DecideRequest;
}

const LOOK_MS = 50;
const ASK_AGAIN_MS = 1_000;
/** The operator's own copy of a new Escalation may be this late. */
const UNKNOWN_FOR_MS = 10_000;

export function planDecision(observed: DecisionObserved, now: Instant): Plan<DecideCommand> {
  const { root, escalation } = observed;
  if (root.status?.state !== undefined || isDeleting(root)) return { commands: [] };
  if (escalation === undefined) return planUnknown(root, now);
  const mistake = mistakeIn(root, escalation);
  return mistake === undefined ? planAsk(root, escalation, observed.answer, now) : refuse(root, mistake, now);
}

function planUnknown(root: DecisionObject, now: Instant): Plan<DecideCommand> {
  const { namespace, creationTimestamp = '' } = root.metadata;
  const message = `There is no Escalation ${root.spec.escalationRef.name} in namespace ${namespace}.`;
  if (now - Date.parse(creationTimestamp) > UNKNOWN_FOR_MS) return refuse(root, { reason: 'Refused', message }, now);
  return { commands: [], ...told(root, { verdict: waiting('Deciding', message) }, now), requeueAfterMs: ASK_AGAIN_MS };
}

function planAsk(
  root: DecisionObject,
  escalation: EscalationObject,
  answer: Answer | undefined,
  now: Instant,
): Plan<DecideCommand> {
  switch (answer?.kind) {
    case 'Done': {
      const message = `${root.spec.option === 'approve' ? 'Approved' : 'Rejected'}: the run goes on.`;
      const fields = { state: 'Accepted', message };
      return {
        commands: [adopt(root, escalation)],
        ...told(root, { verdict: ready('Accepted', message), fields }, now),
      };
    }
    case 'Refused': {
      const reason = answer.code === 'STALE' ? 'Superseded' : 'Refused';
      return refuse(root, { reason, message: answer.message }, now, escalation);
    }
    case 'Later': {
      const verdict = waiting(
        answer.code === 'FROZEN' ? 'Frozen' : 'Overloaded',
        `The decision is kept: ${answer.message}. It is given again by itself.`,
      );
      return { commands: [decide(root, escalation)], ...told(root, { verdict }, now), requeueAfterMs: ASK_AGAIN_MS };
    }
    case 'NoAnswer': {
      const verdict = reconciling('JournalUnavailable', `No engine answered (${answer.message}); it is asked again.`);
      return { commands: [decide(root, escalation)], ...told(root, { verdict }, now), requeueAfterMs: ASK_AGAIN_MS };
    }
    case undefined: {
      const verdict = reconciling('Deciding', 'On its way to the engine.');
      return { commands: [decide(root, escalation)], ...told(root, { verdict }, now), requeueAfterMs: LOOK_MS };
    }
  }
}

/** A Decision goes when its Escalation goes: both are the record of one answer. */
function adopt({ apiVersion, kind, metadata }: DecisionObject, escalation: EscalationObject): Command {
  const { name, namespace = '' } = metadata;
  const object = { apiVersion, kind, metadata: { name, namespace, ownerReferences: [ownerOf(escalation)] } };
  return { kind: 'apply', resource: DECISION, object };
}

interface Mistake {
  readonly reason: Reason;
  readonly message: string;
}

/** What can be seen without the engine. Whether it is still open only the journal knows. */
function mistakeIn({ spec }: DecisionObject, escalation: EscalationObject): Mistake | undefined {
  if (spec.digest !== escalation.spec.digest) {
    return {
      reason: 'DigestMismatch',
      message:
        `spec.digest is ${spec.digest}, but Escalation ${escalation.metadata.name} asks about ${escalation.spec.digest}. ` +
        'Read it again and decide about what it says now.',
    };
  }
  const queue = escalation.status?.queue ?? escalation.spec.queue;
  if (spec.queue !== queue) {
    return {
      reason: 'NotEntitled',
      message: `spec.queue is ${spec.queue}, but the question is in queue ${queue} now. Answer for that queue, if you may.`,
    };
  }
  if (escalation.spec.requestedBy === spec.decidedBy) {
    return {
      reason: 'NotEntitled',
      message: `${spec.decidedBy} started the run and may not decide about it; somebody else must.`,
    };
  }
  return undefined;
}

function refuse(
  root: DecisionObject,
  { reason, message }: Mistake,
  now: Instant,
  escalation?: EscalationObject,
): Plan<DecideCommand> {
  const fields = { state: 'Refused', message: message.slice(0, messageMax) };
  const commands = escalation === undefined ? [] : [adopt(root, escalation)];
  return { commands, ...told(root, { verdict: stalled(reason, message), fields }, now) };
}
const messageMax = 2_048;

const decide = (root: DecisionObject, escalation: EscalationObject): DecideCommand => ({
  kind: 'decide',
  uid: root.metadata.uid ?? '',
  request: requestOf(root, escalation),
});

function requestOf({ spec, metadata }: DecisionObject, escalation: EscalationObject): DecideRequest {
  return {
    namespace: metadata.namespace ?? '',
    run: escalation.spec.run,
    escalation: escalation.spec.id,
    queue: spec.queue,
    option: spec.option,
    by: spec.decidedBy,
    reason: spec.reason,
    digest: spec.digest,
    decision: metadata.uid ?? '',
  };
}
