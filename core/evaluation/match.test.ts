import { describe, expect, test } from 'vitest';
import type { Json } from '../../api/messages/history.ts';
import type { Matcher } from '../../api/v1alpha1/scenario-expectation.ts';
import { matches, unmet } from './match.ts';
import { at, change } from './pointer.ts';

const absent = Symbol('absent');

test.each<[Matcher, Json | typeof absent, boolean]>([
  [{ equals: 5 }, 5, true],
  [{ equals: 5 }, '5', false],
  [{ equals: null }, null, true],
  [{ equals: null }, absent, false],
  [{ equals: { a: 1, b: [2] } }, { b: [2], a: 1 }, true],
  [{ equals: [1, 2] }, [2, 1], false],
  [{ partial: { a: { b: 1 } } }, { a: { b: 1, c: 2 }, d: 3 }, true],
  [{ partial: { a: { b: 1 } } }, { a: { b: 2 } }, false],
  [{ partial: { a: 1 } }, [1], false],
  [{ partial: {} }, 'text', false],
  [{ oneOf: ['a', 'b'] }, 'b', true],
  [{ oneOf: ['a', 'b'] }, 'c', false],
  [{ matches: '^x+$' }, 'xx', true],
  [{ matches: '^x+$' }, 'xy', false],
  [{ matches: '4' }, 4, false],
  [{ matches: '(' }, '(', false],
  [{ gte: 3, lte: 5 }, 4, true],
  [{ gte: 3, lte: 5 }, 6, false],
  [{ gte: 3 }, '4', false],
  [{ any: true }, null, true],
  [{ any: true }, absent, false],
  [{ any: false }, 1, false],
  [{ absent: true }, absent, true],
  [{ absent: true }, null, false],
  [{ absent: false }, 1, false],
  [{ equals: 5, matches: 'x' }, 5, false],
  [{}, 1, false],
])('%j of %j is %s', (matcher, value, held) => {
  expect(matches(matcher, value === absent ? undefined : value)).toBe(held);
});

describe('pointers', () => {
  const document = { a: { 'b/c': [10, { '~': 'x' }] }, '': 1 };
  test.each<[string, Json | undefined]>([
    ['', document],
    ['/a/b~1c/0', 10],
    ['/a/b~1c/1/~0', 'x'],
    ['/', 1],
    ['/a/b~1c/01', undefined],
    ['/a/b~1c/2', undefined],
    ['/toString', undefined],
    ['a', undefined],
    ['/a~2', undefined],
  ])('%s', (pointer, found) => {
    expect(at(document, pointer)).toEqual(found);
  });

  test.each<[Json, string, Json | undefined, Json | string]>([
    [{}, '/a/b', 1, { a: { b: 1 } }],
    [{ a: { b: 1, c: 2 } }, '/a/b', undefined, { a: { c: 2 } }],
    [{ a: [1] }, '/a/-', 2, { a: [1, 2] }],
    [{ a: [1, 2] }, '/a/0', undefined, { a: [2] }],
    [{ a: [{ b: 1 }] }, '/a/0/b', 2, { a: [{ b: 2 }] }],
    [{ a: [1] }, '/a/5', 2, '/a/5: the list has 1 items, and no "5"'],
    [{ a: 'text' }, '/a/b', 2, '/a/b: "b" is looked for in "text"'],
    [{}, 'a', 2, '"a" is no JSON pointer'],
  ])('%j with %s = %j', (before, pointer, value, after) => {
    const changed = change(before, pointer, value);
    expect(changed.ok ? changed.value : changed.message).toEqual(after);
  });
});

test('what does not hold is said with what was expected and found', () => {
  expect(unmet([{ path: '/a', gte: 2, lte: 3 }], { a: 9 })).toEqual([
    { path: '/a', expected: 'at least 2 and at most 3', found: '9' },
  ]);
  expect(unmet([{ path: '/b', any: true }], {})).toEqual([
    { path: '/b', expected: 'anything', found: 'nothing there' },
  ]);
});
