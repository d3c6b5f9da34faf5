// Owns: whether a JSON value is what a matcher allows, and the words for both. Total: a matcher that cannot be read matches nothing.
import type { Json, JsonObject } from '../../api/messages/history.ts';
import type { Assertion, Matcher } from '../../api/v1alpha1/scenario-expectation.ts';
import { canonicalJson } from '../canonical/canonical.ts';
import { at } from './pointer.ts';

/** Characters of a value in a report. */
const shownMax = 200;

type Check = (matcher: Matcher, value: Json) => boolean;

/** A value that is there must pass each check whose member the matcher has. */
const checks: Readonly<Record<Exclude<keyof Matcher, 'absent'>, Check>> = {
  equals: ({ equals }, value) => same(equals as Json, value),
  partial: ({ partial }, value) => includes(value, partial as JsonObject),
  oneOf: ({ oneOf = [] }, value) => oneOf.some((one) => same(one as Json, value)),
  matches: ({ matches = '' }, value) => typeof value === 'string' && (expression(matches)?.test(value) ?? false),
  gte: ({ gte = 0 }, value) => typeof value === 'number' && value >= gte,
  lte: ({ lte = 0 }, value) => typeof value === 'number' && value <= lte,
  any: ({ any }) => any === true,
};

/** `value` undefined: it is not there. */
export function matches(matcher: Matcher, value: Json | undefined): boolean {
  if (matcher.absent === true) return value === undefined;
  if (value === undefined) return false;
  const asked = Object.entries(checks).filter(([name]) => matcher[name as keyof Matcher] !== undefined);
  return asked.length > 0 && asked.every(([, check]) => check(matcher, value));
}

/** Undefined when it is no regular expression. */
export function expression(source: string): RegExp | undefined {
  try {
    return new RegExp(source, 'u');
  } catch {
    return undefined;
  }
}

export const same = (left: Json, right: Json): boolean => canonical(left) === canonical(right);

const canonical = (value: Json): string => canonicalJson({ value: value ?? null });

/** Every member of `wanted` is in `value`, objects recursively; lists must be the same. */
function includes(value: Json, wanted: Json): boolean {
  if (!isObject(wanted)) return same(value, wanted);
  return (
    isObject(value) &&
    Object.entries(wanted).every(([name, member]) => {
      const there = Object.hasOwn(value, name) ? value[name] : undefined;
      return there !== undefined && includes(there, member);
    })
  );
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export interface Unmet {
  readonly path: string;
  readonly expected: string;
  readonly found: string;
}

/** Which assertions do not hold of the document. */
export function unmet(assertions: readonly Assertion[], document: Json): readonly Unmet[] {
  return assertions.flatMap(({ path, ...matcher }) => {
    const value = at(document, path);
    return matches(matcher, value) ? [] : [{ path, expected: words(matcher), found: shown(value) }];
  });
}

/** `equals 3 and at most 5`. */
export function words(matcher: Matcher): string {
  const parts = {
    equals: (value: unknown) => shown(value as Json),
    partial: (value: unknown) => `an object with ${shown(value as Json)}`,
    oneOf: (value: unknown) => `one of ${shown(value as Json)}`,
    matches: (value: unknown) => `a text that matches ${String(value)}`,
    gte: (value: unknown) => `at least ${String(value)}`,
    lte: (value: unknown) => `at most ${String(value)}`,
    any: () => 'anything',
    absent: () => 'nothing there',
  };
  return Object.entries(matcher)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => parts[name as keyof Matcher](value))
    .join(' and ');
}

export function shown(value: Json | undefined): string {
  if (value === undefined) return 'nothing there';
  const text = JSON.stringify(value);
  return text.length > shownMax ? `${text.slice(0, shownMax)}…` : text;
}
