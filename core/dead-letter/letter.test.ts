import { expect, test } from 'vitest';
import { type GivenUp, groupOf, letterId, letterOf, restOf } from './letter.ts';

const given: GivenUp = {
  namespace: 'demo',
  reason: 'failing',
  origin: { kind: 'event', name: 'calls.received', item: 'e1' },
  cause: { code: 'NOT_FOUND', message: 'no agent' },
  attempts: 8,
};

test('the same given up again is the same letter, and grows', () => {
  const first = letterOf(given, undefined, 10, { digest: 'sha256:a', bytes: 3 });
  const decided = { ...first, state: 'Retried', decided: { by: 'ann', reason: 'fixed', at: 15 } } as const;
  expect(letterOf(given, decided, 20)).toEqual({ ...first, attempts: 16, lastAt: 20 });
});

test.each<[string, Partial<GivenUp>, boolean]>([
  ['another item', { origin: { ...given.origin, item: 'e2' } }, true],
  ['another message', { cause: { ...given.cause, message: 'other words' } }, true],
  ['another code', { cause: { ...given.cause, code: 'TIMEOUT' } }, false],
  ['another subject', { origin: { ...given.origin, name: 'other' } }, false],
  ['another workflow', { origin: { ...given.origin, workflow: 'calls' } }, false],
  ['another namespace', { namespace: 'other' }, false],
  ['another reason', { reason: 'malformed' }, false],
])('%s: one group %#', (_, change, same) => {
  expect(groupOf({ ...given, ...change }) === groupOf(given)).toBe(same);
});

test('what is beyond the bound of a group stays in the group and is one letter', () => {
  const other = { ...given, origin: { ...given.origin, item: 'e2', run: 'r2' } };
  expect(letterId(other)).not.toBe(letterId(given));
  expect(letterId(restOf(other))).toBe(letterId(restOf(given)));
  expect(groupOf(restOf(other))).toBe(groupOf(given));
});

test('texts are bounded', () => {
  const long = { ...given, cause: { code: 'X', message: 'm'.repeat(9_999) } };
  expect(letterOf(long, undefined, 0).cause.message).toHaveLength(1_024);
});
