import { expect, test } from 'vitest';
import { leftMicros, percentSpent } from './budget.ts';

test.each([
  [100, 0, 100, 0],
  [100, 99, 1, 99],
  [100, 150, 0, 150],
  [3, 1, 2, 33],
  [0, 0, 0, 100],
])('of %i spent %i: %i left, %i percent', (limitMicros, spentMicros, left, percent) => {
  expect(leftMicros({ limitMicros, spentMicros })).toBe(left);
  expect(percentSpent({ limitMicros, spentMicros })).toBe(percent);
});
