// Owns: reading times that people write.
import { dateOf, daysOf, dayMs } from '../schedule/calendar.ts';

const pattern = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(Z|z|[+-]\d\d:\d\d)?)?$/;

/** How far ahead a run may be started. */
export const aheadMaxMs = 366 * dayMs;

/** RFC 3339, or a date alone (its beginning in UTC); undefined for anything else. */
export function timeMs(text: string): number | undefined {
  const found = pattern.exec(text);
  if (found === null) return undefined;
  const [year = 0, month = 0, day = 0, ...time] = found.slice(1, 7).map((part) => Number(part ?? 0));
  const [hour = 0, minute = 0, second = 0] = time;
  const limits = [
    within(month, 1, 12),
    within(day, 1, 31),
    within(hour, 0, 23),
    within(minute, 0, 59),
    within(second, 0, 60),
  ];
  const days = daysOf({ year, month, day });
  // No month has the 32nd, and February no 30th.
  if (limits.includes(false) || dateOf(days).day !== day) return undefined;
  return days * dayMs + ((hour * 60 + minute - minutesOf(found[7])) * 60 + second) * 1_000;
}

const within = (value: number, least: number, most: number): boolean => value >= least && value <= most;

function minutesOf(zone: string | undefined): number {
  if (zone === undefined || /^z$/i.test(zone)) return 0;
  return (zone.startsWith('-') ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6)));
}
