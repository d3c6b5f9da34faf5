import { expect, test } from 'vitest';
import { decision, digestB, escalation } from '../../test/support/objects.ts';
import { type DecisionObserved, planDecision } from './plan.ts';

const now = Date.parse('2026-11-23T08:00:05Z');
const asked = escalation('run1-1');
const observed = (differing: Partial<DecisionObserved> = {}): DecisionObserved => ({
  root: decision('d1'),
  escalation: asked,
  ...differing,
});
const kinds = (plan: ReturnType<typeof planDecision>) => plan.commands.map(({ kind }) => kind);

test('is sent to the engine, bound to what was read', () => {
  expect(planDecision(observed(), now).commands).toEqual([
    {
      kind: 'decide',
      uid: 'uid-d1',
      request: {
        namespace: 'demo',
        run: 'run1',
        escalation: 'run1-1',
        queue: 'desk',
        option: 'approve',
        by: 'bob',
        reason: 'Looks right.',
        digest: asked.spec.digest,
        decision: 'uid-d1',
      },
    },
  ]);
});

test.each([
  [
    'no engine answers: asked again',
    { answer: { kind: 'NoAnswer', message: 'x' } },
    ['decide'],
    undefined,
    'JournalUnavailable',
  ],
  [
    'the run is frozen: kept, and given again until it is resumed',
    { answer: { kind: 'Later', code: 'FROZEN', message: 'frozen by ann' } },
    ['decide'],
    undefined,
    'Frozen',
  ],
  ['taken', { answer: { kind: 'Done' } }, ['apply'], 'Accepted', 'Accepted'],
  [
    'too late',
    { answer: { kind: 'Refused', code: 'STALE', message: 'decided before' } },
    ['apply'],
    'Refused',
    'Superseded',
  ],
  ['refused', { answer: { kind: 'Refused', code: 'DENIED', message: 'no' } }, ['apply'], 'Refused', 'Refused'],
  ['about something else', { root: decision('d1', { spec: { digest: digestB } }) }, [], 'Refused', 'DigestMismatch'],
  ['for another queue', { root: decision('d1', { spec: { queue: 'night' } }) }, [], 'Refused', 'NotEntitled'],
  ['by who asked for the run', { root: decision('d1', { spec: { decidedBy: 'ann' } }) }, [], 'Refused', 'NotEntitled'],
  ['about an escalation that is not seen yet', { escalation: undefined }, [], undefined, 'Deciding'],
] as const)('%s', (_, differing, commands, state, reason) => {
  const plan = planDecision(observed(differing), now);
  expect(kinds(plan)).toEqual(commands);
  expect(plan.status?.['state']).toBe(state);
  expect(plan.status?.conditions?.find(({ type }) => type === 'Ready')?.reason).toBe(reason);
});

test('about an escalation that does not exist it is refused after ten seconds', () => {
  expect(planDecision(observed({ escalation: undefined }), now + 10_000).status).toMatchObject({ state: 'Refused' });
});

test('what was told is done', () => {
  const root = decision('d1', { status: { state: 'Accepted' } });
  expect(planDecision(observed({ root }), now)).toEqual({ commands: [] });
});
