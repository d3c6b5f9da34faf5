import { expect, test } from 'vitest';
import { completeAsk } from './asks.ts';

const ask = (result: unknown): object => ({
  run: 'ZxkgZNUbg3mIxdMs7oDW9B',
  activity: 'step_1.1',
  attempt: 1,
  worker: 'w',
  result,
  verification: { approved: true, rules: [] },
});
const nested = (levels: number): unknown => JSON.parse('{"a":'.repeat(levels) + '1' + '}'.repeat(levels));

test.each<[string, unknown]>([
  ['an empty object', {}],
  ['every kind of value', { a: null, b: [1, 'x', false, { c: [] }] }],
  ['128 levels', nested(128)],
  ['a key of 256 characters', { ['k'.repeat(256)]: 1 }],
])('a result may be %s', (_, result) => {
  expect(completeAsk.parse(ask(result)).result).toEqual(result);
});

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['null', null],
  ['a list', []],
  ['a text', 'x'],
  ['129 levels', nested(129)],
  ['a list at level 129', { a: JSON.parse('['.repeat(128) + ']'.repeat(128)) as unknown }],
  ['a key of 257 characters', { ['k'.repeat(257)]: 1 }],
  ['a key that is the prototype of objects', JSON.parse('{"__proto__":1}')],
])('a result that is %s is refused, with what is allowed', (_, result) => {
  const parsed = completeAsk.safeParse(ask(result));
  expect(parsed.error?.issues[0]).toMatchObject({
    path: ['result'],
    message: expect.stringMatching(/at most 128 levels/),
  });
});
