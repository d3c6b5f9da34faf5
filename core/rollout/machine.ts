// Owns: the state machine of a rollout: from what is seen to the status that says what is so, and what is to be done.
//   R1: guards first, in their order; then harm, people, missing evidence; then the row of the phase.
//   R2: a crash changes nothing: the next look starts from the last written status and comes to the same decision.
//   R3: a command is answered once, in the same write as what it did.
//   R4: what has ended moves only when a person says so.
import type { RolloutPhase, RolloutReason, RolloutStatus } from '../../api/v1alpha1/rollout.ts';
import { durationMs } from '../routing/duration.ts';
import {
  askedMs,
  asksPerson,
  isActive,
  isEarly,
  isEnded,
  isMoved,
  type Move,
  phaseOf,
  type Row,
  since,
  statusAfter,
} from './move.ts';
import { rows, troubleOf } from './rows.ts';
import type { RolloutEvent, RolloutPlan, RolloutSeen, WaitingCommand } from './seen.ts';
import { defaults } from './stages.ts';
import { bundleName, fallBack, fullBps, hold, where, weightTo } from './steps.ts';
import { stageMistake, verbs } from './verbs.ts';

/** Under way it is looked at this often, whatever happens. */
export const lookMs = 5_000;
const answersMax = 32;

type Answer = NonNullable<RolloutStatus['commands']>[number];
type Decision = ReturnType<Row>;

export function planRollout(observed: RolloutSeen, now: number): RolloutPlan {
  const before = observed.status;
  const seen = { ...observed, status: withEvidence(observed) };
  const { move, answers } = decide(seen, now);
  const noted = answers.length === 0 ? {} : { commands: kept(seen, answers) };
  if (move === undefined) return { commands: [], status: { ...seen.status, ...noted }, events: [] };
  const after = { ...statusAfter(seen.spec, seen.status, move, now), ...noted };
  const status = isMoved(seen.status, move) && isEnded(move.phase) ? { ...after, verdict: lastVerdict(after) } : after;
  const changed = isMoved(before, move) || before.reason !== move.reason;
  return {
    commands: move.acts ?? [],
    status,
    events: changed ? [eventOf(status, move)] : [],
    ...(isEnded(move.phase) ? {} : { requeueAfterMs: nextLook(changed || answers.length > 0, move, now) }),
  };
}

function nextLook(changed: boolean, { until }: Move, now: number): number {
  return changed ? 1 : Math.max(1, Math.min(lookMs, (until ?? Infinity) - now));
}

/** What partitions go by, and what the judge says, as long as it is under way. */
function withEvidence({ status, route, judgement, spec }: RolloutSeen): RolloutStatus {
  if (isEnded(phaseOf(status))) return status;
  const bps = route?.stable === spec.to.digest ? fullBps : route?.canaryBps;
  const weight =
    status.weight !== undefined && route?.told === true
      ? { weight: { ...status.weight, observedBps: bps ?? status.weight.observedBps } }
      : {};
  if (judgement === undefined) return { ...status, ...weight };
  const { verdict, samples, metrics, evidence } = judgement;
  return {
    ...status,
    ...weight,
    verdict,
    ...(samples === undefined ? {} : { samples }),
    ...(metrics === undefined ? {} : { metrics }),
    ...(evidence === undefined ? {} : { evidence }),
  };
}

/** A stopped analysis is Cancelled, never Pass. */
function lastVerdict({ phase, verdict }: RolloutStatus): NonNullable<RolloutStatus['verdict']> {
  return verdict === 'Fail' || (verdict === 'Pass' && phase === 'Completed') ? verdict : 'Cancelled';
}

const guards = [deleted, killSwitch, goBackCommand, superseded, deadline, harm] as const;

interface Decided {
  readonly move?: Decision;
  readonly answers: readonly Answer[];
}

function decide(seen: RolloutSeen, now: number): Decided {
  const phase = phaseOf(seen.status);
  for (const guard of guards) {
    const decided = guard(seen, now);
    if (decided !== undefined) return decided;
  }
  const taken = takeCommand(seen, seen.commands, now);
  if (taken.move !== undefined) return taken;
  const trouble = missingEvidence(seen, now);
  if (trouble !== undefined) return { ...taken, move: trouble };
  return isRow(phase) ? { ...taken, move: rows[phase](seen, now) } : taken;
}

const isRow = (phase: RolloutPhase): phase is keyof typeof rows => phase in rows;

type Guard = Decided | undefined;
const alone = (move: Move): Decided => ({ move, answers: [] });

function deleted(seen: RolloutSeen): Guard {
  if (!seen.agentGone || isEnded(phaseOf(seen.status))) return undefined;
  const what = `${bundleName(seen)} gets no keys any more`;
  const why = `Agent ${seen.spec.agent} was deleted, or has no spec.release any more`;
  const set = seen.status.weight === undefined ? {} : weightTo(seen.status, 0);
  return alone({
    phase: 'Cancelled',
    reason: 'AgentDeleted',
    what,
    why,
    next: 'open runs end, then its workers go',
    set,
  });
}

function killSwitch(seen: RolloutSeen, now: number): Guard {
  const { status, judgement } = seen;
  if (judgement?.kill !== true || !isActive(phaseOf(status))) return undefined;
  if (phaseOf(status) === 'Held' && status.reason === 'PolicyViolation') return undefined;
  return alone(fallBack(seen, { reason: 'PolicyViolation', why: judgement.why }, now));
}

/** A person who wants to go back is not kept waiting by others. */
function goBackCommand(seen: RolloutSeen, now: number): Guard {
  const backwards = seen.commands.filter(({ verb }) => verb === 'abort' || verb === 'quarantine' || verb === 'undo');
  const taken = takeCommand(seen, backwards, now);
  return taken.move === undefined ? undefined : taken;
}

function superseded(seen: RolloutSeen): Guard {
  const { wanted, spec, status } = seen;
  if (!isActive(phaseOf(status)) || wanted === undefined || wanted === spec.to.digest) return undefined;
  const isWithdrawn = wanted === spec.from?.digest && status.promoted !== true;
  if (!isWithdrawn && (spec.release.onNewBundle ?? defaults.onNewBundle) !== 'supersede') return undefined;
  const why = isWithdrawn ? 'the Agent wants the bundle before again' : 'the Agent wants another bundle now';
  const what = `${bundleName(seen)} ${status.promoted === true ? 'stays until the next one is promoted' : 'gets no new keys'}`;
  const set = status.promoted === true || status.weight === undefined ? {} : weightTo(status, 0);
  return alone({
    phase: 'Superseded',
    reason: 'Superseded',
    what,
    why,
    next: 'open runs end with their bundle',
    set: { ...set, back: undefined },
  });
}

/** The time in which people were asked does not count, and what every new key gets is not late. */
function deadline(seen: RolloutSeen, now: number): Guard {
  const { status, spec } = seen;
  if (!isActive(phaseOf(status)) || status.promoted === true || asksPerson(status)) return undefined;
  const took = since(status.startedAt, now) - askedMs(status, now);
  if (took < durationMs(spec.release.deadline, defaults.attemptMs)) return undefined;
  const why = `the attempt took longer than ${spec.release.deadline ?? '14d'}`;
  return alone(fallBack(seen, { reason: 'DeadlineExceeded', why }, now));
}

/** Who promoted past doubt has seen it; the kill switch counts all the same. */
function harm(seen: RolloutSeen, now: number): Guard {
  const { status, judgement, spec } = seen;
  const phase = phaseOf(status);
  if (judgement?.verdict !== 'Fail' || status.forced !== undefined || !isActive(phase) || isEarly(phase))
    return undefined;
  const cause = { reason: harmOf(judgement.cause), why: judgement.why };
  if (spec.release.rollback?.auto !== false) return alone(fallBack(seen, cause, now));
  // Told already: it stays so until a person says something.
  if (phase === 'Held' && status.reason === cause.reason) return undefined;
  const down = status.promoted === true ? {} : weightTo(status, 0);
  const held = hold(seen, cause, now);
  return alone({ ...held, set: { ...held.set, ...down } });
}

const harmOf = (cause: RolloutReason): RolloutReason =>
  cause === 'GuardrailBound' || cause === 'PolicyViolation' ? cause : 'HarmDetected';

const watched: readonly RolloutPhase[] = ['Shadowing', 'Progressing', 'Analyzing', 'Extending', 'Baking'];

function missingEvidence(seen: RolloutSeen, now: number): Move | undefined {
  const trouble = troubleOf(seen.judgement);
  if (trouble === undefined || seen.judgement === undefined || !watched.includes(phaseOf(seen.status)))
    return undefined;
  return hold(seen, { reason: trouble, why: seen.judgement.why }, now);
}

/** The first command that does something; those before it are refused. */
function takeCommand(seen: RolloutSeen, commands: readonly WaitingCommand[], now: number): Decided {
  const answers: Answer[] = [];
  for (const command of commands) {
    if (isAnswered(seen, command) || !hasRoom(seen, answers)) continue;
    const done = stageMistake(seen, command) ?? verbs[command.verb](seen, command, now);
    if (typeof done !== 'string')
      return { move: done, answers: [...answers, answer(command, 'Done', doneText(seen, done))] };
    answers.push(answer(command, 'Refused', `${done}. Nothing was done.`));
  }
  return { answers };
}

const isAnswered = ({ status }: RolloutSeen, { uid }: WaitingCommand): boolean =>
  status.commands?.some((answered) => answered.uid === uid) ?? false;

const answer = ({ uid }: WaitingCommand, state: Answer['state'], message: string): Answer => ({
  uid,
  state,
  message: message.slice(0, 512),
});

const doneText = (seen: RolloutSeen, { what, phase }: Move): string => `${where(seen)} → ${phase}. ${what}.`;

/** An answer is kept at least until the command shows it. */
function kept(seen: RolloutSeen, answers: readonly Answer[]): Answer[] {
  const all = [...(seen.status.commands ?? []), ...answers];
  const surplus = Math.max(0, all.length - answersMax);
  const dropped = all.filter((one) => !isUnshown(seen, one)).slice(0, surplus);
  return all.filter((one) => !dropped.includes(one));
}

const isUnshown = ({ commands }: RolloutSeen, { uid }: Answer): boolean =>
  commands.some((command) => command.uid === uid);

const hasRoom = (seen: RolloutSeen, answers: readonly Answer[]): boolean =>
  answers.length + (seen.status.commands ?? []).filter((one) => isUnshown(seen, one)).length < answersMax;

const warnings: readonly RolloutPhase[] = [
  'Waiting',
  'Held',
  'AwaitingApproval',
  'Aborting',
  'RollingBack',
  'RolledBack',
  'Rejected',
];

function eventOf({ message = '' }: RolloutStatus, { phase, reason }: Move): RolloutEvent {
  return { type: warnings.includes(phase) ? 'Warning' : 'Normal', reason, note: message };
}
