// The error rates of the judge, on fewer rollouts than `make rollout-stats`, and that its comparison is with the real ones.
import { describe, expect, test } from 'vitest';
import { classify } from './rollout-stats/mann-whitney.ts';
import { bounds, broken, figures, measure, settings } from './rollout-stats/measure.ts';
import { table, withTable } from './rollout-stats/table.ts';

describe('50 rollouts of each kind', () => {
  const measured = settings.map((setting) => measure(setting, { rollouts: 50, seed: 2 }, false));
  test('keep the bounds', () => {
    expect(broken(measured)).toEqual([]);
    const {
      falseRollback = 1,
      badPromoted = 1,
      falseRollbackCorrelated = 1,
      badPromotedCorrelated = 1,
    } = figures(measured);
    expect(Math.max(falseRollback, falseRollbackCorrelated)).toBeLessThanOrEqual(bounds.falseRollback);
    expect(Math.max(badPromoted, badPromotedCorrelated)).toBeLessThanOrEqual(bounds.badPromoted);
  });
  test('are decided: a judge that waits for ever keeps every bound, too', () => {
    for (const { setting, counted } of measured) {
      const right = setting.wrong === 'promoted' ? 'rolledBack' : 'promoted';
      expect(counted[0]?.ends[right], setting.name).toBeGreaterThan(40);
    }
  });
  test('are the same with the same seed', () => {
    const [setting] = settings;
    if (!setting) throw new Error('there is no setting');
    const again = () => measure(setting, { rollouts: 5, seed: 4 }, false);
    expect(again()).toEqual(again());
  });
});

test('a bound that does not hold is told', () => {
  const wrong = settings.map((setting) => ({
    setting,
    rollouts: 100,
    counted: [{ judge: 'x', ends: { promoted: 2, rolledBack: 6, undecided: 92 }, medianUnits: undefined }],
  }));
  expect(broken(wrong)).toHaveLength(4);
  expect(withTable('a <!-- measured --> old <!-- /measured --> b', table(wrong))).toContain(
    '| x | 2.0 % | 6.0 % | 92.0 % |  |',
  );
  expect(() => withTable('no marks', '')).toThrow('no place');
});

describe("Kayenta's formula", () => {
  const ones = (n: number, of: number) => Array.from({ length: of }, (_, at) => Number(at < n));
  test.each<[string, readonly number[], readonly number[], string]>([
    ['6 of 10 beside 10 of 10', ones(6, 10), ones(10, 10), 'Pass'],
    ['3 of 10 beside none of 10', ones(3, 10), ones(0, 10), 'Pass'],
    ['two points, apart', [2, 2.1], [1, 1.1], 'High'],
    ['the same', [1, 1, 1], [1, 1], 'Pass'],
    ['nothing', [], [1], 'Nodata'],
    ['far apart', [1, 2, 3, 4, 5, 6, 7, 8], [11, 12, 13, 14, 15, 16, 17, 18], 'Low'],
  ])('%s', (_, experiment, control, found) => {
    expect(classify(experiment, control)).toBe(found);
  });
});
