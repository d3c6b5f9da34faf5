import { expect, test } from 'vitest';
import { entry } from '../../test/support/objects.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { planNamespace } from './plan.ts';

const named = (annotations: Record<string, string>, metadata: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'clinic', annotations, ...metadata },
});
const bounded = named({ 'signalbox.dev/max-open-runs': '500', 'signalbox.dev/max-starts-per-minute': '60' });
const published = entry('tenant.clinic', { openRuns: 500, startsPerMinute: 60 });

test('what is declared is published, and at rest nothing is', () => {
  expect(planNamespace({ root: bounded }).commands).toEqual([
    { kind: 'publish', key: 'tenant.clinic', value: { openRuns: 500, startsPerMinute: 60 } },
  ]);
  expect(planNamespace({ root: bounded, entry: published }).commands).toEqual([]);
  expect(planNamespace({ root: named({}) }).commands).toEqual([]);
});

test('what is declared no more, or whose namespace goes, is withdrawn', () => {
  const withdrawn = [{ kind: 'withdraw', key: 'tenant.clinic' }];
  expect(planNamespace({ root: named({}), entry: published }).commands).toEqual(withdrawn);
  const root = named(bounded.metadata.annotations ?? {}, { deletionTimestamp: '2026-11-23T09:00:00Z' });
  expect(planNamespace({ root, entry: published }).commands).toEqual(withdrawn);
});

test('what cannot be read is said at the Namespace, and the rest holds', () => {
  const root = named({ 'signalbox.dev/max-open-runs': 'many', 'signalbox.dev/max-starts-per-minute': '60' });
  const plan = planNamespace({ root });
  expect(plan.commands).toEqual([{ kind: 'publish', key: 'tenant.clinic', value: { startsPerMinute: 60 } }]);
  expect(plan.events?.map(({ note }) => note)).toEqual([
    'metadata.annotations signalbox.dev/max-open-runs: found "many"; allowed: a whole number from 1 to 10000000. Until then the setting of the engine holds.',
  ]);
});
