// Owns: what becomes of a RolloutCommand: the rollout answers it in its own status; here the person sees the answer.
//   I1: an answer is given once, and stays.   I2: a command to another attempt than the one that exists is refused.
import { isDeleting, ownerOf } from '../catalog/labels.ts';
import type { RolloutCommandObject, RolloutObject } from '../catalog/objects.ts';
import { ready, reconciling, stalled, told } from '../catalog/verdict.ts';
import type { Instant } from '../../ports/system.ts';
import { ROLLOUT_COMMAND } from '../../ports/resources.ts';
import type { Command, Plan } from '../controller/plan.ts';

export interface CommandObserved {
  readonly root: RolloutCommandObject;
  readonly rollout?: RolloutObject | undefined;
}

const ASK_AGAIN_MS = 1_000;
/** The operator's own copy of a new BundleRollout may be this late. */
const UNKNOWN_FOR_MS = 10_000;

export function planCommand({ root, rollout }: CommandObserved, now: Instant): Plan {
  if (root.status?.state !== undefined || isDeleting(root)) return { commands: [] };
  const { name, uid } = root.spec.rolloutRef;
  if (rollout === undefined) return planUnknown(root, `There is no BundleRollout ${name}.`, now);
  if (rollout.metadata.uid !== uid) {
    const message =
      `spec.rolloutRef.uid is ${uid}, but BundleRollout ${name} has ${rollout.metadata.uid}: it is another attempt. ` +
      'Look at it, then tell that one.';
    return planUnknown(root, message, now);
  }
  const answer = rollout.status?.commands?.find((one) => one.uid === root.metadata.uid);
  if (answer === undefined) {
    const verdict = reconciling('Deciding', `BundleRollout ${name} has not answered yet.`);
    return { commands: [], ...told(root, { verdict }, now), requeueAfterMs: ASK_AGAIN_MS };
  }
  const { state, message } = answer;
  const verdict = state === 'Done' ? ready('Accepted', message) : stalled('Refused', message);
  return { commands: [adopt(root, rollout)], ...told(root, { verdict, fields: { state, message } }, now) };
}

function planUnknown(root: RolloutCommandObject, message: string, now: Instant): Plan {
  if (now - Date.parse(root.metadata.creationTimestamp ?? '') > UNKNOWN_FOR_MS) {
    return {
      commands: [],
      ...told(root, { verdict: stalled('Refused', message), fields: { state: 'Refused', message } }, now),
    };
  }
  return {
    commands: [],
    ...told(root, { verdict: reconciling('Deciding', message) }, now),
    requeueAfterMs: ASK_AGAIN_MS,
  };
}

/** A command goes when its rollout goes: both are the record of one attempt. */
function adopt({ apiVersion, kind, metadata }: RolloutCommandObject, rollout: RolloutObject): Command {
  const { name, namespace = '' } = metadata;
  const object = { apiVersion, kind, metadata: { name, namespace, ownerReferences: [ownerOf(rollout)] } };
  return { kind: 'apply', resource: ROLLOUT_COMMAND, object };
}
