// Owns: the rows of a canary stage: the weight is set, evidence accrues, a verdict is looked for, time is given.
import type { RolloutReason } from '../../api/v1alpha1/rollout.ts';
import { durationMs } from '../routing/duration.ts';
import { timeOf, timeText } from '../schedule/calendar.ts';
import { type Move, percent, phaseOf, since, stay } from './move.ts';
import type { Judgement, RolloutSeen } from './seen.ts';
import { defaults, needsPass, stageAt } from './stages.ts';
import { advance, ask, desiredBps, fallBack, hold, observedBps, where } from './steps.ts';

interface Looks {
  readonly units: number;
  readonly wanted: number;
  readonly mayEnd: boolean;
  /** The time of the stage is over. */
  readonly isOver: boolean;
  /** RFC 3339: when it is. */
  readonly over: string;
  readonly overAt: number;
}

export function canaryRow(seen: RolloutSeen, now: number): Move {
  const { spec, status } = seen;
  const stage = stageAt(spec.release, status.stage ?? 0);
  if (stage?.hold !== undefined) return holdStage(seen, stage.hold.duration, now);
  if (observedBps(status) !== desiredBps(status)) {
    const why = `not every partition goes by it yet; ${percent(observedBps(status))} was the last weight`;
    const what = `${where(seen)}, ${percent(desiredBps(status))} of new keys`;
    return stay(seen, { reason: 'Admitted', what, why, next: 'evidence is gathered' });
  }
  const looks = looksOf(seen, now);
  if (phaseOf(status) === 'Progressing') return progressing(seen, looks);
  return analyzing(seen, looks, now);
}

function holdStage(seen: RolloutSeen, duration: string, now: number): Move {
  const until = timeOf(seen.status.stageSince ?? '') + durationMs(duration, 0);
  if (now >= until) return advance(seen, { why: `${duration} have passed` }, now);
  const why = `the strategy lets ${duration} pass`;
  return stay(seen, {
    reason: 'HoldStage',
    what: `${where(seen)} waits`,
    why,
    next: `it ends at ${timeText(until)}`,
    until,
  });
}

function looksOf({ spec, status, judgement }: RolloutSeen, now: number): Looks {
  const until = stageAt(spec.release, status.stage ?? 0)?.canary?.until;
  const units = judgement?.units ?? 0;
  const wanted = until?.minUnits ?? defaults.minUnits;
  const elapsed = since(status.stageSince, now);
  const maxMs = durationMs(until?.maxDuration, 0);
  const overAt = timeOf(status.stageSince ?? '') + maxMs;
  return {
    units,
    wanted,
    mayEnd: units >= wanted && elapsed >= durationMs(until?.minDuration, 0),
    isOver: elapsed >= maxMs,
    over: timeText(overAt),
    overAt,
  };
}

function progressing(seen: RolloutSeen, looks: Looks): Move {
  const what = `${where(seen)}, ${percent(desiredBps(seen.status))} of new keys`;
  if (looks.mayEnd || looks.isOver) {
    const why = looks.mayEnd ? `${looks.units} units of the canary have ended` : 'the time of the stage is over';
    return { phase: 'Analyzing', reason: causeOf(seen), what, why, next: 'what the evidence says' };
  }
  const why = `${looks.units} of ${looks.wanted} units of the canary have ended${words(seen)}`;
  const next = `a look at the evidence when enough have, at ${looks.over} at the latest`;
  return stay(seen, { reason: causeOf(seen), what, why, next, until: looks.overAt });
}

const words = ({ judgement }: RolloutSeen): string => (judgement === undefined ? '' : `; ${judgement.why}`);

/** Why there is no verdict yet. */
function causeOf({ judgement }: RolloutSeen): RolloutReason {
  return judgement?.verdict === 'Inconclusive' ? judgement.cause : 'NeedMoreUnits';
}

function analyzing(seen: RolloutSeen, looks: Looks, now: number): Move {
  const { spec, status, judgement } = seen;
  const isPass = judgement?.verdict === 'Pass';
  const enough = isPass || (isUndecided(judgement) && !needsPass(spec, status.stage ?? 0));
  if (enough && looks.mayEnd) {
    const why = isPass ? `there is positive evidence: ${judgement.why}` : `no harm is seen: ${judgement?.why}`;
    return advance(seen, { why, ...(isPass ? { set: { passed: true } } : {}) }, now);
  }
  const what = `${where(seen)}, ${percent(desiredBps(status))} of new keys`;
  const why = `there is no verdict yet: ${looks.units} of ${looks.wanted} units of the canary have ended${words(seen)}`;
  if (!looks.isOver) {
    const next = `a verdict, at ${looks.over} at the latest`;
    return { phase: 'Extending', reason: causeOf(seen), what, why, next, until: looks.overAt };
  }
  return inconclusive(seen, why, now);
}

const isUndecided = (judgement: Judgement | undefined): judgement is Judgement =>
  judgement?.verdict === 'Running' || judgement?.verdict === 'Inconclusive';

/** The time of the stage is over, and there is no verdict. */
function inconclusive(seen: RolloutSeen, why: string, now: number): Move {
  const reason = causeOf(seen);
  switch (seen.spec.release.onInconclusive ?? defaults.onInconclusive) {
    case 'extend': {
      const what = `${where(seen)}, ${percent(desiredBps(seen.status))} of new keys`;
      return { phase: 'Extending', reason, what, why, next: 'a verdict, or the deadline of the whole attempt' };
    }
    case 'approve':
      return ask(seen, seen.status.stage ?? 0, { why });
    case 'hold':
      return hold(seen, { reason, why }, now);
    case 'rollback':
      return fallBack(seen, { reason, why }, now);
  }
}
