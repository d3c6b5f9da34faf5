import { describe, expect, test } from 'vitest';
import type { RolloutStatus } from '../../api/v1alpha1/rollout.ts';
import { agent, bundle, digestA, digestB } from '../../test/support/objects.ts';
import { release } from '../../test/support/rollout-scene.ts';
import type { RolloutObject } from '../catalog/objects.ts';
import { type ReleaseObserved, releaseOf } from './release.ts';

const now = Date.parse('2026-11-23T09:00:00Z');
const one = { bundle: 'receptionist-1', digest: digestA };
const two = { bundle: 'receptionist-2', digest: digestB };
const stages = release.stages.slice(1, 3);
const root = agent('receptionist', { spec: { release: { stages }, bundleRef: { name: 'receptionist-2' } } });
const previous = {
  namespace: 'demo',
  name: 'receptionist',
  role: 'Answers calls.',
  generation: 1,
  permissions: root.spec.permissions,
  bundle: one.bundle,
  bundleDigest: one.digest,
};
const observed = (differing: Partial<ReleaseObserved> = {}): ReleaseObserved => ({
  root,
  rollouts: [],
  previous,
  wanted: two,
  isWarm: false,
  resolved: (digest) => ({
    namespace: 'demo',
    name: digest === digestA ? 'receptionist-1' : 'receptionist-2',
    agent: 'receptionist',
    digest,
    spec: bundle('x').spec,
    tools: {},
    models: {},
  }),
  ...differing,
});
const rollout = (status: RolloutStatus, spec: Partial<RolloutObject['spec']> = {}): RolloutObject => ({
  apiVersion: 'signalbox.dev/v1alpha1',
  kind: 'BundleRollout',
  metadata: { name: `receptionist-${spec.ordinal ?? 1}`, namespace: 'demo', uid: `uid-${spec.ordinal ?? 1}` },
  spec: { agent: 'receptionist', attempt: 1, ordinal: 1, from: one, to: two, salt: 's', release: { stages }, ...spec },
  status,
});
const made = (differing: Partial<ReleaseObserved>) =>
  releaseOf(observed(differing), now).commands.map((command) =>
    command.kind === 'apply' ? { name: command.object.metadata.name, ...(command.object['spec'] as object) } : {},
  );

describe('a rollout is made', () => {
  test('when another bundle is wanted: frozen strategy, new salt, from what is stable', () => {
    expect(made({})).toEqual([
      {
        name: 'receptionist-bbbbbbbb-1',
        agent: 'receptionist',
        attempt: 1,
        ordinal: 1,
        from: one,
        to: two,
        salt: expect.stringMatching(/^[0-9a-f]{32}$/),
        release: { stages },
      },
    ]);
    expect(made({})).toEqual(made({}));
  });
  test('of the first bundle, without anything to compare', () => {
    expect(made({ previous: undefined })).toMatchObject([{ to: two }]);
    expect(made({ previous: undefined })[0]).not.toHaveProperty('from');
  });
  test('of a change that is high-risk: with an approval behind the last canary', () => {
    const gone = made({ resolved: () => undefined });
    expect(gone).toMatchObject([
      {
        highRisk: [expect.stringContaining('is gone')],
        release: { stages: [{}, {}, { approve: { scope: 'releases' } }] },
      },
    ]);
  });
  test.each<[string, RolloutStatus, number]>([
    ['again after it was superseded', { phase: 'Superseded' }, 2],
    ['again after it was cancelled', { phase: 'Cancelled' }, 2],
    ['again since a person said retry', { phase: 'RolledBack', retried: true }, 2],
  ])('%s', (_, status, attempt) => {
    expect(made({ rollouts: [rollout(status)] })).toMatchObject([{ attempt, ordinal: 2 }]);
  });
  test('at once, for what was stable before and is warm', () => {
    const earlier = rollout({ phase: 'Completed', promoted: true }, { from: two, to: one });
    expect(made({ rollouts: [earlier], isWarm: true })).toMatchObject([{ fast: true, from: one, to: two }]);
    expect(made({ rollouts: [earlier] })[0]).not.toHaveProperty('fast');
  });
});

describe('no rollout is made', () => {
  test.each<[string, Partial<ReleaseObserved>]>([
    ['of what is stable', { wanted: one }],
    ['of what is not published', { wanted: undefined }],
    ['of what was rolled back', { rollouts: [rollout({ phase: 'RolledBack' })] }],
    ['of what was rejected', { rollouts: [rollout({ phase: 'Rejected' })] }],
    [
      'while one is under way',
      { rollouts: [rollout({ phase: 'Progressing' }, { to: { bundle: 'x', digest: 'sha256:c' } })] },
    ],
  ])('%s', (_, differing) => {
    expect(made(differing)).toEqual([]);
  });
});

describe('what new keys get', () => {
  const weight = { desiredBps: 500, observedBps: 0 };
  test.each<[string, RolloutStatus, string, number | undefined, readonly string[]]>([
    ['before there are workers', { phase: 'Validating' }, digestA, undefined, []],
    ['while workers start', { phase: 'Provisioning' }, digestA, undefined, [digestB]],
    ['in a canary', { phase: 'Progressing', weight }, digestA, 500, [digestB]],
    ['on the way back', { phase: 'Aborting', weight: { desiredBps: 0, observedBps: 500 } }, digestA, 0, []],
    [
      'after the promotion',
      { phase: 'Baking', weight: { desiredBps: 10_000, observedBps: 0 }, promoted: true },
      digestB,
      10_000,
      [digestA],
    ],
    ['back from there', { phase: 'RollingBack', weight: { desiredBps: 0, observedBps: 0 } }, digestA, 0, []],
  ])('%s', (_, status, stable, bps, kept) => {
    const found = releaseOf(observed({ rollouts: [rollout(status)] }), now);
    expect(found.stable?.digest).toBe(stable);
    expect(found.offer?.weightBps).toBe(bps);
    expect(found.kept.map(({ digest }) => digest)).toEqual(kept);
  });
  test('the bundle before stays warm for a while after the end', () => {
    const done = (since: string) =>
      releaseOf(
        observed({
          previous: { ...previous, bundle: two.bundle, bundleDigest: digestB },
          rollouts: [rollout({ phase: 'Completed', promoted: true, phaseSince: since })],
        }),
        now,
      );
    expect(done('2026-11-23T08:00:00Z')).toMatchObject({
      kept: [one],
      again: 23 * 3_600_000,
      finding: { status: 'True' },
    });
    expect(done('2026-11-22T08:00:00Z')).toMatchObject({ kept: [], again: undefined });
  });
  test('a catalog that was lost changes nothing', () => {
    const status = { bundle: one.bundle, bundleDigest: one.digest };
    expect(releaseOf(observed({ previous: undefined, root: { ...root, status } }), now).stable).toEqual(one);
  });
});

test('the condition says where what is wanted stands', () => {
  const finding = (differing: Partial<ReleaseObserved>) => releaseOf(observed(differing), now).finding;
  expect(finding({ rollouts: [rollout({ phase: 'Progressing', message: 'Stage 1.' })] })).toMatchObject({
    status: 'False',
    reason: 'RollingOut',
    message: 'BundleRollout receptionist-1: Stage 1.',
  });
  expect(finding({ rollouts: [rollout({ phase: 'RolledBack', message: 'It did harm.' })] })).toMatchObject({
    reason: 'RolledBack',
    message: 'New runs get Bundle receptionist-1. BundleRollout receptionist-1: It did harm.',
  });
  expect(
    finding({ rollouts: [rollout({ phase: 'Progressing' })], wanted: { bundle: 'receptionist-3', digest: 'sha256:c' } })
      .message,
  ).toContain('Bundle receptionist-3 waits for its end.');
});
