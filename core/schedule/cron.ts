// Owns: reading a cron expression: five fields (minute hour day month weekday), or six with seconds first, or a name such as
// @daily. Day and weekday both given: either is enough. `L` as day: the last of the month.

export interface Cron {
  readonly seconds: readonly number[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly days: readonly number[];
  readonly lastDay: boolean;
  readonly months: readonly number[];
  readonly weekdays: readonly number[];
  /** True when any day of the month, or any weekday, is enough by itself. */
  readonly anyDay: boolean;
  readonly anyWeekday: boolean;
  /** The hour is not said: it goes by elapsed time, also when the clock is changed. */
  readonly everyHour: boolean;
}

export type CronReading = { readonly ok: true; readonly cron: Cron } | Unreadable;

export interface Unreadable {
  readonly ok: false;
  readonly found: string;
  readonly allowed: string;
}

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const fields: readonly Field[] = [
  { name: 'second', min: 0, max: 59 },
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day', min: 1, max: 31 },
  {
    name: 'month',
    min: 1,
    max: 12,
    names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  { name: 'weekday', min: 0, max: 7, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
];

const named: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};

export function readCron(text: string): CronReading {
  const given = text.trim().toLowerCase();
  if (given.startsWith('@') && named[given] === undefined) {
    return no(`"${text}", no name of a timetable`, Object.keys(named).join(', '));
  }
  const words = (named[given] ?? given).split(/\s+/);
  if (words.length !== 5 && words.length !== 6) {
    return no(`"${text}", which has ${words.length} fields`, '5 (minute hour day month weekday) or 6 (second first)');
  }
  const six = words.length === 6 ? words : ['0', ...words];
  const sets: (readonly number[])[] = [];
  for (const [index, field] of fields.entries()) {
    const read = readField(six[index] ?? '', field);
    if (!read.ok) return read;
    sets.push(read.values);
  }
  return { ok: true, cron: cronOf(sets, six) };
}

function cronOf(sets: readonly (readonly number[])[], words: readonly string[]): Cron {
  const [seconds = [], minutes = [], hours = [], days = [], months = [], weekdays = []] = sets;
  const [, , hour = '', day = '', , weekday = ''] = words;
  return {
    seconds,
    minutes,
    hours,
    days,
    lastDay: day.split(',').includes('l'),
    months,
    weekdays: [...new Set(weekdays.map((number) => number % 7))].toSorted((a, b) => a - b),
    anyDay: /^[*?]$/.test(day),
    anyWeekday: /^[*?]$/.test(weekday),
    everyHour: /^[*?]/.test(hour),
  };
}

const no = (found: string, allowed: string): Unreadable => ({ ok: false, found, allowed });

type FieldReading = { readonly ok: true; readonly values: readonly number[] } | Unreadable;

function readField(text: string, field: Field): FieldReading {
  const values = new Set<number>();
  for (const part of text.split(',')) {
    if (field.name === 'day' && part === 'l') continue;
    const read = readPart(part, field);
    if (!read.ok) return read;
    for (const value of read.values) values.add(value);
  }
  return { ok: true, values: [...values].toSorted((a, b) => a - b) };
}

/** `*`, `5`, `1-5`, each with `/step`. */
function readPart(part: string, field: Field): FieldReading {
  const allowed = `${field.min}–${field.max}${field.names === undefined ? '' : ` or ${field.names.join(', ')}`}`;
  const wrong = (): FieldReading => no(`${field.name} "${part}"`, `*, ${allowed}, lists, ranges and /steps of these`);
  const [range = '', step, ...rest] = part.split('/');
  if (rest.length > 0 || (step !== undefined && !/^[1-9]\d{0,2}$/.test(step))) return wrong();
  const span = spanOf(range, field, step !== undefined);
  if (span === undefined) return wrong();
  const values: number[] = [];
  for (let value = span.from; value <= span.to; value += Number(step ?? 1)) values.push(value);
  return values.length === 0 ? wrong() : { ok: true, values };
}

function spanOf(
  range: string,
  field: Field,
  stepped: boolean,
): { readonly from: number; readonly to: number } | undefined {
  if (range === '*' || range === '?') return { from: field.min, to: field.name === 'weekday' ? 6 : field.max };
  const [first = '', last, ...rest] = range.split('-');
  const from = numberOf(first, field);
  const to = last === undefined ? (stepped ? field.max : from) : numberOf(last, field);
  if (rest.length > 0 || from === undefined || to === undefined || from > to) return undefined;
  return { from, to };
}

function numberOf(word: string, { min, max, names }: Field): number | undefined {
  const at = names?.indexOf(word) ?? -1;
  if (at >= 0) return at + (min === 1 ? 1 : 0);
  const value = /^\d{1,2}$/.test(word) ? Number(word) : Number.NaN;
  return value >= min && value <= max ? value : undefined;
}
