import { expect, test } from 'vitest';
import { digestA, tool } from '../../test/support/objects.ts';
import { type EndpointObserved, planEndpoint } from './endpoint.ts';

const now = Date.parse('2026-11-23T09:00:00Z');
const observed = (differing: Partial<EndpointObserved> = {}): EndpointObserved => ({
  root: tool('find-patient'),
  findings: { own: [], references: [] },
  digest: digestA,
  ...differing,
});
const secret = (state: 'present' | 'missing' | 'unknown') => ({
  secret: { name: 'keys', field: 'spec.credential.secretRef.name', state },
});

test.each([
  ['no secret', {}, 'True', 'Accepted', undefined],
  ['a secret that is there', secret('present'), 'True', 'Accepted', 600_000],
  ['a secret that is missing: looked for again', secret('missing'), 'False', 'CredentialNotFound', 10_000],
  ['a secret that nobody may look at', secret('unknown'), 'True', 'Accepted', 600_000],
])('%s', (_, differing, status, reason, again) => {
  const plan = planEndpoint(observed(differing), now);
  expect(plan.status?.conditions?.[0]).toMatchObject({ type: 'Ready', status, reason });
  expect(plan.requeueAfterMs).toBe(again);
  expect(plan.status).toMatchObject({ digest: digestA });
});

test('one event when the answer changes, none when it does not', () => {
  const first = planEndpoint(observed(), now);
  expect(first.events).toHaveLength(1);
  const root = tool('find-patient', { status: { conditions: first.status?.conditions as never } });
  expect(planEndpoint(observed({ root }), now + 5_000).events).toEqual([]);
  expect(planEndpoint(observed({ root }), now + 5_000).status?.conditions).toEqual(first.status?.conditions);
});
