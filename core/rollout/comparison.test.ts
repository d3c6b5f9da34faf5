import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chanceFrom } from './chance.ts';
import { addPair, addUnit, copyComparison, evidenceOf, nearest, newComparison, seen } from './comparison.ts';

const margins = { abortMargin: 0, passMargin: 0.1 };
const arm = fc.constantFrom('stable' as const, 'canary' as const);
const share = fc.double({ min: 0.001, max: 0.999, noNaN: true });
const y = fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true }));

describe('every number stays finite', () => {
  test('whatever the units, the margins and the sides', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ arm, y }), { maxLength: 300 }),
        fc.record({
          abortMargin: fc.double({ min: 0, max: 1, noNaN: true }),
          passMargin: fc.double({ min: 0, max: 1, noNaN: true }),
        }),
        fc.boolean(),
        (units, any, twoSided) => {
          const comparison = newComparison(twoSided);
          for (const unit of units) addUnit(comparison, any, unit);
          const { harm, pass } = evidenceOf(comparison);
          const numbers = [
            harm,
            pass,
            comparison.peak,
            seen(comparison, 'stable').mean,
            seen(comparison, 'canary').mean,
          ];
          expect(numbers.filter((number) => !Number.isFinite(number))).toEqual([]);
          expect(comparison.peak).toBeGreaterThanOrEqual(harm);
          expect(seen(comparison, 'stable').n + seen(comparison, 'canary').n).toBe(units.length);
        },
      ),
    );
  });
  test('after 100,000 units that could not be further apart', () => {
    const comparison = newComparison(true);
    for (let unit = 0; unit < 100_000; unit += 1) {
      addUnit(comparison, margins, unit % 2 === 0 ? { arm: 'stable', y: 1 } : { arm: 'canary', y: 0 });
    }
    expect(Number.isFinite(comparison.peak)).toBe(true);
    expect(comparison.peak).toBeGreaterThan(1_000);
  });
});

/** Expected factor of one block when the means are the given ones: by enumeration of all outcomes. */
function expectedFactor(
  means: { stable: number; canary: number },
  past: { stable: number; canary: number },
  m: number,
) {
  const weights = { stable: m, canary: 1 };
  return (margin: number) => {
    const r = nearest(past, weights, margin);
    const one = (mean: number, q: number, p: number) => mean * (q / p) + (1 - mean) * ((1 - q) / (1 - p));
    return one(means.stable, past.stable, r.stable) ** m * one(means.canary, past.canary, r.canary);
  };
}

describe('a factor', () => {
  test('of harm is 1 at most on average while the canary is not worse by more than the margin', () => {
    fc.assert(
      fc.property(share, share, share, share, fc.double({ min: 0, max: 0.5, noNaN: true }), fc.nat(20), (...drawn) => {
        const [a, b, c, d, margin, m] = drawn;
        const past = { stable: a, canary: b };
        fc.pre(past.stable - past.canary > margin && c - d <= margin);
        expect(expectedFactor({ stable: c, canary: d }, past, m + 1)(margin)).toBeLessThanOrEqual(1 + 1e-6);
      }),
      { numRuns: 500 },
    );
  });
  test('of no harm is 1 at most on average while the canary is worse by the margin or more', () => {
    fc.assert(
      fc.property(share, share, share, share, fc.double({ min: 0, max: 0.5, noNaN: true }), fc.nat(20), (...drawn) => {
        const [a, b, c, d, margin, m] = drawn;
        const past = { stable: a, canary: b };
        fc.pre(past.stable - past.canary < margin && c - d >= margin);
        expect(expectedFactor({ stable: c, canary: d }, past, m + 1)(margin)).toBeLessThanOrEqual(1 + 1e-6);
      }),
      { numRuns: 500 },
    );
  });
});

interface Trial {
  readonly stable: number;
  readonly canary: number;
  readonly share: number;
  readonly twoSided?: boolean;
}

/** Canary units until harm, and until no harm, is shown at 1 in 20; undefined within 400. */
function trial({ stable, canary, share: canaryShare, twoSided = false }: Trial, chance: () => number) {
  const comparison = newComparison(twoSided);
  let [units, harmAt, passAt]: [number, number | undefined, number | undefined] = [0, undefined, undefined];
  while (units < 400) {
    const drawn = chance() < canaryShare ? ('canary' as const) : ('stable' as const);
    units += Number(drawn === 'canary');
    addUnit(comparison, margins, { arm: drawn, y: Number(chance() < (drawn === 'canary' ? canary : stable)) });
    if (comparison.peak >= Math.log(20)) harmAt ??= units;
    if (evidenceOf(comparison).pass >= Math.log(20)) passAt ??= units;
  }
  return { harmAt, passAt };
}

function trials(times: number, of: Trial) {
  const chance = chanceFrom(11);
  const all = Array.from({ length: times }, () => trial(of, chance));
  const median = (key: 'harmAt' | 'passAt') =>
    all.map((one) => one[key] ?? Infinity).toSorted((left, right) => left - right)[Math.floor(times / 2)];
  const part = (key: 'harmAt' | 'passAt') => all.filter((one) => one[key] !== undefined).length / times;
  return { harm: part('harmAt'), pass: part('passAt'), harmMedian: median('harmAt'), passMedian: median('passAt') };
}

describe('error rates within 400 canary units, with 1 of 5 units on the canary', () => {
  test('harm is seen where there is none in less than 1 of 20', () => {
    expect(trials(300, { stable: 0.9, canary: 0.9, share: 0.2 }).harm).toBeLessThan(0.05);
    expect(trials(300, { stable: 0.9, canary: 0.9, share: 0.2, twoSided: true }).harm).toBeLessThan(0.05);
  });
  test('a canary that is worse by the pass margin passes in less than 1 of 20', () => {
    expect(trials(300, { stable: 0.9, canary: 0.8, share: 0.2 }).pass).toBeLessThan(0.05);
  });
  test('a worse canary is found, an equal one passes', () => {
    const worse = trials(100, { stable: 0.9, canary: 0.75, share: 0.2 });
    expect(worse.harm).toBeGreaterThan(0.97);
    expect(worse.harmMedian).toBeLessThan(90);
    const equal = trials(100, { stable: 0.9, canary: 0.9, share: 0.2 });
    expect(equal.pass).toBeGreaterThan(0.9);
    expect(equal.passMedian).toBeLessThan(160);
  });
  test('two sides see a canary that is better, too', () => {
    expect(trials(100, { stable: 0.5, canary: 0.8, share: 0.2, twoSided: true }).harm).toBeGreaterThan(0.97);
  });
});

describe('a canary without stable units beside it, as after a promotion', () => {
  const promoted = (canary: number, chance: () => number, twoSided = false) => {
    const comparison = newComparison(twoSided);
    const add = (arm: 'stable' | 'canary', good: number) =>
      addUnit(comparison, margins, { arm, y: Number(chance() < good) });
    for (let unit = 0; unit < 400; unit += 1) add(unit % 2 === 0 ? 'stable' : 'canary', 0.8);
    for (let unit = 0; unit < 600; unit += 1) add('canary', canary);
    return comparison;
  };
  const harmed = (canary: number, twoSided?: boolean) => {
    const chance = chanceFrom(3);
    const all = Array.from({ length: 100 }, () => promoted(canary, chance, twoSided));
    return all.filter(({ peak }) => peak >= Math.log(20)).length;
  };
  test('is compared with the mean that stable had', () => {
    expect(harmed(0.5)).toBeGreaterThan(95);
    expect(harmed(0.8)).toBeLessThanOrEqual(5);
    expect(harmed(0.72)).toBeLessThanOrEqual(5);
  });
  test('on both sides, where there are two', () => {
    expect(harmed(0.99, true)).toBeGreaterThan(95);
    expect(harmed(0.99)).toBeLessThanOrEqual(5);
    expect(harmed(0.8, true)).toBeLessThanOrEqual(5);
  });
  test('counts in its mean', () => {
    expect(seen(promoted(0.8, chanceFrom(1)), 'canary').n).toBe(800);
  });
});

test('a pair of one sample is a block, and a copy does not change with its origin', () => {
  const comparison = newComparison(false);
  addPair(comparison, margins, { stable: 0.9, canary: 0.9 });
  const copy = copyComparison(comparison);
  addPair(comparison, margins, { stable: 0.9, canary: 0.2 });
  expect(seen(copy, 'canary')).toEqual({ n: 1, mean: 0.9 });
  expect(seen(comparison, 'canary').n).toBe(2);
});
