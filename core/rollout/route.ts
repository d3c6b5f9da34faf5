// Owns: what a rollout means for the Agent: which bundle new keys get, what is offered beside it, whose workers are needed.
import type { RolloutOffer } from '../../api/messages/rollout.ts';
import type { RolloutSpec, RolloutStatus } from '../../api/v1alpha1/rollout.ts';
import { isActive, isEarly, isEnded, phaseOf } from './move.ts';
import { desiredBps } from './steps.ts';

export interface Attempt {
  readonly name: string;
  readonly uid: string;
  readonly spec: RolloutSpec;
  readonly status: RolloutStatus;
}

export const isUnderWay = ({ status }: Pick<Attempt, 'status'>): boolean => !isEnded(phaseOf(status));

/** What new keys get that do not get the canary. Undefined: the agent has no bundle yet. */
export function stableOf({ spec, status }: Attempt): RolloutSpec['from'] {
  return status.promoted === true ? spec.to : spec.from;
}

/** How engines assign new keys while the attempt is under way. Nothing before its first stage that has a weight. */
export function offerOf({ name, uid, spec, status }: Attempt): RolloutOffer | undefined {
  if (!isUnderWay({ status }) || status.weight === undefined) return undefined;
  const { assignBy, include, exclude } = spec.release;
  return {
    name,
    uid,
    salt: spec.salt,
    ...(assignBy === undefined ? {} : { assignBy }),
    ...(include === undefined ? {} : { include }),
    ...(exclude === undefined ? {} : { exclude }),
    weightBps: isActive(phaseOf(status)) ? desiredBps(status) : 0,
    canary: { bundle: spec.to.bundle, digest: spec.to.digest },
  };
}

/** Its workers are wanted although no run keeps to the bundle yet. */
export function needsWorkers({ status }: Pick<Attempt, 'status'>): boolean {
  const phase = phaseOf(status);
  return isActive(phase) && !isEarly(phase === 'Paused' || phase === 'Held' ? (status.back ?? phase) : phase);
}
