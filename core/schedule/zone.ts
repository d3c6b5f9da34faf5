// Owns: time zones: what the clock on the wall shows. Zones come with the platform (IANA, through Intl).
// A wall time is written as the milliseconds that UTC would have if its clock showed it.
import { dayMs, daysOf } from './calendar.ts';

const formatters = new Map<string, Intl.DateTimeFormat>();
const zonesMax = 1_024;

function formatterOf(timeZone: string): Intl.DateTimeFormat {
  const known = formatters.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  if (formatters.size >= zonesMax) formatters.clear();
  formatters.set(timeZone, made);
  return made;
}

/** A name such as Europe/Berlin or UTC; an offset such as +02:00 is none: it has no summer. */
export function isTimeZone(timeZone: string): boolean {
  if (/^[+-]/.test(timeZone)) return false;
  try {
    formatterOf(timeZone);
    return true;
  } catch {
    return false;
  }
}

const secondOf = (at: number): number => Math.floor(at / 1_000) * 1_000;

function askedOffset(timeZone: string, at: number): number {
  const found: Record<string, number> = {};
  for (const { type, value } of formatterOf(timeZone).formatToParts(at)) found[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = found;
  const wall = daysOf({ year, month, day }) * dayMs + ((hour * 60 + minute) * 60 + second) * 1_000;
  return wall - secondOf(at);
}

/** No zone changes its clock twice within this time. */
const weekMs = 7 * dayMs;
/** Weeks begin on a Tuesday at noon UTC, when nobody changes a clock: no repeated hour lies across their ends. */
const weekStartMs = 5.5 * dayMs;
const weekNumber = (at: number): number => Math.floor((at - weekStartMs) / weekMs);
const startOf = (week: number): number => week * weekMs + weekStartMs;
interface Week {
  readonly offset: number;
  /** When the clock is changed in this week, and the offset from then on. */
  readonly change?: { readonly at: number; readonly offset: number };
}
const weeks = new Map<string, Week>();
const weeksMax = 4_096;

function weekOf(timeZone: string, number: number): Week {
  const key = `${number} ${timeZone}`;
  const known = weeks.get(key);
  if (known !== undefined) return known;
  const [from, to] = [startOf(number), startOf(number + 1)];
  const [offset, after] = [askedOffset(timeZone, from), askedOffset(timeZone, to)];
  const week = offset === after ? { offset } : { offset, change: { at: changeOf(timeZone, from, to), offset: after } };
  if (weeks.size >= weeksMax) weeks.clear();
  weeks.set(key, week);
  return week;
}

/** The second at which the offset first differs from that at `from`. */
function changeOf(timeZone: string, from: number, to: number): number {
  const offset = askedOffset(timeZone, from);
  let [same, other] = [from, to];
  while (other - same > 1_000) {
    const middle = same + secondOf((other - same) / 2);
    if (askedOffset(timeZone, middle) === offset) same = middle;
    else other = middle;
  }
  return other;
}

/** Wall time minus time, in milliseconds, at this moment. */
export function offsetAt(timeZone: string, at: number): number {
  if (timeZone === 'UTC') return 0;
  const { offset, change } = weekOf(timeZone, weekNumber(at));
  return change !== undefined && at >= change.at ? change.offset : offset;
}

/** A stretch of time, `from` ≤ t < `to`, in which the wall clock runs evenly. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly offset: number;
  /** Offset before, where the clock was changed at `from`. */
  readonly offsetBefore?: number;
}

/** The stretches from a moment on, without end; each ends with its week or before. */
export function* stretches(timeZone: string, from: number): Generator<Stretch> {
  let start = from;
  let before = offsetAt(timeZone, start - 1_000);
  for (;;) {
    const number = weekNumber(start);
    const change = timeZone === 'UTC' ? undefined : weekOf(timeZone, number).change;
    const offset = offsetAt(timeZone, start);
    const to = change !== undefined && start < change.at ? change.at : startOf(number + 1);
    yield { from: start, to, offset, ...(before === offset ? {} : { offsetBefore: before }) };
    before = offset;
    start = to;
  }
}
