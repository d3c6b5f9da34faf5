// Owns: a row per phase of a rollout: what it waits for, and where it goes from there. Table: docs/design/releases.md.
import type { RolloutPhase, RolloutReason, RolloutStatus } from '../../api/v1alpha1/rollout.ts';
import { durationMs } from '../routing/duration.ts';
import { timeOf, timeText } from '../schedule/calendar.ts';
import { aborting, rollingBack } from './back-rows.ts';
import { canaryRow } from './canary-row.ts';
import { dataTroubles, type Move, type Row, since, stay } from './move.ts';
import type { Gate, Judgement, RolloutSeen } from './seen.ts';
import { defaults, freezeAt, kindOf, nextStage, stageAt } from './stages.ts';
import { advance, bundleName, desiredBps, enter, fallBack, goOn, hold, isDirect, where } from './steps.ts';

type EndedPhase = 'Completed' | 'RolledBack' | 'Rejected' | 'Superseded' | 'Cancelled';

export const rows: Readonly<Record<Exclude<RolloutPhase, EndedPhase>, Row>> = {
  Pending: admission,
  Waiting: admission,
  Validating: validating,
  Provisioning: provisioning,
  Shadowing: shadowing,
  Progressing: canaryRow,
  Analyzing: canaryRow,
  Extending: canaryRow,
  Held: held,
  AwaitingApproval: awaitingApproval,
  Paused: asSaid,
  Promoting: promoting,
  Baking: baking,
  Aborting: aborting,
  RollingBack: rollingBack,
};

function admission(seen: RolloutSeen, now: number): Move {
  const obstacle = obstacleTo(seen, now);
  const set = { stage: nextStage(seen.spec, -1) };
  if (obstacle !== undefined) {
    return { phase: 'Waiting', what: `${bundleName(seen)} waits to begin`, ...obstacle, set };
  }
  const what = `${bundleName(seen)} is checked`;
  const why = 'nothing stands in the way';
  return { phase: 'Validating', reason: 'Admitted', what, why, next: 'its workers are started', set };
}

function obstacleTo(
  { spec, suspended, liveBundles }: RolloutSeen,
  now: number,
): Pick<Move, 'reason' | 'why' | 'next' | 'until'> | undefined {
  if (spec.fast === true) return undefined;
  if (suspended) {
    return { reason: 'FreezeWindow', why: 'spec.release.suspend is true', next: 'it begins when that is taken back' };
  }
  const frozen = freezeAt(spec.release, now);
  if (frozen !== undefined) {
    const why = `a freeze window is open: ${frozen.reason}`;
    return { reason: 'FreezeWindow', why, next: `it begins at ${timeText(frozen.until)}`, until: frozen.until };
  }
  const max = spec.release.maxLiveBundles ?? defaults.maxLiveBundles;
  if (liveBundles + 1 <= max) return undefined;
  const why = `${liveBundles} bundles have workers already, and maxLiveBundles is ${max}`;
  return { reason: 'LiveBundleLimit', why, next: 'it begins when one of them is drained' };
}

function validating(seen: RolloutSeen, now: number): Move {
  const { spec, status, bundle, quarantinedBy } = seen;
  if (quarantinedBy !== undefined) {
    return rejected(seen, 'Quarantined', `BundleRollout ${quarantinedBy} put it under quarantine`, now);
  }
  if (bundle.verdict === 'Fail') return rejected(seen, 'LintFailed', bundle.why, now);
  if (bundle.verdict === 'Running') return waitsForGate(seen, bundle);
  const at = status.stage ?? 0;
  const stage = stageAt(spec.release, at);
  const kind = stage === undefined ? undefined : kindOf(stage);
  if (spec.fast !== true && (kind === 'suite' || kind === 'replay')) return gateRow(seen, at, kind, now);
  return provision(seen, { stage: at }, 'it passed its checks');
}

function gateRow(seen: RolloutSeen, at: number, kind: 'suite' | 'replay', now: number): Move {
  const gate = seen.gates[at] ?? { verdict: 'Running', why: 'there is no result yet' };
  if (gate.verdict === 'Running') return waitsForGate(seen, gate);
  if (gate.verdict === 'Fail') return rejected(seen, kind === 'suite' ? 'SuiteFailed' : 'ReplayLooser', gate.why, now);
  const next = nextStage(seen.spec, at);
  const following = stageAt(seen.spec.release, next);
  const isGate = following?.suite !== undefined || following?.replay !== undefined;
  return isGate ? enter(seen, next, { why: gate.why }, now) : provision(seen, { stage: next }, gate.why);
}

const waitsForGate = (seen: RolloutSeen, { why }: Gate): Move =>
  stay(seen, { reason: 'Admitted', what: `${bundleName(seen)} is checked`, why, next: 'the result of the check' });

function provision(seen: RolloutSeen, set: Partial<RolloutStatus>, why: string): Move {
  const what = `Workers of ${bundleName(seen)} are started`;
  return { phase: 'Provisioning', reason: 'PodsNotReady', what, why, next: 'they are ready, and have a consumer', set };
}

/** Before anybody got the bundle it is rejected; later the weight has to go to 0. */
function rejected(seen: RolloutSeen, reason: RolloutReason, why: string, now: number): Move {
  if (desiredBps(seen.status) > 0) return fallBack(seen, { reason, why }, now);
  const next = 'declare a better bundle, or retry when the check was wrong';
  return { phase: 'Rejected', reason, what: `${bundleName(seen)} gets no keys`, why, next };
}

function provisioning(seen: RolloutSeen, now: number): Move {
  const { spec, status, workers, consumerBound } = seen;
  const up = workers.failing === undefined && workers.ready >= workers.wanted;
  if (up && consumerBound) {
    const why = 'its workers are ready';
    if (!isDirect(spec)) return enter(seen, status.stage ?? 0, { why }, now);
    const bake = spec.release.stages.findIndex((stage) => stage.bake !== undefined);
    return enter(seen, bake >= 0 ? bake : spec.release.stages.length, { why: directly(seen) }, now);
  }
  const reason = up ? 'ConsumerUnbound' : 'PodsNotReady';
  const why = up
    ? 'the consumer of its tasks is not there yet'
    : (workers.failing ?? `${workers.ready} of ${workers.wanted} worker pods are ready`);
  if (since(status.phaseSince, now) >= defaults.provisionMs) return fallBack(seen, { reason, why }, now);
  const until = timeOf(status.phaseSince ?? '') + defaults.provisionMs;
  const next = `its first stage; at ${timeText(until)} it is given up`;
  return stay(seen, { reason, what: `Workers of ${bundleName(seen)} are started`, why, next });
}

const directly = ({ spec }: RolloutSeen): string =>
  spec.from === undefined
    ? 'it is the first bundle of the agent, so there is nothing to compare it with'
    : 'it was stable before, and its workers are warm';

function shadowing(seen: RolloutSeen, now: number): Move {
  const gate = seen.gates[seen.status.stage ?? 0] ?? { verdict: 'Running', why: 'pairs are still to be compared' };
  if (gate.verdict === 'Pass') return advance(seen, { why: gate.why }, now);
  if (gate.verdict === 'Fail') return fallBack(seen, { reason: 'HarmDetected', why: gate.why }, now);
  return stay(seen, { what: `${where(seen)} goes on`, why: gate.why, next: 'the verdict on the pairs' });
}

/** Evidence is missing, for a cause that is not the bundle's. */
export function troubleOf(judgement: Judgement | undefined): RolloutReason | undefined {
  if (judgement === undefined || (judgement.verdict !== 'Error' && judgement.verdict !== 'Inconclusive'))
    return undefined;
  if (dataTroubles.includes(judgement.cause)) return judgement.cause;
  return judgement.verdict === 'Error' ? 'JudgeDown' : undefined;
}

function held(seen: RolloutSeen, now: number): Move {
  const { status, judgement, spec } = seen;
  const reason = status.reason as RolloutReason;
  if (!dataTroubles.includes(reason)) return asSaid(seen);
  const trouble = judgement === undefined ? reason : troubleOf(judgement);
  if (trouble === undefined) return goOn(seen, { why: 'there is evidence again' });
  const heldSince = status.phaseSince === undefined ? now : timeOf(status.phaseSince);
  const why = judgement?.why ?? 'the evidence has not been read yet';
  const isLate = now - heldSince >= durationMs(spec.release.noDataDeadline, defaults.noDataMs);
  if (isLate && spec.release.onNoData === 'rollback') return fallBack(seen, { reason: trouble, why }, now);
  const said = hold(seen, { reason: trouble, why }, heldSince);
  return isLate ? { ...said, next: 'promote with a reason, or abort' } : said;
}

/** Only a person moves it. */
function asSaid(seen: RolloutSeen): Move {
  const { message = '' } = seen.status;
  return { ...stay(seen, { what: where(seen), why: 'a person is asked', next: 'what that person says' }), message };
}

function awaitingApproval(seen: RolloutSeen, now: number): Move {
  const { spec, status, judgement } = seen;
  const approve = stageAt(spec.release, status.stage ?? 0)?.approve;
  const expiresMs = durationMs(approve?.expires, defaults.approvalMs);
  if (since(status.phaseSince, now) >= expiresMs) {
    return hold(seen, { reason: 'ApprovalExpired', why: `nobody answered in ${approve?.expires ?? '24h'}` }, now);
  }
  const until = timeOf(status.phaseSince ?? '') + expiresMs;
  return stay(seen, {
    reason: 'ApprovalPending',
    what: `A person is asked whether ${bundleName(seen)} goes on`,
    why: judgement?.why ?? 'the strategy asks for it',
    next: `approve or reject before ${timeText(until)}`,
    until,
  });
}

function promoting(seen: RolloutSeen, now: number): Move {
  const { route, spec, status } = seen;
  if (route?.told === true && route.stable === spec.to.digest) {
    return enter(seen, status.stage ?? 0, { why: 'all partitions go by it' }, now);
  }
  const what = `Every new key gets ${bundleName(seen)} from now on`;
  return stay(seen, { what, why: 'not every partition goes by it yet', next: 'all partitions go by it' });
}

function baking(seen: RolloutSeen, now: number): Move {
  const { spec, status, judgement } = seen;
  const { duration, minUnits = 0 } = stageAt(spec.release, status.stage ?? 0)?.bake ?? { duration: '0s' };
  const until = timeOf(status.stageSince ?? '') + durationMs(duration, 0);
  if (judgement === undefined) {
    const why = 'nothing is known of how its runs end';
    return stay(seen, { what: `Every new key gets ${bundleName(seen)}`, why, next: 'the evidence is read' });
  }
  const { units } = judgement;
  const isOver = now >= until;
  if (isOver && units >= minUnits) return advance(seen, { why: `it was watched for ${duration}` }, now);
  const what = `Every new key gets ${bundleName(seen)}`;
  const why = `${units} of ${minUnits} units have ended; ${judgement.why}`;
  if (isOver) return stay(seen, { reason: 'NoTraffic', what, why, next: 'more units end, or a person skips the rest' });
  return stay(seen, { reason: 'Promoted', what, why, next: `at ${timeText(until)} it is stable`, until });
}
