// Owns: when a schedule is due, in its time zone.
//   Z1: an hour that is said comes once a day: when the clock jumps over it, at the first moment after the jump; when the clock
//       goes back, the first time.
//   Z2: an hour that is not said goes by elapsed time: every fifteen minutes stay every fifteen minutes.
import { dateOf, dayMs, weekdayOf } from './calendar.ts';
import type { Cron } from './cron.ts';
import { type Stretch, stretches } from './zone.ts';

/** A 29 February may be eight years away. */
const horizonMs = 9 * 366 * dayMs;

/** The first due time after a moment; undefined when there is none within nine years. */
export function nextTime(cron: Cron, timeZone: string, after: number): number | undefined {
  const from = Math.floor(after / 1_000) * 1_000 + 1_000;
  // A day earlier, so that a change of the clock whose repeated hour is not over yet is seen.
  for (const stretch of stretches(timeZone, from - dayMs)) {
    if (stretch.from - after > horizonMs) return undefined;
    if (stretch.to <= from) continue;
    const found = within(cron, stretch, from);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The first due time of the stretch that is not before `earliest`. */
function within(cron: Cron, stretch: Stretch, earliest: number): number | undefined {
  const { from, to, offset, offsetBefore = offset } = stretch;
  let wall = Math.max(from, earliest) + offset;
  if (!cron.everyHour) {
    const jumpedOver = from >= earliest ? nextWall(cron, from + offsetBefore, from + offset) : undefined;
    if (jumpedOver !== undefined) return from;
    // Wall times before this one were shown before the clock went back.
    wall = Math.max(wall, from + offsetBefore);
  }
  const found = nextWall(cron, wall, to + offset);
  return found === undefined ? undefined : found - offset;
}

/** The first wall time of the cron in `from` ≤ w < `to`. */
function nextWall(cron: Cron, from: number, to: number): number | undefined {
  for (let day = Math.floor(from / dayMs) * dayMs; day < to; day += dayMs) {
    if (!isDay(cron, day)) continue;
    const time = timeOfDay(cron, Math.max(0, from - day) / 1_000);
    if (time === undefined) continue;
    const found = day + time * 1_000;
    return found < to ? found : undefined;
  }
  return undefined;
}

function isDay(cron: Cron, day: number): boolean {
  const days = day / dayMs;
  const date = dateOf(days);
  if (!cron.months.includes(date.month)) return false;
  const ofMonth = cron.days.includes(date.day) || (cron.lastDay && dateOf(days + 1).day === 1);
  const ofWeek = cron.weekdays.includes(weekdayOf(days));
  if (cron.anyDay) return ofWeek;
  return cron.anyWeekday ? ofMonth : ofMonth || ofWeek;
}

/** The first second of the day, from this one on. */
function timeOfDay(cron: Cron, from: number): number | undefined {
  const [hour, minute, second] = [Math.floor(from / 3_600), Math.floor(from / 60) % 60, Math.ceil(from) % 60];
  for (const h of cron.hours) {
    if (h < hour) continue;
    for (const m of cron.minutes) {
      if (h === hour && m < minute) continue;
      const exact = h === hour && m === minute;
      const s = cron.seconds.find((value) => !exact || value >= second);
      if (s !== undefined) return h * 3_600 + m * 60 + s;
    }
  }
  return undefined;
}
