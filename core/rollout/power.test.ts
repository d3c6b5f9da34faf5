import { describe, expect, test } from 'vitest';
import type { Release } from '../../api/v1alpha1/release.ts';
import { planOf } from './power.ts';

const release: Release = {
  stages: [
    { shadow: { percent: 20, units: 40 } },
    { canary: { weight: 5, until: { minUnits: 20, maxDuration: '2d' } } },
    { canary: { weight: 20, until: { minUnits: 60, maxDuration: '2d' } } },
    { canary: { weight: 50, until: { minUnits: 100, maxDuration: '7d' } } },
    { bake: { duration: '24h' } },
  ],
  metrics: [{ name: 'success', role: 'primary', of: 'taskSuccess' }],
};
const runs = { durationsMs: Array.from({ length: 50 }, () => 1_800_000), costsMicros: [] };
const traffic = { keysPerHour: 20, runs, means: { success: 0.9 } };
const changed = (until: object): Release => ({
  ...release,
  stages: release.stages.map((stage, at) =>
    at === 3 && stage.canary ? { canary: { ...stage.canary, until: { ...stage.canary.until, ...until } } } : stage,
  ),
});

describe('a plan', () => {
  test('says units and hours of each stage, and is the same each time', () => {
    const plan = planOf(release, traffic);
    expect(planOf(release, traffic)).toEqual(plan);
    expect(plan).toMatchObject({ reachable: true, findings: [] });
    expect(plan.stages).toMatchObject([
      { stage: 1, weightBps: 500, require: 'notFail', units: 20, hours: 20.5 },
      { stage: 2, weightBps: 2_000, require: 'notFail', units: 60, hours: 10.5 },
      { stage: 3, weightBps: 5_000, require: 'pass' },
    ]);
    const [success] = plan.metrics;
    expect(success?.passed).toBeGreaterThan(0.9);
    expect(success?.falseHarm).toBeLessThanOrEqual(0.05);
    expect(success?.medianUnits).toBeGreaterThan(80);
    expect(success?.medianUnits).toBeLessThan(250);
    expect(plan.stages[2]?.units).toBe(success?.medianUnits);
    expect(plan.hours).toBeGreaterThan(20.5 + 10.5 + 24 + 10);
  });
  test('says when a margin cannot be reached in time, and what to change', () => {
    const narrow: Release = {
      ...changed({ maxDuration: '6h' }),
      metrics: [{ name: 'success', role: 'primary', of: 'taskSuccess', passMargin: '0.02' }],
    };
    const plan = planOf(narrow, traffic);
    expect(plan.reachable).toBe(false);
    expect(plan.hours).toBeUndefined();
    expect(plan.findings).toEqual([
      'stages[3].canary.until.minUnits: 100 units are wanted, and about 60 come within maxDuration 6h',
      expect.stringMatching(/^metric success: .*passMargin 0\.02 in time in [0-9]+ of 100 plays.*wider passMargin/),
    ]);
  });
  test('without traffic, without a metric that must pass, or without a stage that asks for it, reaches nothing', () => {
    expect(planOf(release, { ...traffic, keysPerHour: 0 })).toMatchObject({ reachable: false });
    const guardrail: Release = { ...release, metrics: [{ name: 'cost', role: 'guardrail', of: 'cost' }] };
    expect(planOf(guardrail, traffic)).toMatchObject({
      reachable: false,
      findings: ['no metric is primary or critical: nothing can give positive evidence'],
    });
    const lax = planOf(changed({ require: 'notFail' }), traffic);
    expect(lax).toMatchObject({ reachable: false });
    expect(lax.findings[0]).toBe('no canary stage requires pass');
  });
});
