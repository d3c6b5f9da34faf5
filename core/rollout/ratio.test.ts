import { describe, expect, test } from 'vitest';
import { chanceFrom } from './chance.ts';
import { noShares, noteKeys, sampleRatioP, type Shares } from './ratio.ts';

const nobody = { stable: 0, canary: 0 };
const all = (shares: Shares) => {
  const keys = Object.values(shares.partitions).map((share) => share.all);
  const sum = (arm: 'stable' | 'canary') => keys.reduce((total, of) => total + of[arm], 0);
  return { units: { stable: sum('stable'), canary: sum('canary') }, open: nobody };
};
const note = (shares: Shares, partition: number, weightBps: number, keys: { stable: number; canary: number }) =>
  noteKeys(shares, { type: 'KeysAssigned', at: 0, partition, weightBps, keys: { ...keys, excluded: 0 } });

/** As engines assign: by chance, and never above the weight. */
function assign(keys: number, weight: number, chance: () => number) {
  const count = { stable: 0, canary: 0 };
  for (let key = 0; key < keys; key += 1) {
    const allowed = count.canary + 1 <= weight * (key + 1);
    count[allowed && chance() < weight ? 'canary' : 'stable'] += 1;
  }
  return count;
}

describe('the chance of the shares', () => {
  test('is unknown for few keys, high for the right share, low for another one', () => {
    expect(sampleRatioP(noShares, { units: nobody, open: nobody })).toBeUndefined();
    const few = note(noShares, 0, 500, { stable: 60, canary: 0 });
    expect(sampleRatioP(few, all(few))).toBeUndefined();
    const right = note(noShares, 0, 2_000, { stable: 801, canary: 199 });
    expect(sampleRatioP(right, all(right))).toBeGreaterThan(0.5);
    const wrong = note(noShares, 0, 2_000, { stable: 860, canary: 140 });
    expect(sampleRatioP(wrong, all(wrong))).toBeLessThan(0.001);
  });
  test('is not low with many partitions, each of which stays below the weight', () => {
    const chance = chanceFrom(5);
    let alarms = 0;
    for (let time = 0; time < 200; time += 1) {
      let shares = noShares;
      for (let partition = 0; partition < 16; partition += 1) {
        shares = note(shares, partition, 2_000, assign(200, 0.2, chance));
      }
      alarms += Number((sampleRatioP(shares, all(shares)) ?? 1) < 0.001);
    }
    expect(alarms).toBeLessThanOrEqual(2);
  });
  test('adds up over weights; keys of a change count for none', () => {
    let shares = note(noShares, 0, 500, { stable: 950, canary: 50 });
    shares = note(shares, 0, 5_000, { stable: 960, canary: 60 });
    shares = note(shares, 0, 5_000, { stable: 1_460, canary: 560 });
    expect(sampleRatioP(shares, all(shares))).toBeCloseTo(1, 6);
    shares = note(shares, 0, 5_000, { stable: 1_460, canary: 760 });
    expect(sampleRatioP(shares, all(shares))).toBeLessThan(0.001);
  });
  test('is not low when a partition forgets old runs', () => {
    let shares = note(noShares, 0, 500, { stable: 950, canary: 50 });
    shares = note(shares, 0, 5_000, { stable: 950, canary: 50 });
    shares = note(shares, 0, 5_000, { stable: 1_450, canary: 550 });
    shares = note(shares, 0, 5_000, { stable: 600, canary: 520 });
    shares = note(shares, 0, 5_000, { stable: 700, canary: 620 });
    expect(sampleRatioP(shares, all(shares))).toBeGreaterThan(0.9);
    expect(all(shares).units).toEqual({ stable: 1_550, canary: 650 });
  });
  test('is low when units of one arm get lost', () => {
    const shares = note(noShares, 0, 5_000, { stable: 500, canary: 500 });
    expect(
      sampleRatioP(shares, { units: { stable: 490, canary: 488 }, open: { stable: 5, canary: 7 } }),
    ).toBeGreaterThan(0.01);
    expect(sampleRatioP(shares, { units: { stable: 490, canary: 420 }, open: { stable: 5, canary: 7 } })).toBeLessThan(
      0.001,
    );
  });
});
