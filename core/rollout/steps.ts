// Owns: the steps of a rollout that more than one row or command takes: into a stage, to the promotion, back.
//   S1: nobody is promoted without positive evidence, a person's yes, or a person's force with a reason.
//   S2: on the way back the weight is 0, and nothing raises it again.
import type { RolloutReason, RolloutStatus } from '../../api/v1alpha1/rollout.ts';
import { timeText } from '../schedule/calendar.ts';
import { durationMs } from '../routing/duration.ts';
import { dataTroubles, type Move, percent, phaseOf, stamp, stay } from './move.ts';
import type { RolloutSeen } from './seen.ts';
import { defaults, freezeAt, kindOf, nextStage, scopeAt, stageAt, stageText, weightOf } from './stages.ts';

export interface Step {
  readonly by?: string;
  readonly why: string;
  readonly set?: Partial<RolloutStatus>;
  /** A person goes past a freeze window. */
  readonly pastFreeze?: boolean;
}

/** Causes that say something about the bundle, not about the world around it. */
const harmful: readonly RolloutReason[] = ['HarmDetected', 'GuardrailBound', 'PolicyViolation', 'Quarantined'];

export const fullBps = 10_000;
export const desiredBps = ({ weight }: RolloutStatus): number => weight?.desiredBps ?? 0;
export const observedBps = ({ weight }: RolloutStatus): number => weight?.observedBps ?? 0;
export const weightTo = (status: RolloutStatus, bps: number): Pick<RolloutStatus, 'weight'> => ({
  weight: { desiredBps: bps, observedBps: observedBps(status) },
});
export const bundleName = ({ spec }: RolloutSeen): string => `Bundle ${spec.to.bundle}`;
const stableName = ({ spec }: RolloutSeen): string =>
  spec.from === undefined ? 'no bundle' : `Bundle ${spec.from.bundle}`;
export const where = ({ spec, status }: RolloutSeen): string => `Stage ${stageText(spec.release, status.stage ?? 0)}`;
const by = (person: string | undefined): { readonly by?: string } => (person === undefined ? {} : { by: person });

/** From the stage that it stands at to the next one. */
export const advance = (seen: RolloutSeen, step: Step, now: number): Move =>
  enter(seen, nextStage(seen.spec, seen.status.stage ?? 0), step, now);

export function enter(seen: RolloutSeen, at: number, step: Step, now: number): Move {
  const { release } = seen.spec;
  const stage = stageAt(release, at);
  const frozen = rises(seen, at) && step.pastFreeze !== true ? frozenAt(seen, now) : undefined;
  if (frozen !== undefined) return frozen;
  const kind = stage === undefined ? 'end' : kindOf(stage);
  switch (kind) {
    case 'suite':
    case 'replay':
      return staged(seen, at, { ...step, phase: 'Validating', next: 'the result of the gate' });
    case 'shadow':
      return staged(seen, at, { ...step, phase: 'Shadowing', next: 'pairs are compared' });
    case 'canary': {
      const set = { ...step.set, ...weightTo(seen.status, weightOf(stage)), ...unproven };
      return staged(seen, at, { ...step, set, phase: 'Progressing', next: 'evidence is gathered' });
    }
    case 'hold':
      return staged(seen, at, { ...step, phase: 'Progressing', reason: 'HoldStage', next: 'the time of the stage' });
    case 'approve':
      return ask(seen, at, step);
    case 'bake':
    case 'end':
      return seen.status.promoted === true ? bakeOrEnd(seen, at, step, now) : promote(seen, at, step);
  }
}

/** Each canary stage asks for its own evidence, and an approval is for what was seen before it. */
const unproven = { passed: undefined, approved: undefined } as const;

interface Staged extends Step {
  readonly phase: Move['phase'];
  readonly reason?: RolloutReason;
  readonly next: string;
}

function staged(seen: RolloutSeen, at: number, { phase, reason = 'Admitted', next, why, set, ...step }: Staged): Move {
  const weight = set?.weight?.desiredBps ?? desiredBps(seen.status);
  const what = `Stage ${stageText(seen.spec.release, at)} begins, ${percent(weight)} of new keys`;
  return { phase, reason, what, why, next, ...by(step.by), set: { ...set, stage: at } };
}

export function ask(seen: RolloutSeen, at: number, { why, set, ...step }: Step): Move {
  const queue = scopeAt(seen.spec.release, at);
  const approve = stageAt(seen.spec.release, at)?.approve;
  const expires = approve?.expires ?? '24h';
  return {
    phase: 'AwaitingApproval',
    reason: 'ApprovalPending',
    what: `A person is asked whether ${bundleName(seen)} goes on`,
    why,
    next: `somebody of queue ${queue} approves or rejects within ${expires}; then it is held`,
    ...by(step.by),
    set: { ...set, stage: at },
  };
}

function promote(seen: RolloutSeen, at: number, step: Step): Move {
  const { spec, status } = seen;
  const set = { ...status, ...step.set };
  const proven = set.passed === true || set.approved !== undefined || set.forced !== undefined;
  if (!proven && !isDirect(spec)) {
    return ask(seen, status.stage ?? 0, { ...step, why: 'there is no positive evidence that it may be promoted' });
  }
  return {
    phase: 'Promoting',
    reason: set.forced === undefined ? 'Promoted' : 'Forced',
    what: `Every new key gets ${bundleName(seen)} from now on`,
    why: step.why,
    next: 'all partitions go by it',
    ...by(step.by),
    set: { ...step.set, stage: at, promoted: true, ...weightTo(status, fullBps) },
  };
}

/** The first bundle of an agent, and a way back to one that was stable and still has its workers: nothing to compare. */
export const isDirect = ({ from, fast }: RolloutSeen['spec']): boolean => from === undefined || fast === true;

function bakeOrEnd(seen: RolloutSeen, at: number, { why, ...step }: Step, now: number): Move {
  const bake = seen.spec.fast === true ? undefined : stageAt(seen.spec.release, at)?.bake;
  const set = { ...step.set, stage: at };
  if (bake === undefined) {
    const what = `${bundleName(seen)} is stable`;
    const next = 'nothing; undo goes back to the bundle before';
    return { phase: 'Completed', reason: 'Baked', what, why, next, ...by(step.by), set };
  }
  const what = `Every new key gets ${bundleName(seen)}`;
  const next = `it is watched for ${bake.duration}, then it is stable`;
  // It is watched from when every partition goes by it, not from the decision.
  return {
    phase: 'Baking',
    reason: 'Promoted',
    what,
    why,
    next,
    ...by(step.by),
    set: { ...set, stageSince: stamp(now) },
  };
}

function rises(seen: RolloutSeen, at: number): boolean {
  if (seen.spec.fast === true || seen.status.promoted === true) return false;
  const stage = stageAt(seen.spec.release, at);
  if (stage === undefined || stage.bake !== undefined) return true;
  return weightOf(stage) > desiredBps(seen.status);
}

function frozenAt(seen: RolloutSeen, now: number): Move | undefined {
  const frozen = freezeAt(seen.spec.release, now);
  if (frozen === undefined) return undefined;
  return stay(seen, {
    reason: 'FreezeWindow',
    what: `${where(seen)} is done, and the next one waits`,
    why: `a freeze window is open: ${frozen.reason}`,
    next: `it goes on at ${timeText(frozen.until)}`,
    until: frozen.until,
  });
}

/** The way back: weight to 0 first, whatever follows. */
export function fallBack(
  seen: RolloutSeen,
  cause: { readonly reason: RolloutReason; readonly why: string; readonly by?: string },
  now: number,
): Move {
  const { status, spec } = seen;
  const promoted = status.promoted === true;
  const quarantine = harmful.includes(cause.reason) ? { quarantined: cause.why.slice(0, 512) } : {};
  if (promoted && spec.from === undefined) return nowhereToGo(seen, cause, quarantine, now);
  return {
    phase: promoted ? 'RollingBack' : 'Aborting',
    reason: cause.reason,
    what: `New keys go back to ${stableName(seen)}`,
    why: cause.why,
    next: 'when all partitions go by it, what is under way is taken care of',
    ...by(cause.by),
    set: {
      ...weightTo(status, 0),
      ...quarantine,
      promoted: undefined,
      back: undefined,
      rollback: { trigger: cause.reason, at: stamp(now), cancelled: 0, compensated: 0 },
    },
  };
}

function nowhereToGo(
  seen: RolloutSeen,
  { reason, why, ...cause }: { readonly reason: RolloutReason; readonly why: string; readonly by?: string },
  set: Partial<RolloutStatus>,
  now: number,
): Move {
  return {
    ...hold(seen, { reason, why }, now),
    next: 'there is no bundle before it: freeze its runs, or declare a better bundle',
    ...by(cause.by),
    set: { ...holdFields(seen), ...set },
  };
}

/** Where it stands nothing goes up. */
export function hold(
  seen: RolloutSeen,
  { reason, why, ...cause }: { readonly reason: RolloutReason; readonly why: string; readonly by?: string },
  now: number,
): Move {
  const { release } = seen.spec;
  const deadline = durationMs(release.noDataDeadline, defaults.noDataMs);
  return {
    phase: 'Held',
    reason,
    what: `${where(seen)} is held at ${percent(desiredBps(seen.status))} of new keys`,
    why,
    next: nextOfHold(reason, timeText(now + deadline), release.onNoData ?? defaults.onNoData),
    ...by(cause.by),
    set: holdFields(seen),
  };
}

const holdEnds: Partial<Readonly<Record<RolloutReason, string>>> = {
  HeldByUser: 'unhold goes on',
  HarmDetected: 'abort, or promote with a reason',
  GuardrailBound: 'abort, or promote with a reason',
  ApprovalExpired: 'approve, reject or abort',
};

function nextOfHold(reason: RolloutReason, deadline: string, onNoData: string): string {
  if (!dataTroubles.includes(reason)) return holdEnds[reason] ?? 'extend, promote with a reason, or abort';
  return `it goes on by itself when that is over; from ${deadline} on onNoData counts, which is ${onNoData}`;
}

/** Held once more keeps where it goes back to. */
function holdFields({ status }: RolloutSeen): Partial<RolloutStatus> {
  const phase = phaseOf(status);
  return phase === 'Held' || phase === 'Paused' ? {} : { back: phase, backSince: status.phaseSince };
}

/** Back to where it stood before it was held. */
export function goOn(seen: RolloutSeen, { why, ...step }: Step): Move {
  return {
    phase: seen.status.back ?? 'Progressing',
    reason: 'Admitted',
    what: `${where(seen)} goes on`,
    why,
    next: 'what the stage waits for',
    ...by(step.by),
    set: { ...step.set, back: undefined, backSince: undefined },
  };
}
