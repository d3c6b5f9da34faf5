// Owns: what people may tell a rollout: when a verb is possible, and what it does. Nothing here goes up without a reason that
// is kept, and the name of the person.
import type { RolloutPhase, RolloutReason, RolloutVerb } from '../../api/v1alpha1/rollout.ts';
import { timeOf } from '../schedule/calendar.ts';
import { isActive, isEarly, isEnded, isGoingBack, type Move, percent, phaseOf, since, stamp, stay } from './move.ts';
import type { RolloutSeen, WaitingCommand } from './seen.ts';
import { needsPass, scopeAt, stageAt } from './stages.ts';
import { advance, bundleName, desiredBps, enter, fallBack, goOn, hold, where } from './steps.ts';

/** What it does, or why not. */
type Verb = (seen: RolloutSeen, command: WaitingCommand, now: number) => Move | string;

export const verbs: Readonly<Record<RolloutVerb, Verb>> = {
  approve,
  reject,
  promote,
  skip,
  extend,
  pause,
  resume,
  hold: holdIt,
  unhold,
  abort,
  retry,
  undo,
  quarantine,
  release,
};

const said = ({ by, reason }: WaitingCommand): string => `${by} said: ${reason}`;
const notIn = (verb: string, seen: RolloutSeen, where: string): string =>
  `${verb} is possible ${where}; found phase ${phaseOf(seen.status)}`;

/** The stage that was looked at is the one that it stands at. */
export function stageMistake({ status }: RolloutSeen, { verb, stage }: WaitingCommand): string | undefined {
  if (stage === undefined || stage === (status.stage ?? 0)) return undefined;
  return `spec.stage is ${stage}, but the rollout stands at stage ${status.stage ?? 0} now. Look at it again, then ${verb}.`;
}

/** Held since nobody answered is still asked. */
const isAsked = ({ status }: RolloutSeen): boolean =>
  phaseOf(status) === 'AwaitingApproval' || (phaseOf(status) === 'Held' && status.reason === 'ApprovalExpired');

function entitled(seen: RolloutSeen, { verb, scope, by }: WaitingCommand): string | undefined {
  if (!isAsked(seen)) return notIn(verb, seen, 'in phase AwaitingApproval');
  const queue = scopeAt(seen.spec.release, seen.status.stage ?? 0);
  if (scope !== queue) return `spec.scope is ${scope ?? 'absent'}, but the stage asks queue ${queue}`;
  if (by === seen.changedBy) return `${by} made the Agent want this bundle and may not answer; somebody else must`;
  return undefined;
}

function approve(seen: RolloutSeen, command: WaitingCommand, now: number): Move | string {
  const mistake = entitled(seen, command);
  if (mistake !== undefined) return mistake;
  const set = { approved: command.by, back: undefined, backSince: undefined };
  const move = advance(seen, { why: said(command), by: command.by, set }, now);
  return move.reason === 'FreezeWindow' ? `${move.why}; approve when it is over, or abort` : move;
}

function reject(seen: RolloutSeen, command: WaitingCommand, now: number): Move | string {
  return (
    entitled(seen, command) ?? fallBack(seen, { reason: 'ApprovalRejected', why: said(command), by: command.by }, now)
  );
}

function promote(seen: RolloutSeen, command: WaitingCommand, now: number): Move | string {
  const phase = phaseOf(seen.status);
  const stands = behind(seen);
  if (!isActive(phase) || isEarly(stands) || stands === 'Provisioning') {
    return notIn('promote', seen, 'while its workers are ready and it is under way');
  }
  if (seen.status.promoted === true) return `${bundleName(seen)} is promoted already`;
  const { stages } = seen.spec.release;
  if (seen.quarantinedBy !== undefined) {
    return `${bundleName(seen)} is under quarantine (BundleRollout ${seen.quarantinedBy} says so): release it first`;
  }
  const isAskedFor = (seen.spec.highRisk ?? []).length > 0 || stages.some(({ approve }) => approve !== undefined);
  if (isAskedFor && command.by === seen.changedBy) {
    return `${command.by} made the Agent want this bundle, and the release asks for approval; somebody else must promote`;
  }
  const bake = stages.findIndex((stage) => stage.bake !== undefined);
  const set = { forced: command.by, back: undefined, backSince: undefined };
  const step = { why: said(command), by: command.by, set, pastFreeze: true };
  return enter(seen, bake >= 0 ? bake : stages.length, step, now);
}

/** What was paused or held stands where it stood. */
function behind({ status }: RolloutSeen): RolloutPhase {
  const phase = phaseOf(status);
  return phase === 'Held' || phase === 'Paused' ? (status.back ?? phase) : phase;
}

function skip(seen: RolloutSeen, command: WaitingCommand, now: number): Move | string {
  const { spec, status } = seen;
  const phase = phaseOf(status);
  const step = { why: said(command), by: command.by, pastFreeze: true };
  if (phase === 'Waiting') {
    const what = `${bundleName(seen)} is checked`;
    const next = 'its workers are started';
    return { phase: 'Validating', reason: 'Admitted', what, why: step.why, next, by: command.by };
  }
  if (phase === 'Baking') return advance(seen, step, now);
  const at = status.stage ?? 0;
  const stage = stageAt(spec.release, at);
  if (!['Shadowing', 'Progressing', 'Analyzing', 'Extending'].includes(phase)) {
    return notIn('skip', seen, 'while it waits to begin, in a canary or hold stage, and while it bakes');
  }
  if (stage?.canary !== undefined && needsPass(spec, at) && seen.judgement?.verdict !== 'Pass') {
    return `${where(seen)} asks for positive evidence and has none: promote says that you go past doubt`;
  }
  const set = seen.judgement?.verdict === 'Pass' ? { passed: true } : {};
  return advance(seen, { ...step, set }, now);
}

function extend(seen: RolloutSeen, command: WaitingCommand, now: number): Move | string {
  const { spec, status } = seen;
  const canary = stageAt(spec.release, status.stage ?? 0)?.canary;
  const phase = phaseOf(status);
  const lacksEvidence =
    phase === 'Held' && !['HarmDetected', 'GuardrailBound', 'HeldByUser'].includes(status.reason ?? '');
  const asked = ['Progressing', 'Analyzing', 'Extending', 'AwaitingApproval'].includes(phase) || lacksEvidence;
  if (canary === undefined || !asked) return notIn('extend', seen, 'in a canary stage that has no verdict');
  const set = { stageSince: stamp(now), back: undefined, backSince: undefined };
  const what = `${where(seen)} gets its time once more, ${canary.until.maxDuration}`;
  return {
    phase: 'Extending',
    reason: 'NeedMoreUnits',
    what,
    why: said(command),
    next: 'a verdict',
    by: command.by,
    set,
  };
}

function pause(seen: RolloutSeen, command: WaitingCommand): Move | string {
  const { status } = seen;
  const phase = phaseOf(status);
  if (!isActive(phase) || phase === 'Paused' || phase === 'Held') {
    return notIn('pause', seen, 'while it is under way, and neither paused nor held');
  }
  return {
    phase: 'Paused',
    reason: 'PausedByUser',
    what: `${where(seen)} is paused, and its clocks stand`,
    why: said(command),
    next: 'resume goes on where it stood; harm still takes it back',
    by: command.by,
    set: { back: phase, backSince: status.phaseSince },
  };
}

/** The clocks go on where they stood. */
function resume(seen: RolloutSeen, command: WaitingCommand, now: number): Move | string {
  const { status } = seen;
  if (phaseOf(status) !== 'Paused') return notIn('resume', seen, 'in phase Paused');
  const pausedMs = since(status.phaseSince, now);
  const later = (text: string | undefined): string => stamp((text === undefined ? now : timeOf(text)) + pausedMs);
  const set = { stageSince: later(status.stageSince), phaseSince: later(status.backSince) };
  return goOn(seen, { why: said(command), by: command.by, set });
}

function holdIt(seen: RolloutSeen, command: WaitingCommand, now: number): Move | string {
  const phase = phaseOf(seen.status);
  if (!isActive(phase) || phase === 'Paused' || phase === 'Held') {
    return notIn('hold', seen, 'while it is under way, and neither paused nor held');
  }
  return hold(seen, { reason: 'HeldByUser', why: said(command), by: command.by }, now);
}

function unhold(seen: RolloutSeen, command: WaitingCommand): Move | string {
  const { status } = seen;
  if (phaseOf(status) !== 'Held') return notIn('unhold', seen, 'in phase Held');
  if (seen.judgement?.verdict === 'Fail') return 'there is evidence of harm: abort, or promote with a reason';
  return goOn(seen, { why: said(command), by: command.by });
}

function abort(seen: RolloutSeen, command: WaitingCommand, now: number): Move | string {
  return goBack(seen, command, { reason: 'AbortedByUser', now });
}

function undo(seen: RolloutSeen, command: WaitingCommand, now: number): Move | string {
  const { status } = seen;
  if (status.promoted !== true) return `${bundleName(seen)} is not what new keys get: abort ends the attempt`;
  if (seen.newer !== undefined) return `BundleRollout ${seen.newer} was made after this one: tell that one`;
  return goBack(seen, command, { reason: 'Undone', now });
}

function goBack(
  seen: RolloutSeen,
  command: WaitingCommand,
  { reason, now }: { readonly reason: RolloutReason; readonly now: number },
): Move | string {
  const phase = phaseOf(seen.status);
  if (isGoingBack(phase)) return `it goes back already, since ${seen.status.rollback?.trigger ?? seen.status.reason}`;
  if (isEnded(phase) && reason !== 'Undone') return notIn(command.verb, seen, 'while it is under way');
  if (seen.status.promoted === true && seen.spec.from === undefined) {
    return `there is no bundle before ${bundleName(seen)} to go back to`;
  }
  return fallBack(seen, { reason, why: said(command), by: command.by }, now);
}

function retry(seen: RolloutSeen, command: WaitingCommand): Move | string {
  const { status, spec, wanted } = seen;
  const phase = phaseOf(status);
  if (!isEnded(phase) || phase === 'Completed') return notIn('retry', seen, 'when it has ended without success');
  const quarantine = status.quarantined ?? (seen.quarantinedBy && `BundleRollout ${seen.quarantinedBy} says so`);
  if (quarantine !== undefined) return `${bundleName(seen)} is under quarantine (${quarantine}): release it first`;
  if (wanted !== spec.to.digest) return `the Agent does not want ${bundleName(seen)} any more`;
  if (seen.newer !== undefined) return `BundleRollout ${seen.newer} was made after this one: tell that one`;
  return keeps(seen, command, { retried: true }, 'another attempt is made');
}

function quarantine(seen: RolloutSeen, command: WaitingCommand, now: number): Move | string {
  const phase = phaseOf(seen.status);
  if (isActive(phase) && !(seen.status.promoted === true && seen.spec.from === undefined)) {
    return fallBack(seen, { reason: 'Quarantined', why: said(command), by: command.by }, now);
  }
  const why = said(command).slice(0, 512);
  return keeps(seen, command, { quarantined: why }, 'release takes the quarantine back');
}

function release(seen: RolloutSeen, command: WaitingCommand): Move | string {
  if (seen.status.quarantined === undefined) return `${bundleName(seen)} is not under quarantine by this rollout`;
  return keeps(seen, command, { quarantined: undefined }, 'retry makes another attempt');
}

/** The phase stays; a fact is noted. */
function keeps(seen: RolloutSeen, command: WaitingCommand, set: NonNullable<Move['set']>, next: string): Move {
  const what = `${bundleName(seen)} has ${percent(desiredBps(seen.status))} of new keys, and ${command.verb} is noted`;
  return stay(seen, { what, why: said(command), next, by: command.by, set });
}
