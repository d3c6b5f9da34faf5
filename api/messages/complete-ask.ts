// Owns: reading the ask that comes with every step without the cost of its schema. What is not plainly right here is read by the
// schema, which alone says what is allowed: this file may know less of it, never more.
import { type CompleteAsk, completeAsk } from './asks.ts';

/** As `completeAsk.parse`, of what came as JSON. */
export const readCompleteAsk = (payload: unknown): CompleteAsk => plain(payload) ?? completeAsk.parse(payload);

type Members = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown, max: number): value is string => typeof value === 'string' && value.length <= max;
const isWhole = (value: unknown, min: number, max: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
const isFlag = (value: unknown): boolean => value === undefined || typeof value === 'boolean';
const runId = /^[0-9A-Za-z]{1,64}$/;

const members: readonly (readonly [keyof CompleteAsk, (value: unknown) => boolean])[] = [
  ['run', (value) => isText(value, 64) && runId.test(value)],
  ['activity', (value) => isText(value, 80) && value !== ''],
  ['attempt', (value) => isWhole(value, 1, 1_000)],
  ['worker', (value) => isText(value, 253)],
  ['free', (value) => value === undefined || isWhole(value, 0, 10_000)],
  ['present', isFlag],
  ['more', isFlag],
  ['result', (value) => isObject(value) && Object.keys(value).every((name) => name.length <= 256) && isJson(value, 0)],
  ['confidence', (value) => value === undefined || (typeof value === 'number' && value >= 0 && value <= 1)],
  ['verification', (value) => isObject(value) && 'approved' in value],
];

function plain(payload: unknown): CompleteAsk | undefined {
  if (!isObject(payload)) return undefined;
  const ask: Record<string, unknown> = {};
  for (const [name, fits] of members) {
    const value = payload[name];
    if (!fits(value)) return undefined;
    if (value !== undefined) ask[name] = value;
  }
  return ask as unknown as CompleteAsk;
}

/** Deeper results are for the schema. */
const depthMax = 16;

/** Text as JSON may hold a number that is none (`1e400`), and a name that an object cannot simply have. */
function isJson(value: unknown, depth: number): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  if (depth === depthMax) return false;
  if (Array.isArray(value)) return value.every((item) => isJson(item, depth + 1));
  return Object.entries(value).every(([name, member]) => name !== '__proto__' && isJson(member, depth + 1));
}
