// Owns: which runs a schedule starts at its due times.
//   T1: a due time is started, or skipped with a reason, once: the position says up to where, and is written before the start.
//   T2: a start that is written is done, however often somebody crashes: the run's id follows from the due time.
//   T3: the clock alone decides nothing: a due time is judged by its own time, so looking late or twice changes nothing.
import type { Overlap, SchedulePosition, ScheduleSkip, ScheduleSummary } from '../../api/messages/schedule.ts';
import type { ScheduleTrigger } from '../../api/v1alpha1/schedule.ts';
import { durationMs } from '../routing/duration.ts';
import { fraction, runIdFor } from '../workflow/partition.ts';
import { timeText } from './calendar.ts';
import { type Cron, readCron } from './cron.ts';
import { nextTime } from './next.ts';

export interface Schedule {
  readonly namespace: string;
  readonly workflow: string;
  readonly name: string;
  readonly spec: ScheduleTrigger;
}

export interface SchedulePlan {
  /** Written by compare-and-set before anything is done; then its `cancels` and, after them, its `pending`. */
  readonly position: SchedulePosition;
  /** When to look again; undefined: never by itself. */
  readonly nextAt?: number;
}

export const defaults = { timeZone: 'UTC', windowMs: 3_600_000, max: 1, overlap: 'skip' } as const;
/** What is looked at first of a long absence. */
const firstSpanMs = 600_000;
/** A run that is waited for is looked at this often. */
const bufferMs = 1_000;
/** Runs of a schedule that are watched at once; older ones count as ended. */
export const openMax = 64;
const overlapDefault: Overlap = defaults.overlap;

export const scheduleId = ({ namespace, workflow, name }: Omit<Schedule, 'spec'>): string =>
  `${namespace}.${workflow}.${name}`;
export const dueKey = (name: string, due: number): string => `schedule/${name}/${timeText(due)}`;
export const dueRun = ({ namespace, workflow, name }: Omit<Schedule, 'spec'>, due: number): string =>
  runIdFor(namespace, workflow, dueKey(name, due));

/** What the times follow from: another timetable has no past. */
const timetable = ({ cron, timeZone, jitter }: ScheduleTrigger): string =>
  `${cron} ${timeZone ?? defaults.timeZone} ${jitter ?? ''}`;

const unseen = (now: number): SchedulePosition => ({
  v: 1,
  timetable: '',
  until: now,
  pending: [],
  cancels: [],
  open: [],
  started: 0,
  skipped: 0,
});

/** `open`: those of `position.open` that have not ended. `position` undefined: the schedule is new. */
export function planSchedule(
  schedule: Schedule,
  position: SchedulePosition | undefined,
  { now, open }: { readonly now: number; readonly open: readonly string[] },
): SchedulePlan {
  const read = readCron(schedule.spec.cron);
  const known = position ?? unseen(now);
  if (!read.ok) return { position: { ...known, problem: `cron: found ${read.found}; allowed: ${read.allowed}` } };
  const { problem: _problem, ...rest } = known;
  // What is written is done first.
  if (rest.pending.length > 0 || rest.cancels.length > 0) return { position: rest, nextAt: now };
  const times = timesOf(schedule, read.cron);
  if (rest.timetable !== timetable(schedule.spec)) {
    const fresh = { ...rest, timetable: timetable(schedule.spec), until: now, open };
    return { position: fresh, ...nextOf(times, fresh, now) };
  }
  const draft: Draft = { schedule, position: { ...rest, open } };
  takeDue(draft, times, now);
  const next = draft.position;
  return { position: next, ...nextOf(times, next, now) };
}

interface Draft {
  readonly schedule: Schedule;
  position: SchedulePosition;
}

interface Times {
  /** The first due time after a moment. */
  readonly after: (at: number) => number | undefined;
  /** When a due time is acted on: it, and its share of the jitter. */
  readonly actAt: (due: number) => number;
  readonly jitterMs: number;
}

function timesOf(schedule: Schedule, cron: Cron): Times {
  const { timeZone = defaults.timeZone, jitter } = schedule.spec;
  const jitterMs = durationMs(jitter, 0);
  const id = scheduleId(schedule);
  return {
    after: (at) => nextTime(cron, timeZone, at),
    actAt: (due) => due + Math.floor(fraction(`${id}/${due}`) * jitterMs),
    jitterMs,
  };
}

function nextOf(times: Times, position: SchedulePosition, now: number): { readonly nextAt?: number } {
  const due = times.after(position.until);
  const at = due === undefined ? [] : [times.actAt(due)];
  if (position.buffered !== undefined) at.push(now + bufferMs);
  return at.length === 0 ? {} : { nextAt: Math.min(...at) };
}

function takeDue(draft: Draft, times: Times, now: number): void {
  const { spec } = draft.schedule;
  const paused = spec.pause === true || draft.position.paused !== undefined;
  if (!paused) takeBuffered(draft, now);
  const { due, missed, until } = dueSince(times, draft.position.until, {
    now,
    windowMs: durationMs(spec.catchUp?.window, defaults.windowMs),
    max: spec.catchUp?.max ?? defaults.max,
  });
  draft.position = { ...draft.position, until };
  if (missed !== undefined) {
    skip(draft, missed, paused ? 'paused' : 'missed: no engine was there in time', now);
    if (!paused) draft.position = { ...draft.position, missed: (draft.position.missed ?? 0) + 1 };
  }
  for (const at of due) {
    if (paused) skip(draft, at, 'paused', now);
    else decide(draft, at, now);
  }
}

interface Due {
  /** In order, at most `max`. */
  readonly due: readonly number[];
  /** The first of those that are let go. */
  readonly missed?: number;
  /** Everything up to here is settled with this. */
  readonly until: number;
}

/** The newest due times within the window. */
function dueSince(
  times: Times,
  until: number,
  { now, windowMs, max }: { readonly now: number; readonly windowMs: number; readonly max: number },
): Due {
  const lowest = Math.max(until, now - windowMs - times.jitterMs);
  const found = newest(times, { lowest, now, enough: max });
  const due = found.filter((at) => times.actAt(at) >= now - windowMs).slice(-max);
  const first = times.after(until);
  const letGo = first !== undefined && first !== due[0] && (first <= lowest || first <= (found.at(-1) ?? until));
  return { due, until: found.at(-1) ?? lowest, ...(letGo ? { missed: first } : {}) };
}

/** The last due times before now, at least `enough` where there are so many: looked for in growing stretches of the past. */
function newest(
  times: Times,
  { lowest, now, enough }: { readonly lowest: number; readonly now: number; readonly enough: number },
): readonly number[] {
  for (let span = firstSpanMs; ; span *= 4) {
    const from = Math.max(lowest, now - times.jitterMs - span);
    const found: number[] = [];
    for (let at = times.after(from); at !== undefined && times.actAt(at) <= now; at = times.after(at)) found.push(at);
    if (found.length >= enough || from === lowest) return found;
  }
}

function takeBuffered(draft: Draft, now: number): void {
  const { buffered, ...rest } = draft.position;
  if (buffered === undefined || openNow(draft).length > 0) return;
  draft.position = rest;
  start(draft, buffered, now);
}

const openNow = ({ position }: Draft): readonly string[] => [
  ...position.open,
  ...position.pending.map((pending) => pending.run),
];

function decide(draft: Draft, due: number, now: number): void {
  const overlap = draft.schedule.spec.overlap ?? overlapDefault;
  const [first] = openNow(draft);
  if (first === undefined || overlap === 'allow') return start(draft, due, now);
  switch (overlap) {
    case 'skip':
      return skip(draft, due, `overlap: run ${first} has not ended`, now);
    case 'bufferOne':
      if (draft.position.buffered !== undefined) {
        return skip(draft, due, `overlap: run ${first} has not ended, and one due time waits for it already`, now);
      }
      draft.position = { ...draft.position, buffered: due };
      return undefined;
    case 'cancelOther':
      takeOver(draft, now);
      return start(draft, due, now);
  }
}

/** What runs is cancelled; what was to start in this look is not started. */
function takeOver(draft: Draft, now: number): void {
  const { open, cancels, pending, started } = draft.position;
  draft.position = {
    ...draft.position,
    open: [],
    cancels: [...cancels, ...open],
    pending: [],
    started: started - pending.length,
  };
  for (const { due } of pending) skip(draft, due, 'overlap: a later due time took over', now);
}

function start(draft: Draft, due: number, now: number): void {
  const run = dueRun(draft.schedule, due);
  const { position } = draft;
  draft.position = {
    ...position,
    pending: [...position.pending, { due, run }],
    started: position.started + 1,
    last: { due, at: now, run },
  };
}

function skip(draft: Draft, due: number, reason: string, now: number): void {
  const lastSkip: ScheduleSkip = { due, at: now, reason };
  draft.position = { ...draft.position, skipped: draft.position.skipped + 1, lastSkip };
}

/** What was written is done: the started runs are open. `refused`: will never start, and why. */
export function settlePending(
  position: SchedulePosition,
  { done, refused }: { readonly done: readonly string[]; readonly refused: Readonly<Record<string, string>> },
  now: number,
): SchedulePosition {
  const left = position.pending.filter(({ run }) => !done.includes(run) && refused[run] === undefined);
  const open = [...position.open, ...done].slice(-openMax);
  const failed = position.pending.findLast(({ run }) => refused[run] !== undefined);
  return {
    ...position,
    pending: left,
    cancels: [],
    open,
    ...(failed === undefined
      ? {}
      : {
          skipped: position.skipped + 1,
          started: position.started - 1,
          lastSkip: { due: failed.due, at: now, reason: `refused: ${refused[failed.run] ?? ''}`.slice(0, 512) },
        }),
  };
}

/** What lists show; a schedule that nobody has looked at yet has no position. */
export function summaryOfSchedule(
  schedule: Schedule,
  position: SchedulePosition | undefined,
  now: number,
): ScheduleSummary {
  const { namespace, workflow, name, spec } = schedule;
  const { v: _v, timetable: of, until, pending: _pending, cancels: _cancels, ...seen } = position ?? unseen(now);
  const read = readCron(spec.cron);
  const paused = seen.paused ?? (spec.pause === true ? { by: 'spec', reason: 'spec.pause is true' } : undefined);
  const times = read.ok ? timesOf(schedule, read.cron) : undefined;
  const due = paused === undefined ? times?.after(of === timetable(spec) ? until : now) : undefined;
  return {
    ...seen,
    namespace,
    workflow,
    name,
    cron: spec.cron,
    timeZone: spec.timeZone ?? defaults.timeZone,
    overlap: spec.overlap ?? overlapDefault,
    ...(due === undefined || times === undefined ? {} : { next: times.actAt(due) }),
    ...(paused === undefined ? {} : { paused }),
  };
}
