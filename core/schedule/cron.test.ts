import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dateOf, dayMs, timeOf, timeText, weekdayOf } from './calendar.ts';
import { type Cron, readCron } from './cron.ts';
import { nextTime } from './next.ts';
import { isTimeZone, offsetAt } from './zone.ts';

const cronOf = (text: string): Cron => {
  const read = readCron(text);
  if (!read.ok) throw new Error(read.found);
  return read.cron;
};
/** The next times after a moment, as RFC 3339. */
const times = (text: string, zone: string, after: string, count: number): string[] => {
  const found: string[] = [];
  let at = timeOf(after);
  for (let number = 0; number < count; number += 1) {
    const next = nextTime(cronOf(text), zone, at);
    if (next === undefined) break;
    found.push(timeText(next));
    at = next;
  }
  return found;
};

describe('reading', () => {
  test.each([
    ['* * * *', '"* * * *", which has 4 fields; 5 (minute hour day month weekday) or 6 (second first)'],
    ['60 * * * *', 'minute "60"; *, 0–59, lists, ranges and /steps of these'],
    ['0 0 0 * *', 'day "0"; *, 1–31, lists, ranges and /steps of these'],
    ['0 0 * foo *', 'month "foo"; *, 1–12 or jan, feb'],
    ['0 0 * * 8', 'weekday "8"; *, '],
    ['5-1 * * * *', 'minute "5-1"; *, '],
    ['*/0 * * * *', 'minute "*/0"; *, '],
    ['1,,2 * * * *', 'minute ""; *, '],
    ['@sometimes', '"@sometimes", no name of a timetable; @hourly, @daily'],
  ])('%s is refused', (text, message) => {
    const read = readCron(text);
    expect(read.ok ? '' : `${read.found}; ${read.allowed}`).toContain(message);
  });

  test('lists, ranges, steps, names; Sunday is 0 and 7', () => {
    const cron = cronOf('5,10-12,*/30 8-18/5 1 JAN,mar MON-fri');
    expect(cron.minutes).toEqual([0, 5, 10, 11, 12, 30]);
    expect(cron.hours).toEqual([8, 13, 18]);
    expect(cron.months).toEqual([1, 3]);
    expect(cron.weekdays).toEqual([1, 2, 3, 4, 5]);
    expect(cronOf('0 0 * * 7').weekdays).toEqual([0]);
    expect(cronOf('0 0 * * 5-7').weekdays).toEqual([0, 5, 6]);
    expect(cronOf('10/20 * * * *').minutes).toEqual([10, 30, 50]);
  });

  test('zones have names', () => {
    expect(['Europe/Berlin', 'UTC', 'Pacific/Apia'].every(isTimeZone)).toBe(true);
    expect(['Mars/Base', '+02:00', ''].some(isTimeZone)).toBe(false);
  });
});

describe('due times', () => {
  test.each([
    ['a year later, 29 February', '0 12 29 2 *', 'UTC', '2024-03-01T00:00:00Z', ['2028-02-29T12:00:00Z']],
    ['no 29 February in 2100', '0 0 29 2 *', 'UTC', '2096-03-01T00:00:00Z', ['2104-02-29T00:00:00Z']],
    [
      'the last day of each month',
      '0 6 L * *',
      'UTC',
      '2027-12-31T06:00:00Z',
      ['2028-01-31T06:00:00Z', '2028-02-29T06:00:00Z', '2028-03-31T06:00:00Z', '2028-04-30T06:00:00Z'],
    ],
    [
      'the 31st only where there is one',
      '0 0 31 * *',
      'UTC',
      '2026-01-31T00:00:00Z',
      ['2026-03-31T00:00:00Z', '2026-05-31T00:00:00Z'],
    ],
    [
      'day or weekday, either is enough',
      '0 0 13 * fri',
      'UTC',
      '2026-02-10T00:00:00Z',
      [
        '2026-02-13T00:00:00Z',
        '2026-02-20T00:00:00Z',
        '2026-02-27T00:00:00Z',
        '2026-03-06T00:00:00Z',
        '2026-03-13T00:00:00Z',
      ],
    ],
    [
      'the clock jumps over 02:30: at the first moment after, once',
      '30 2 * * *',
      'Europe/Berlin',
      '2026-03-28T00:00:00Z',
      ['2026-03-28T01:30:00Z', '2026-03-29T01:00:00Z', '2026-03-30T00:30:00Z'],
    ],
    [
      'three times within the jump are one',
      '0,20,40 2 * * *',
      'Europe/Berlin',
      '2026-03-29T00:00:00Z',
      ['2026-03-29T01:00:00Z', '2026-03-30T00:00:00Z'],
    ],
    [
      '02:30 comes twice when the clock goes back: the first time counts',
      '30 2 * * *',
      'Europe/Berlin',
      '2026-10-24T12:00:00Z',
      ['2026-10-25T00:30:00Z', '2026-10-26T01:30:00Z'],
    ],
    [
      'asked within the repeated hour: the next day',
      '30 2 * * *',
      'Europe/Berlin',
      '2026-10-25T01:10:00Z',
      ['2026-10-26T01:30:00Z'],
    ],
    [
      'every half hour goes on by elapsed time when the clock goes back',
      '*/30 * * * *',
      'Europe/Berlin',
      '2026-10-25T00:00:00Z',
      ['2026-10-25T00:30:00Z', '2026-10-25T01:00:00Z', '2026-10-25T01:30:00Z', '2026-10-25T02:00:00Z'],
    ],
    [
      'and when it jumps',
      '30 * * * *',
      'America/New_York',
      '2026-03-08T06:00:00Z',
      ['2026-03-08T06:30:00Z', '2026-03-08T07:30:00Z', '2026-03-08T08:30:00Z'],
    ],
    [
      'a zone of half hours, south of the equator',
      '0 2 * * *',
      'Australia/Lord_Howe',
      '2026-04-04T12:00:00Z',
      ['2026-04-04T15:30:00Z', '2026-04-05T15:30:00Z'],
    ],
    [
      'a zone that left out a whole day',
      '0 9 * * *',
      'Pacific/Apia',
      '2011-12-29T00:00:00Z',
      ['2011-12-29T19:00:00Z', '2011-12-30T10:00:00Z', '2011-12-30T19:00:00Z'],
    ],
    ['seconds', '*/20 * * * * *', 'UTC', '2026-01-01T00:00:05Z', ['2026-01-01T00:00:20Z', '2026-01-01T00:00:40Z']],
  ])('%s', (_name, text, zone, after, expected) => {
    expect(times(text, zone, after, expected.length)).toEqual(expected);
  });

  test('a date that never comes has none', () => {
    expect(nextTime(cronOf('0 0 31 2 *'), 'UTC', timeOf('2026-01-01T00:00:00Z'))).toBeUndefined();
  });
});

/** These zones change their clocks on the half hour. */
const offsets = new Map<string, number>();
function offset(zone: string, at: number): number {
  const halfHour = Math.floor(at / 1_800_000) * 1_800_000;
  const key = `${zone} ${halfHour}`;
  const known = offsets.get(key) ?? offsetAt(zone, halfHour);
  offsets.set(key, known);
  return known;
}

const field = (min: number, max: number) =>
  fc.oneof(
    fc.constant('*'),
    fc.integer({ min, max }).map(String),
    fc.tuple(fc.integer({ min, max }), fc.integer({ min, max })).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    fc.integer({ min: 2, max: 20 }).map((step) => `*/${step}`),
  );

test('agrees with looking at every minute of the wall clock, over changes of the clock', () => {
  const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'UTC'];
  const starts = [
    '2026-03-07T20:00:00Z',
    '2026-03-28T18:00:00Z',
    '2026-04-04T08:00:00Z',
    '2026-10-24T20:00:00Z',
    '2026-10-31T22:00:00Z',
  ];
  fc.assert(
    fc.property(
      fc.tuple(field(0, 59), field(0, 23), field(1, 31), fc.constant('*'), field(0, 6)),
      fc.constantFrom(...zones),
      fc.constantFrom(...starts),
      (parts, zone, start) => {
        const cron = cronOf(parts.join(' '));
        const from = timeOf(start);
        const [expected, seen] = [[] as number[], new Set<number>()];
        let before = from - 86_400_000 + offset(zone, from - 86_400_000);
        for (let at = from - 86_400_000; at < from + 30 * 3_600_000; at += 60_000) {
          const wall = at + offset(zone, at);
          // Wall minutes that were jumped over belong to the first moment after.
          const shown = cron.everyHour ? [wall] : wallsSince(before, wall);
          const due = shown.some((one) => matches(cron, one) && (cron.everyHour || !seen.has(one)));
          for (const one of shown) seen.add(one);
          before = wall;
          if (due && at > from) expected.push(at);
        }
        const found: number[] = [];
        for (let at = nextTime(cron, zone, from); at !== undefined && at < from + 30 * 3_600_000;) {
          found.push(at);
          at = nextTime(cron, zone, at);
        }
        expect(found).toEqual(expected);
      },
    ),
    { numRuns: 40 },
  );
});

function wallsSince(before: number, wall: number): number[] {
  const shown = [wall];
  for (let one = before + 60_000; one < wall; one += 60_000) shown.push(one);
  return shown;
}

function matches(cron: Cron, wall: number): boolean {
  const days = Math.floor(wall / dayMs);
  const date = dateOf(days);
  const day = cron.days.includes(date.day);
  const weekday = cron.weekdays.includes(weekdayOf(days));
  return (
    cron.minutes.includes(Math.floor(wall / 60_000) % 60) &&
    cron.hours.includes(Math.floor(wall / 3_600_000) % 24) &&
    (cron.anyDay ? weekday : cron.anyWeekday ? day : day || weekday)
  );
}
