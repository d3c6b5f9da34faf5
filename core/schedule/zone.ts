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

/** Wall time minus time, in milliseconds, at this moment. */
export function offsetAt(timeZone: string, at: number): number {
  if (timeZone === 'UTC') return 0;
  const found: Record<string, number> = {};
  for (const { type, value } of formatterOf(timeZone).formatToParts(at)) found[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = found;
  const wall = daysOf({ year, month, day }) * dayMs + ((hour * 60 + minute) * 60 + second) * 1_000;
  return wall - secondOf(at);
}

/** A stretch of time, `from` ≤ t < `to`, in which the wall clock runs evenly. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly offset: number;
  /** Offset before, where the clock was changed at `from`. */
  readonly offsetBefore?: number;
}

/** No zone changes its clock and changes it back within this time. */
const probeMs = 7 * 86_400_000;

/** The stretches from a moment on, without end; each at most a week long. */
export function* stretches(timeZone: string, from: number): Generator<Stretch> {
  let start = from;
  let offset = offsetAt(timeZone, start);
  // A change exactly at the beginning is a change too.
  let before = offsetAt(timeZone, start - 1_000);
  for (;;) {
    const end = start + probeMs;
    const atEnd = offsetAt(timeZone, end);
    const to = atEnd === offset ? end : changeBetween(timeZone, start, end);
    yield { from: start, to, offset, ...(before === offset ? {} : { offsetBefore: before }) };
    before = offset;
    start = to;
    offset = offsetAt(timeZone, start);
  }
}

/** The second at which the offset first differs from that at `from`. */
function changeBetween(timeZone: string, from: number, to: number): number {
  const offset = offsetAt(timeZone, from);
  let [same, other] = [secondOf(from), secondOf(to)];
  while (other - same > 1_000) {
    const middle = same + secondOf((other - same) / 2);
    if (offsetAt(timeZone, middle) === offset) same = middle;
    else other = middle;
  }
  return other;
}
