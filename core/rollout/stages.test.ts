import { expect, test } from 'vitest';
import { now, release, seenOf } from '../../test/support/rollout-scene.ts';
import { freezeAt, needsPass, nextStage, scopeAt, stageText, withApproval } from './stages.ts';
import { needsWorkers, offerOf, stableOf } from './route.ts';

test('a freeze window is open from its beginning to its end, in its time zone', () => {
  const windows = (cron: string, duration: string, timeZone = 'UTC') => ({
    ...release,
    freezeWindows: [{ cron, duration, timeZone, reason: 'a holiday' }],
  });
  expect(freezeAt(windows('0 12 * * *', '1h'), now)).toEqual({ until: now + 3_600_000, reason: 'a holiday' });
  expect(freezeAt(windows('0 11 * * *', '61m'), now)).toEqual({ until: now + 60_000, reason: 'a holiday' });
  expect(freezeAt(windows('0 11 * * *', '1h'), now)).toBeUndefined();
  expect(freezeAt(windows('0 13 * * *', '1h', 'Europe/Berlin'), now)).toMatchObject({ until: now + 3_600_000 });
  expect(freezeAt(release, now)).toBeUndefined();
});

test('a window that cannot be read is open', () => {
  expect(freezeAt({ ...release, freezeWindows: [{ cron: 'never', duration: '1h' }] }, now)?.reason).toMatch(
    /cannot be read/,
  );
});

test('an approval that only a high-risk change needs is passed over', () => {
  const stages = [...release.stages.slice(0, 3), { approve: { scope: 'leads', when: 'highRisk' as const } }];
  const spec = { ...seenOf().spec, release: { ...release, stages } };
  expect(nextStage(spec, 2)).toBe(4);
  expect(nextStage({ ...spec, highRisk: ['a new tool that acts'] }, 2)).toBe(3);
});

test('a high-risk change is asked about after its last canary, whatever the strategy says', () => {
  const asked = (stages: typeof release.stages) =>
    withApproval({ stages }, ['another model']).stages.map((stage) => Object.keys(stage)[0]);
  expect(asked(release.stages)).toEqual(['suite', 'canary', 'canary', 'approve', 'bake']);
  expect(asked(release.stages.filter(({ approve }) => approve === undefined))).toEqual([
    'suite',
    'canary',
    'canary',
    'approve',
    'bake',
  ]);
  expect(asked([{ bake: { duration: '1h' } }])).toEqual(['approve', 'bake']);
  expect(withApproval({ stages: [{ bake: { duration: '1h' } }] }, [])).toEqual({
    stages: [{ bake: { duration: '1h' } }],
  });
});

test('positive evidence is asked of the last canary', () => {
  const { spec } = seenOf();
  expect([1, 2].map((at) => needsPass(spec, at))).toEqual([false, true]);
  expect(scopeAt(release, 1)).toBe('leads');
  expect([1, 5].map((at) => stageText(release, at))).toEqual(['2/5 canary', '5/5']);
});

test('what a rollout means for the Agent', () => {
  const { spec } = seenOf();
  const attempt = { name: 'r', uid: 'u', spec };
  const weight = { desiredBps: 500, observedBps: 0 };
  const offered = { ...attempt, status: { phase: 'Progressing', weight } } as const;
  expect(offerOf(offered)).toMatchObject({ weightBps: 500, salt: 'salt', canary: spec.to });
  expect(stableOf(offered)).toEqual(spec.from);
  expect(needsWorkers(offered)).toBe(true);
  const early = { ...attempt, status: { phase: 'Validating' } } as const;
  expect([offerOf(early), needsWorkers(early)]).toEqual([undefined, false]);
  expect(needsWorkers({ status: { phase: 'Paused', back: 'Pending' } })).toBe(false);
  const goesBack = { ...attempt, status: { phase: 'Aborting', weight } } as const;
  expect([offerOf(goesBack)?.weightBps, needsWorkers(goesBack)]).toEqual([0, false]);
  const done = { ...attempt, status: { phase: 'Completed', weight, promoted: true } } as const;
  expect([offerOf(done), stableOf(done)]).toEqual([undefined, spec.to]);
});
