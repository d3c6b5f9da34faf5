import { describe, expect, test } from 'vitest';
import type { AgentSnapshot } from '../../api/messages/catalog.ts';
import type { RolloutStatus } from '../../api/v1alpha1/rollout.ts';
import { agent, bundle, deployment, digestA, digestB, entry, policy } from '../../test/support/objects.ts';
import { annotation, label } from '../catalog/labels.ts';
import type { DeploymentObject, RolloutObject } from '../catalog/objects.ts';
import type { Plan } from '../controller/plan.ts';
import { type AgentObserved, planAgent, unusedForMs } from './plan.ts';

const now = Date.parse('2026-11-23T09:00:00Z');
const sound = { own: [], references: [] };
const settings = { image: 'signalbox', natsUrl: 'nats://127.0.0.1:4222', partitions: 4 };
const published = bundle('receptionist-1', { status: { digest: digestA } });
const old = bundle('receptionist-0', { status: { digest: digestB } });
const consumer = (digest: string, busy = false) => ({
  apiVersion: 'bus.signalbox.dev/v1',
  kind: 'TaskConsumer',
  metadata: { name: `demo_receptionist_${token(digest)}` },
  namespace: 'demo',
  agent: 'receptionist',
  bundle: token(digest),
  busy,
});
const token = (digest: string) => digest.slice('sha256:'.length, 'sha256:'.length + 12);
const workers = (digest: string, name: string, more: Partial<DeploymentObject> = {}, since?: number) =>
  deployment(`receptionist-${token(digest)}`, {
    metadata: {
      labels: { [label.bundle]: token(digest) },
      annotations: {
        [annotation.bundleDigest]: digest,
        [annotation.bundleName]: name,
        ...(since === undefined ? {} : { [annotation.unusedSince]: String(since) }),
      },
    },
    ...more,
  });
const snapshot: AgentSnapshot = {
  namespace: 'demo',
  name: 'receptionist',
  role: 'Answers calls.',
  generation: 1,
  permissions: [{ tool: 'find-patient', mode: 'read' }],
  bundle: 'receptionist-1',
  bundleDigest: digestA,
};
const observed = (differing: Partial<AgentObserved> = {}): AgentObserved => ({
  root: agent('receptionist'),
  findings: sound,
  bundle: published,
  deployments: [],
  consumers: [],
  pinned: new Map(),
  pinsUnknown: false,
  rollouts: [],
  content: () => undefined,
  settings,
  ...differing,
});

/** `apply Deployment receptionist-aaa`, `publish agent.demo.receptionist`, … */
function told({ commands }: Plan<never> | ReturnType<typeof planAgent>): readonly string[] {
  return commands.map((command) => {
    const one = command as {
      kind: string;
      key?: unknown;
      name?: string;
      object?: { kind: string; metadata: { name: string } };
      present?: boolean;
    };
    if (one.kind === 'finalizer') return `finalizer ${one.present}`;
    if (one.kind === 'apply') return `apply ${one.object?.kind} ${one.object?.metadata.name}`;
    if (one.kind === 'delete') return `delete ${(one.key as { name: string }).name}`;
    return `${one.kind} ${one.name ?? (one.key as string)}`;
  });
}
const readyOf = (plan: ReturnType<typeof planAgent>) => plan.status?.conditions?.find(({ type }) => type === 'Ready');

test('first the finalizer, then everything', () => {
  expect(told(planAgent(observed({ root: agent('receptionist', { metadata: { finalizers: [] } }) }), now))).toEqual([
    'finalizer true',
  ]);
});

test('the consumer exists before the workers, and the snapshot before they start', () => {
  expect(told(planAgent(observed(), now))).toEqual([
    'apply ServiceAccount signalbox-agent-receptionist',
    'ensureConsumer demo_receptionist_aaaaaaaaaaaa',
    'publish agent.demo.receptionist',
    'apply Deployment receptionist-aaaaaaaaaaaa',
  ]);
});

test('at rest nothing is published and no consumer is made', () => {
  const plan = planAgent(
    observed({ snapshot: entry('agent.demo.receptionist', snapshot), consumers: [consumer(digestA)] }),
    now,
  );
  expect(told(plan)).toEqual([
    'apply ServiceAccount signalbox-agent-receptionist',
    'apply Deployment receptionist-aaaaaaaaaaaa',
  ]);
  expect(plan.requeueAfterMs).toBeUndefined();
});

describe('readiness', () => {
  const up = { status: { readyReplicas: 1 } };
  const gateway = deployment('signalbox-gateway', up);
  const running = [workers(digestA, 'receptionist-1', up)];
  test.each([
    ['no workers yet', {}, 'False', 'Progressing'],
    ['workers without a gateway', { deployments: running }, 'False', 'GatewayUnavailable'],
    ['both', { deployments: running, gateway }, 'True', 'Available'],
    [
      'no workers wanted',
      { root: agent('receptionist', { spec: { scaling: { replicas: 0 } } }) },
      'True',
      'ScaledToZero',
    ],
    ['a bundle that is not published', { bundle: bundle('receptionist-1') }, 'False', 'BundleNotReady'],
    [
      'a rollout that got stuck',
      {
        deployments: [
          workers(digestA, 'receptionist-1', {
            status: { conditions: [{ type: 'Progressing', status: 'False', message: 'deadline exceeded.' }] },
          }),
        ],
      },
      'False',
      'WorkersUnavailable',
    ],
  ] as const)('%s', (_, differing, status, reason) => {
    expect(readyOf(planAgent(observed(differing), now))).toMatchObject({ status, reason });
  });
});

describe('a declaration that cannot be accepted', () => {
  const missing = {
    own: [],
    references: [
      {
        check: 'bundleUnknown',
        field: 'spec.bundleRef.name',
        found: 'x',
        allowed: 'y',
        message: 'spec.bundleRef.name: found x; allowed: y',
        severity: 'error',
        reason: 'BundleNotFound',
      },
    ],
  } as const;
  test('publishes nothing when nothing was accepted before', () => {
    const plan = planAgent(observed({ findings: missing, bundle: undefined }), now);
    expect(told(plan)).toEqual([]);
    expect(readyOf(plan)).toMatchObject({ status: 'False', reason: 'BundleNotFound' });
  });
  test('keeps bundle and workers, but the ceiling counts at once', () => {
    const root = agent('receptionist', {
      metadata: { generation: 2 },
      spec: { permissions: [], bundleRef: { name: 'gone' } },
    });
    const plan = planAgent(
      observed({ root, findings: missing, bundle: undefined, snapshot: entry('agent.demo.receptionist', snapshot) }),
      now,
    );
    expect(plan.commands).toContainEqual({
      kind: 'publish',
      key: 'agent.demo.receptionist',
      value: { ...snapshot, generation: 2, permissions: [] },
    });
    expect(told(plan)).toContain('apply Deployment receptionist-aaaaaaaaaaaa');
  });
});

describe('old bundles', () => {
  const both = [workers(digestA, 'receptionist-1'), workers(digestB, 'receptionist-0')];
  const consumers = [consumer(digestA), consumer(digestB)];
  const since = (plan: ReturnType<typeof planAgent>) =>
    plan.commands
      .filter((command) => command.kind === 'apply')
      .map((command) => command.object.metadata.annotations?.[annotation.unusedSince])
      .filter((value) => value !== undefined);
  test('run while an open run pins them, also when somebody deleted the workers', () => {
    const plan = planAgent(observed({ pinned: new Map([[digestB, old]]), consumers }), now);
    expect(told(plan)).toContain('apply Deployment receptionist-bbbbbbbbbbbb');
    expect(since(plan)).toEqual([]);
  });
  test('are first seen unused, and stay', () => {
    const plan = planAgent(observed({ deployments: both, consumers }), now);
    expect(since(plan)).toEqual([String(now)]);
    expect(plan.requeueAfterMs).toBe(unusedForMs);
  });
  test('go when seen unused again ten seconds later', () => {
    const seen = [both[0] as DeploymentObject, workers(digestB, 'receptionist-0', {}, now - unusedForMs)];
    const plan = planAgent(observed({ deployments: seen, consumers }), now);
    expect(told(plan)).toContain('delete receptionist-bbbbbbbbbbbb');
    expect(told(plan)).not.toContain('deleteConsumer demo_receptionist_bbbbbbbbbbbb');
  });
  test('lose their consumer once the workers are gone', () => {
    const plan = planAgent(observed({ deployments: [both[0] as DeploymentObject], consumers }), now);
    expect(told(plan)).toContain('deleteConsumer demo_receptionist_bbbbbbbbbbbb');
  });
  test.each([
    ['a task waits or is at work', { consumers: [consumer(digestA), consumer(digestB, true)] }],
    ['a run does not say what it pins', { pinsUnknown: true }],
  ])('stay when %s', (_, differing) => {
    const seen = [both[0] as DeploymentObject, workers(digestB, 'receptionist-0', {}, now - unusedForMs)];
    const plan = planAgent(observed({ deployments: seen, consumers, ...differing }), now);
    expect(told(plan)).toContain('apply Deployment receptionist-bbbbbbbbbbbb');
    expect(since(plan)).toEqual([]);
  });
});

test('a deleted agent leaves nothing on the bus', () => {
  const root = agent('receptionist', { metadata: { deletionTimestamp: '2026-11-23T09:00:00Z' } });
  const plan = planAgent(
    observed({ root, snapshot: entry('agent.demo.receptionist', snapshot), consumers: [consumer(digestA)] }),
    now,
  );
  expect(told(plan)).toEqual([
    'withdraw agent.demo.receptionist',
    'deleteConsumer demo_receptionist_aaaaaaaaaaaa',
    'finalizer false',
  ]);
});

test('workers get no token of the API server, and one for NATS', () => {
  const plan = planAgent(
    observed({
      root: agent('receptionist', { spec: { scaling: { replicas: 3, slotsPerWorker: 2 } } }),
      policy: policy('p'),
    }),
    now,
  );
  const object = plan.commands.findLast((command) => command.kind === 'apply')?.object as unknown as {
    spec: { replicas: number; template: { spec: Record<string, unknown> } };
  };
  expect(object.spec.replicas).toBe(3);
  const { spec } = object.spec.template;
  expect(spec['automountServiceAccountToken']).toBe(false);
  expect(JSON.stringify(spec['volumes'])).toContain('"audience":"signalbox-nats"');
  expect(JSON.stringify(spec['volumes'])).not.toContain('credentials.json');
  expect(JSON.stringify(spec['containers'])).toContain('{"name":"SIGNALBOX_SLOTS","value":"2"}');
});

test('a strategy that is taken away is no way around a rollout that was refused', () => {
  const rollout = (status: RolloutStatus): RolloutObject => ({
    apiVersion: 'signalbox.dev/v1alpha1',
    kind: 'BundleRollout',
    metadata: { name: 'receptionist-aaaaaaaa-1', namespace: 'demo', uid: 'r1' },
    spec: {
      agent: 'receptionist',
      attempt: 1,
      ordinal: 1,
      from: { bundle: 'receptionist-0', digest: digestB },
      to: { bundle: 'receptionist-1', digest: digestA },
      salt: 's',
      release: { stages: [{ bake: { duration: '1h' } }] },
    },
    status,
  });
  const before = { ...snapshot, bundle: 'receptionist-0', bundleDigest: digestB };
  const plan = (status: RolloutStatus) =>
    planAgent(observed({ rollouts: [rollout(status)], snapshot: entry('agent.demo.receptionist', before) }), now);
  for (const status of [
    { phase: 'RolledBack' },
    { phase: 'Rejected' },
    { phase: 'Superseded', quarantined: 'harm' },
  ] as const) {
    expect(told(plan(status))).not.toContain('publish agent.demo.receptionist');
    expect(readyOf(plan(status))).toMatchObject({ status: 'False', reason: 'RolledBack' });
  }
  expect(told(plan({ phase: 'RolledBack', retried: true }))).toContain('publish agent.demo.receptionist');
  expect(told(plan({ phase: 'Completed' }))).toContain('publish agent.demo.receptionist');
});
