// Owns: which runs a search finds: conditions over attributes, and pages of a list that is sorted newest first.
import type { Attributes } from '../../api/messages/incoming.ts';
import { timeText } from '../schedule/calendar.ts';
import { timeMs } from './time.ts';

export interface Condition {
  readonly name: string;
  readonly operator: '=' | '!=' | '>' | '>=' | '<' | '<=';
  readonly value: string;
}

export type WhereReading =
  { readonly ok: true; readonly conditions: readonly Condition[] } | { readonly ok: false; readonly message: string };

export const conditionsMax = 16;
const pattern = /^\s*([A-Za-z][A-Za-z0-9]{0,62})\s*(!=|>=|<=|=|>|<)\s*(.*?)\s*$/s;

/** `priority=high,amount>100`: all must hold. A value with a comma is put in double quotes. */
export function readWhere(text: string): WhereReading {
  const parts = text.match(/(?:"[^"]*"|[^,])+/g) ?? [];
  if (parts.length > conditionsMax) {
    return { ok: false, message: `where has ${parts.length} conditions; allowed are at most ${conditionsMax}` };
  }
  const conditions: Condition[] = [];
  for (const part of parts) {
    const [, name, operator, value] = pattern.exec(part) ?? [];
    if (name === undefined || operator === undefined || value === undefined) {
      const allowed = 'NAME, one of = != > >= < <=, and a value, joined by commas';
      return { ok: false, message: `where: found "${part.trim()}"; allowed: ${allowed}` };
    }
    conditions.push({ name, operator: operator as Condition['operator'], value: value.replace(/^"(.*)"$/s, '$1') });
  }
  return { ok: true, conditions };
}

/** A run without the attribute is found by no condition on it, not even by `!=`. */
export function holds(attributes: Attributes, conditions: readonly Condition[]): boolean {
  return conditions.every(({ name, operator, value }) => {
    const known = attributes[name];
    if (known === undefined) return false;
    const order = compare(known, value);
    if (order === undefined) return operator === '!=';
    switch (operator) {
      case '=':
        return order === 0;
      case '!=':
        return order !== 0;
      case '>':
        return order > 0;
      case '>=':
        return order >= 0;
      case '<':
        return order < 0;
      case '<=':
        return order <= 0;
    }
  });
}

/** Negative, 0 or positive; undefined when the two cannot be compared. */
function compare(known: string | number | boolean, value: string): number | undefined {
  if (typeof known === 'number') {
    const number = value.trim() === '' ? Number.NaN : Number(value);
    return Number.isNaN(number) ? undefined : known - number;
  }
  if (typeof known === 'boolean')
    return value === String(known) ? 0 : value === String(!known) ? (known ? 1 : -1) : undefined;
  // A time is kept as text that sorts as time.
  const at = timeMs(value);
  const text = at !== undefined && timeMs(known) !== undefined ? timeText(at) : value;
  return known < text ? -1 : known > text ? 1 : 0;
}

export interface Place {
  readonly startedAt: number;
  readonly run: string;
}

/** Newest first; of those that started together, by id. */
export const byPlace = (left: Place, right: Place): number =>
  right.startedAt - left.startedAt || (left.run < right.run ? -1 : left.run > right.run ? 1 : 0);

/** Where a page ends: the next one begins after this run, whatever has started meanwhile. */
export const cursorOf = ({ startedAt, run }: Place): string => `${startedAt}.${run}`;

export function placeOf(cursor: string): Place | undefined {
  const [, startedAt, run] = /^(\d{1,16})\.([0-9A-Za-z]{1,64})$/.exec(cursor) ?? [];
  return startedAt === undefined || run === undefined ? undefined : { startedAt: Number(startedAt), run };
}
