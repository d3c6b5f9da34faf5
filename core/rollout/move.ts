// Owns: from a decision to the status that says it: phase, times, message, the record of transitions.
import {
  endedPhases,
  type RolloutPhase,
  type RolloutReason,
  type RolloutSpec,
  type RolloutStatus,
} from '../../api/v1alpha1/rollout.ts';
import { timeOf, timeText } from '../schedule/calendar.ts';
import type { RolloutAct, RolloutSeen } from './seen.ts';
import { stageText } from './stages.ts';

/** A decision: where it stands from now on, and what people read. */
export interface Move {
  readonly phase: RolloutPhase;
  readonly reason: RolloutReason;
  /** What is so; a sentence without its full stop. */
  readonly what: string;
  /** Why; a sentence without its full stop. */
  readonly why: string;
  /** What comes next, or what somebody can do; a sentence without its full stop. */
  readonly next: string;
  readonly by?: string;
  readonly set?: Partial<RolloutStatus>;
  /** What was said before stays said. */
  readonly message?: string;
  /** Look again at this time, at the latest. */
  readonly until?: number;
}

/** What a phase waits for, and where it goes from there. */
export type Row = (seen: RolloutSeen, now: number) => Move & { readonly acts?: readonly RolloutAct[] };

export const phaseOf = ({ phase }: RolloutStatus): RolloutPhase => phase ?? 'Pending';
export const isEnded = (phase: RolloutPhase): boolean => endedPhases.some((ended) => ended === phase);
export const isGoingBack = (phase: RolloutPhase): boolean => phase === 'Aborting' || phase === 'RollingBack';
/** It may still come to the bundle being stable. */
export const isActive = (phase: RolloutPhase): boolean => !isEnded(phase) && !isGoingBack(phase);

/** Phases in which nobody has got the bundle yet, and nobody needs its workers. */
const early: readonly RolloutPhase[] = ['Pending', 'Waiting', 'Validating'];
export const isEarly = (phase: RolloutPhase): boolean => early.includes(phase);

/** Written to the second, and never before the time that is meant: what lasts a minute lasts no less. */
export const stamp = (at: number): string => timeText(at + 999);
export const since = (text: string | undefined, now: number): number =>
  text === undefined ? 0 : Math.max(0, now - timeOf(text));

/** Held for lack of evidence: the clock runs. Held by anything else: a person is asked. */
export const dataTroubles: readonly RolloutReason[] = [
  'NoData',
  'ProviderDown',
  'JudgeDown',
  'SampleRatioMismatch',
  'StableUnhealthy',
];
export function asksPerson({ phase, reason }: Pick<RolloutStatus, 'phase' | 'reason'>): boolean {
  if (phase === 'Held') return !dataTroubles.some((trouble) => trouble === reason);
  return phase === 'AwaitingApproval' || phase === 'Paused';
}

/** Milliseconds in which people were asked, until now. */
export function askedMs(status: RolloutStatus, now: number): number {
  return (status.askedMs ?? 0) + (asksPerson(status) ? since(status.phaseSince, now) : 0);
}

const decisionsMax = 20;
const messageMax = 2_048;
const whyMax = 1_024;

/** `5 %`, `0.25 %`. */
export const percent = (bps: number): string => `${bps / 100} %`;

export function messageOf({ what, why, next }: Pick<Move, 'what' | 'why' | 'next'>): string {
  const end = `. Next: ${next}.`;
  return `${`${what}: ${why}`.slice(0, messageMax - end.length)}${end}`.slice(0, messageMax);
}

/** Stays where it stands, and says why. */
export function stay(
  { status }: RolloutSeen,
  said: Omit<Move, 'phase' | 'reason'> & { readonly reason?: RolloutReason },
): Move {
  return { phase: phaseOf(status), reason: status.reason as RolloutReason, ...omitUndefined(said) };
}

const omitUndefined = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;

/** The status after a move. Another phase or stage, and what a person did, is recorded; staying only tells. */
export function statusAfter(spec: RolloutSpec, before: RolloutStatus, move: Move, now: number): RolloutStatus {
  const { set = {}, phase, reason } = move;
  const stage = set.stage ?? before.stage ?? 0;
  const moved = isMoved(before, move);
  const next: RolloutStatus = {
    ...before,
    startedAt: before.startedAt ?? stamp(now),
    ...(moved ? { phaseSince: stamp(now), askedMs: askedMs(before, now) } : {}),
    ...(moved || move.by !== undefined ? { decisions: recorded(before, move, now) } : {}),
    ...(before.stage !== stage || before.stageSince === undefined ? { stageSince: stamp(now) } : {}),
    ...set,
    phase,
    reason,
    message: move.message ?? messageOf(move),
    stage,
    stageText: stageText(spec.release, stage),
  };
  return omitUndefined(next);
}

export const isMoved = (before: RolloutStatus, { phase, set }: Move): boolean =>
  before.phase !== phase || (set?.stage !== undefined && set.stage !== before.stage);

function recorded(before: RolloutStatus, move: Move, now: number): NonNullable<RolloutStatus['decisions']> {
  const decision = {
    at: stamp(now),
    from: before.phase ?? 'None',
    to: move.phase,
    reason: move.reason,
    why: `${move.what}: ${move.why}`.slice(0, whyMax),
    ...(move.by === undefined ? {} : { by: move.by }),
  };
  return [...(before.decisions ?? []), decision].slice(-decisionsMax);
}
