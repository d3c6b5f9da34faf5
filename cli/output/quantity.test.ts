import { expect, test } from 'vitest';
import { age, money, offset, parseSpan, span, until } from './quantity.ts';

test.each([
  [0, '0s'],
  [38.2, '38ms'],
  [450, '0.5s'],
  [1000, '1s'],
  [9940, '9.9s'],
  [61_000, '1m1s'],
  [3_600_000, '1h'],
  [90_061_000, '1d1h'],
  [-5, '0s'],
])('a span of %i ms is %s', (ms, words) => expect(span(ms)).toBe(words));

test.each([
  [0, '$0'],
  [1, '$0.000001'],
  [84, '$0.000084'],
  [104, '$0.0001'],
  [1900, '$0.0019'],
  [12_300, '$0.0123'],
  [1_500_000, '$1.50'],
  [1_234_567_890_000, '$1,234,567.89'],
])('%i micros are %s', (micros, words) => expect(money(micros)).toBe(words));

test.each([
  [3, '+0.003s'],
  [12_345, '+12.3s'],
  [184_000, '+3m04s'],
  [7_500_000, '+2h05m'],
])('%i ms into the run is %s', (ms, words) => expect(offset(ms)).toBe(words));

test.each([
  ['500ms', 500],
  ['1h30m', 5_400_000],
  ['3d', 259_200_000],
  ['10', undefined],
  ['-1s', undefined],
  ['', undefined],
])('the duration "%s" is %s ms', (text, ms) => expect(parseSpan(text)).toBe(ms));

test('ages and deadlines', () => {
  expect([age(90_000), age(3_600_000), age(200_000_000)]).toEqual(['90s', '60m', '2d']);
  expect([until(5000, 0), until(0, 5000)]).toEqual(['in 5s', '5s ago']);
});
