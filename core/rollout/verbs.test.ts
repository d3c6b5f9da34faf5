import { describe, expect, test } from 'vitest';
import type { RolloutPhase } from '../../api/v1alpha1/rollout.ts';
import {
  ago,
  at,
  digestOf,
  judged,
  now,
  promoted,
  release,
  type Scene,
  seenOf,
  small,
  told,
} from '../../test/support/rollout-scene.ts';
import { planRollout } from './machine.ts';
import type { WaitingCommand } from './seen.ts';

const answersOf = (scene: Scene, ...commands: readonly WaitingCommand[]) =>
  planRollout(seenOf({ ...scene, seen: { ...scene.seen, commands } }), now).status.commands;
const phaseAfter = (scene: Scene, ...commands: readonly WaitingCommand[]): RolloutPhase | undefined =>
  planRollout(seenOf({ ...scene, seen: { ...scene.seen, commands } }), now).status.phase;
const progressing = { status: at('Progressing', 1, small), seen: { judgement: judged('Running', { units: 1 }) } };
const asked = { status: at('AwaitingApproval', 3, { ...small, stage: 3 }) };
const ended = (phase: RolloutPhase, more = {}) => ({ status: at(phase, 3, { ...small, stage: 3, ...more }) });

describe('what is refused, and why', () => {
  test.each([
    ['of a stage that is over', progressing, told('skip', { stage: 0 }), /spec\.stage is 0, but .* stage 1 now/],
    [
      'approve when nobody is asked',
      progressing,
      told('approve'),
      /in phase AwaitingApproval; found phase Progressing/,
    ],
    ['approve for another queue', asked, told('approve', { scope: 'desk' }), /spec\.scope is desk, but .* queue leads/],
    [
      'approve by who changed the Agent',
      { ...asked, seen: { changedBy: 'ann' } },
      told('approve'),
      /ann made the Agent want/,
    ],
    ['promote before there are workers', { status: at('Pending') }, told('promote'), /workers are ready/],
    [
      'promote of what was held before there were workers',
      { status: at('Held', 0, { reason: 'HeldByUser', back: 'Validating' }) },
      told('promote'),
      /workers are ready/,
    ],
    [
      'promote under quarantine',
      { ...progressing, seen: { ...progressing.seen, quarantinedBy: 'x-1' } },
      told('promote'),
      /BundleRollout x-1 says so/,
    ],
    [
      'promote past an approval by who wanted the bundle',
      { ...progressing, seen: { ...progressing.seen, changedBy: 'ann' } },
      told('promote'),
      /somebody else must promote/,
    ],
    [
      'skip of the last canary without evidence',
      { ...progressing, status: at('Progressing', 2, { ...small, stage: 2 }) },
      told('skip'),
      /positive evidence/,
    ],
    ['skip of an approval', asked, told('skip'), /found phase AwaitingApproval/],
    ['extend outside of a canary', asked, told('extend'), /in a canary stage/],
    ['resume of what is not paused', progressing, told('resume'), /in phase Paused/],
    [
      'unhold in spite of harm',
      {
        status: at('Held', 1, { ...small, reason: 'HarmDetected' }),
        release: { rollback: { auto: false } },
        seen: { judgement: judged('Fail') },
      },
      told('unhold'),
      /evidence of harm/,
    ],
    ['abort of what has ended', ended('RolledBack'), told('abort'), /while it is under way; found phase RolledBack/],
    [
      'abort twice',
      ended('RollingBack', { reason: 'AbortedByUser' }),
      told('abort'),
      /goes back already, since AbortedByUser/,
    ],
    ['undo of what was not promoted', ended('RolledBack'), told('undo'), /is not what new keys get/],
    [
      'undo when a newer rollout was made',
      { ...ended('Completed', { promoted: true }), seen: { newer: 'x-2' } },
      told('undo'),
      /BundleRollout x-2/,
    ],
    [
      'undo of the first bundle',
      { ...ended('Completed', { promoted: true }), spec: { from: undefined } },
      told('undo'),
      /no bundle before/,
    ],
    ['retry of what succeeded', ended('Completed', { promoted: true }), told('retry'), /ended without success/],
    ['retry under quarantine', ended('RolledBack', { quarantined: 'harm' }), told('retry'), /release it first/],
    [
      'retry of what nobody wants',
      { ...ended('RolledBack'), seen: { wanted: digestOf('c') } },
      told('retry'),
      /does not want/,
    ],
    ['release without quarantine', ended('RolledBack'), told('release'), /not under quarantine/],
  ] as const)('%s', (_, scene, command, message) => {
    expect(answersOf(scene, command)).toEqual([
      { uid: command.uid, state: 'Refused', message: expect.stringMatching(message) },
    ]);
    expect(phaseAfter(scene, command)).toBe(planRollout(seenOf(scene), now).status.phase);
  });
});

test('a command that was answered does nothing again', () => {
  const first = planRollout(seenOf({ ...progressing, seen: { ...progressing.seen, commands: [told('pause')] } }), now);
  expect(first.status).toMatchObject({ phase: 'Paused', commands: [{ uid: 'uid-pause', state: 'Done' }] });
  const resumed = { ...first.status, phase: 'Progressing' as const };
  expect(phaseAfter({ ...progressing, status: resumed }, told('pause'))).toBe('Progressing');
});

test('who wants to go back does not wait behind others', () => {
  const { status } = planRollout(
    seenOf({ ...progressing, seen: { ...progressing.seen, commands: [told('promote'), told('abort')] } }),
    now,
  );
  expect(status).toMatchObject({ phase: 'Aborting', commands: [{ uid: 'uid-abort', state: 'Done' }] });
  expect(answersOf({ ...progressing, status }, told('promote'))).toMatchObject([
    {},
    { uid: 'uid-promote', state: 'Refused' },
  ]);
});

test('no more answers are kept than fit, and none is dropped before its command shows it', () => {
  const commands = Array.from({ length: 40 }, (_, index) => told('unhold', { uid: `uid-${index}` }));
  const first = planRollout(seenOf({ ...progressing, seen: { ...progressing.seen, commands } }), now).status;
  expect(first.commands?.map(({ uid }) => uid)).toEqual(commands.slice(0, 32).map(({ uid }) => uid));
  const later = answersOf({ ...progressing, status: first }, ...commands.slice(8));
  expect(later?.map(({ uid }) => uid)).toEqual(commands.slice(8).map(({ uid }) => uid));
});

test('the clocks of a pause stand', () => {
  const paused = at('Paused', 1, {
    ...small,
    back: 'Progressing',
    backSince: '2026-11-25T11:00:00Z',
    stageSince: '2026-11-25T10:50:00Z',
    phaseSince: '2026-11-25T11:30:00Z',
  });
  const { status } = planRollout(seenOf({ status: paused, seen: { commands: [told('resume')] } }), now);
  expect(status).toMatchObject({
    phase: 'Progressing',
    phaseSince: '2026-11-25T11:30:00Z',
    stageSince: '2026-11-25T11:20:00Z',
    askedMs: 30 * 60_000,
  });
});

test('a quarantine is taken back, and another attempt is asked for', () => {
  const held = ended('RolledBack', { quarantined: 'harm', reason: 'HarmDetected' });
  const released = planRollout(seenOf({ ...held, seen: { commands: [told('release')] } }), now).status;
  expect(released.quarantined).toBeUndefined();
  expect(released.decisions?.at(-1)).toMatchObject({ from: 'RolledBack', to: 'RolledBack', by: 'ann' });
  const retried = planRollout(seenOf({ status: released, seen: { commands: [told('retry')] } }), now).status;
  expect(retried).toMatchObject({ phase: 'RolledBack', retried: true });
});

test('the last canary of a strategy that asks for less still needs a person', () => {
  const stages = [{ canary: { weight: 50, until: { minUnits: 1, maxDuration: '1h', require: 'notFail' } } }] as const;
  const scene = {
    release: { ...release, stages: [...stages] },
    status: at('Analyzing', 0, small),
    seen: { judgement: judged('Running') },
  };
  expect(phaseAfter({ ...scene, status: at('Analyzing', 0, { ...small, stage: 0 }) })).toBe('Extending');
  const without = { ...scene, release: { stages: [{ bake: { duration: '1h' } }] }, status: at('Provisioning', 0) };
  expect(phaseAfter(without)).toBe('AwaitingApproval');
});

test('a bake begins when every partition goes by the bundle', () => {
  const late = at('Promoting', 4, { ...promoted, stageSince: ago(600) });
  const seen = { route: { stable: digestOf('b'), canaryBps: 0, told: true } };
  const { status } = planRollout(seenOf({ status: late, seen }), now);
  expect(status).toMatchObject({ phase: 'Baking', stageSince: ago(0) });
});
