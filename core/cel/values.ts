// Owns: the border between JSON and CEL values. CEL tells int from double, JSON does not: an integral JSON number becomes
// an int, any other a double. Objects become maps without a prototype, so `facts.constructor` is a missing key.
import { type CelInput, type CelValue, isCelList, isCelMap, isCelUint } from '@bufbuild/cel';

/** Depth of JSON that is converted; deeper input is refused instead of overflowing the stack. */
const depthMax = 64;

export class ConversionError extends Error {}

/** @throws ConversionError when `value` is no JSON or is nested deeper than 64. Members that are `undefined` are left out. */
export function toCel(value: unknown, depth = 0): CelInput {
  if (depth > depthMax) throw new ConversionError(`input is nested deeper than ${depthMax} levels`);
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value !== 'object') throw new ConversionError(`input of type ${typeof value} is no JSON`);
  if (Array.isArray(value)) return value.map((item) => toCel(item ?? null, depth + 1));
  const map = new Map<string, CelInput>();
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) map.set(key, toCel(member, depth + 1));
  }
  return map;
}

/** @throws ConversionError when the value has no JSON form: bytes, timestamps, durations, types, integers beyond 2^53. */
export function fromCel(value: CelValue): unknown {
  if (typeof value === 'bigint') return integer(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new ConversionError(`result ${value} is no JSON number`);
    return value;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (isCelUint(value)) return integer(value.value);
  if (isCelList(value)) return Array.from(value, fromCel);
  if (isCelMap(value)) {
    return Object.fromEntries(
      Array.from(value, ([key, member]) => [String(isCelUint(key) ? key.value : key), fromCel(member)]),
    );
  }
  throw new ConversionError('result has no JSON form; allowed are null, bool, int, double, string, list and map');
}

function integer(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number))
    throw new ConversionError(`result ${value} is beyond the integers JSON can carry exactly`);
  return number;
}
