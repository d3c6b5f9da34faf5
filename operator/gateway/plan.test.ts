import { expect, test } from 'vitest';
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { deployment, model, tool } from '../../test/support/objects.ts';
import { type GatewayObserved, planGateway, secretNames } from './plan.ts';

const namespace: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'demo', uid: 'ns' } };
const observed = (differing: Partial<GatewayObserved> = {}): GatewayObserved => ({
  root: namespace,
  agents: 1,
  secrets: [],
  settings: { image: 'signalbox', natsUrl: 'nats://n:4222', partitions: 4 },
  ...differing,
});
const own = { deployment: deployment('signalbox-gateway'), serviceAccount: deployment('signalbox-gateway') };
const terminating = { ...namespace, metadata: { ...namespace.metadata, deletionTimestamp: '2026-11-23T09:00:00Z' } };

test.each([
  ['a namespace with agents has one', {}, ['apply', 'apply']],
  ['a namespace without agents has none', { agents: 0 }, []],
  ['the last agent takes it along', { agents: 0, ...own }, ['delete', 'delete']],
  ['a namespace that goes is left alone', { root: terminating }, []],
])('%s', (_, differing, kinds) => {
  expect(planGateway(observed(differing)).commands.map(({ kind }) => kind)).toEqual(kinds);
});

test('secrets are those that tools, models and published bundles name, each once', () => {
  const credential = (name: string) => ({ secretRef: { name, key: 'k' } });
  const endpoint = { baseURL: 'https://m.example.com', model: 'm', secretRef: { name: 'keys', key: 'k' } };
  const old = {
    tools: { a: { digest: '', spec: tool('a', { spec: { credential: credential('older') } }).spec } },
    models: {},
  } as unknown as ResolvedBundle;
  const tools = [
    tool('a', { spec: { credential: credential('keys') } }),
    tool('b', { spec: { credential: credential('clinic') } }),
    tool('c'),
  ];
  expect(secretNames(tools, [model('m', { spec: { endpoint } })], [old])).toEqual(['clinic', 'keys', 'older']);
});

test('each secret is mounted, and none is required', () => {
  const [, command] = planGateway(observed({ secrets: ['keys', 'v1.dotted.name'] })).commands;
  const text = JSON.stringify(command);
  expect(text).toContain('"mountPath":"/var/run/signalbox/secrets/v1.dotted.name"');
  expect(text).toContain('"secret":{"secretName":"keys","optional":true');
  expect(text).toContain('"automountServiceAccountToken":false');
});
