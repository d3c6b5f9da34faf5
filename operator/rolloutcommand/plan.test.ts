import { expect, test } from 'vitest';
import type { RolloutCommandObject, RolloutObject } from '../catalog/objects.ts';
import { planCommand } from './plan.ts';

const now = Date.parse('2026-11-23T08:00:05Z');
const command = (status?: RolloutCommandObject['status']): RolloutCommandObject => ({
  apiVersion: 'signalbox.dev/v1alpha1',
  kind: 'RolloutCommand',
  metadata: { name: 'abort-1', namespace: 'demo', uid: 'uid-1', creationTimestamp: '2026-11-23T08:00:00Z' },
  spec: { rolloutRef: { name: 'r-1', uid: 'uid-r' }, verb: 'abort', reason: 'no', commandedBy: 'ann' },
  ...(status === undefined ? {} : { status }),
});
const rollout = (answers: NonNullable<RolloutObject['status']>['commands'] = [], uid = 'uid-r') =>
  ({
    apiVersion: 'signalbox.dev/v1alpha1',
    kind: 'BundleRollout',
    metadata: { name: 'r-1', namespace: 'demo', uid },
    spec: {},
    status: { commands: answers },
  }) as unknown as RolloutObject;
const done = { uid: 'uid-1', state: 'Done', message: 'It goes back.' } as const;

test.each([
  ['answered', { rollout: rollout([done]) }, now, 'Done', 'Accepted', ['apply']],
  ['refused', { rollout: rollout([{ ...done, state: 'Refused' }]) }, now, 'Refused', 'Refused', ['apply']],
  ['not answered yet', { rollout: rollout() }, now, undefined, 'Deciding', []],
  ['about what is not seen yet', {}, now, undefined, 'Deciding', []],
  ['about what does not exist', {}, now + 10_000, 'Refused', 'Refused', []],
  ['about another attempt', { rollout: rollout([done], 'uid-s') }, now + 10_000, 'Refused', 'Refused', []],
] as const)('%s', (_, seen, at, state, reason, commands) => {
  const plan = planCommand({ root: command(), ...seen }, at);
  expect(plan.status?.['state']).toBe(state);
  expect(plan.status?.conditions?.find(({ type }) => type === 'Ready')?.reason).toBe(reason);
  expect(plan.commands.map(({ kind }) => kind)).toEqual(commands);
});

test('what was answered stays answered', () => {
  expect(planCommand({ root: command({ state: 'Done' }), rollout: rollout() }, now)).toEqual({ commands: [] });
});
