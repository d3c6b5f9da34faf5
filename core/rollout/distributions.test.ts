import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chiSquareAbove, differenceInterval, rateBelow } from './distributions.ts';

describe('known values', () => {
  test.each([
    [3.841458820694124, 1, 0.05],
    [10.827566170662733, 1, 0.001],
    [18.307038053275146, 10, 0.05],
    [124.34211340400407, 100, 0.05],
    [0, 3, 1],
    [Number.NaN, 3, 1],
    [5_000, 1, 0],
  ])('chi-square above %d with %i degrees', (x, degrees, p) => {
    expect(chiSquareAbove(x, degrees)).toBeCloseTo(p, 9);
  });
  test.each([
    [0, 30, 0.0950339],
    [0, 100, 0.029513],
    [0, 300, 0.0099361],
    [0, 1_000, 0.0029912],
    [3, 1_000, 0.0077352447],
    [1, 100, 0.0465598115],
    [5, 100, 0.1022533776],
    [50, 100, 0.5863782854],
    [0, 0, 1],
    [7, 7, 1],
  ])('%i of %i', (events, n, bound) => {
    expect(rateBelow(events, n)).toBeCloseTo(bound, 6);
  });
  test('difference of 56/70 and 48/80 (Newcombe 1998, method 10)', () => {
    const [low, high] = differenceInterval({ n: 80, mean: 48 / 80 }, { n: 70, mean: 56 / 70 });
    expect(low).toBeCloseTo(0.0524, 4);
    expect(high).toBeCloseTo(0.3339, 4);
  });
});

test('nothing leaves its range', () => {
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.nat(1_000_000), fc.double({ min: 0, max: 1, noNaN: true }), (a, b, mean) => {
      const [events, n] = [Math.min(a, b), Math.max(a, b)];
      const bound = rateBelow(events, n);
      expect(bound >= (n === 0 ? 1 : events / n) && bound <= 1).toBe(true);
      const p = chiSquareAbove(a / 100, 1 + (b % 500));
      expect(p >= 0 && p <= 1).toBe(true);
      const [low, high] = differenceInterval({ n: a, mean }, { n: b, mean: 1 - mean });
      expect(-1 <= low && low <= high && high <= 1).toBe(true);
    }),
  );
});
