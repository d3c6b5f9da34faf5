// The operator as a process with its own rights, on a real API server with controllers and a real nats-server.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectNats, natsBusAdmin, type NatsBus } from '../../adapters/nats/nats.ts';
import { buckets } from '../../api/messages/subjects.ts';
import { type VersionReport, versionReportKey } from '../../api/messages/versions.ts';
import type { AgentSnapshot, ResolvedBundle, ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { Bucket, BusAdmin } from '../../ports/bus.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { agent, bundle, model, policy, tool, workflow } from '../support/objects.ts';
import { startOperator, type TestOperator } from '../support/operator.ts';
import { startPlane, type TestPlane } from '../support/plane.ts';
import { until } from '../support/until.ts';

let plane: TestPlane;
let operator: TestOperator;
let control: NatsBus;
let work: NatsBus;
let admin: BusAdmin;
let catalog: Bucket<unknown>;

beforeAll(async () => {
  plane = await startPlane({ crds: true, controllerManager: true });
  operator = await startOperator(plane);
  const url = plane.nats.natsUrl;
  control = await connectNats({ url, ...plane.nats.users.operator, name: 'test' });
  work = await connectNats({ url, ...plane.nats.users['operator-work'], name: 'test' });
  admin = natsBusAdmin({ control, work });
  catalog = await control.bucket('catalog');
  for (const partition of [0, 1, 2, 3]) await tellNoRuns(partition);
});
afterAll(async () => {
  await control?.close();
  await work?.close();
  await operator?.stop();
  await plane?.stop();
});

interface Applied {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: object;
}

/** What somebody would apply: the objects without what a server adds. */
const applied = (namespace: string, objects: readonly (KubeObject & { readonly spec: object })[]): readonly Applied[] =>
  objects.map(({ apiVersion, kind, metadata: { name }, spec }) => ({
    apiVersion,
    kind,
    metadata: { name, namespace },
    spec,
  }));

const manifest = (
  namespace: string,
  { tool: description = 'Finds a patient.', model: text = 'Hello.' } = {},
): readonly Applied[] =>
  applied(namespace, [
    tool('find-patient', { spec: { description, credential: { secretRef: { name: 'clinic', key: 'token' } } } }),
    model('small', { spec: { scripted: { replies: [{ text }] } } }),
    bundle('receptionist-1'),
    policy('safety'),
    agent('receptionist', { spec: { escalationPolicyRef: { name: 'safety' } } }),
    workflow('calls', { spec: { escalationPolicyRef: { name: 'safety' } } }),
  ]);

/** As an engine tells it of a partition without open runs. `catalog`: revision that it has seen. */
async function tellNoRuns(partition: number, seen = Number.MAX_SAFE_INTEGER): Promise<void> {
  const report: VersionReport = { partition, seq: 0, catalog: seen, workflows: {}, bundles: {} };
  await (await control.bucket<VersionReport>(buckets.versions)).put(versionReportKey(partition), report);
}

async function apply(...objects: readonly object[]): Promise<void> {
  await plane.kubectl(['apply', '-f', '-'], objects.map((one) => JSON.stringify(one)).join('\n---\n'));
}

async function get<T extends KubeObject = KubeObject>(namespace: string, what: string): Promise<T | undefined> {
  const text = await plane.kubectl(['-n', namespace, 'get', ...what.split(' '), '--ignore-not-found', '-o', 'json']);
  return text === '' ? undefined : (JSON.parse(text) as T);
}

interface Told extends KubeObject {
  readonly status?: Readonly<Record<string, unknown>> & {
    readonly conditions?: readonly { type: string; status: string; reason: string; message: string }[];
  };
}
const readyReason = (one: Told | undefined): string | undefined =>
  one?.status?.conditions?.find(({ type }) => type === 'Ready')?.reason;

/** Ready when all its children are there: pods never start here. */
async function settled(namespace: string): Promise<string> {
  const found = await until(`agent of ${namespace} is taken on`, async () => {
    const agent = await get<Told>(namespace, 'agent receptionist');
    const digest = agent?.status?.['bundleDigest'] as string | undefined;
    if (digest === undefined || readyReason(agent) !== 'Progressing') return undefined;
    return (await get(namespace, `deployment receptionist-${digest.slice(7, 19)}`)) && digest;
  });
  await until(`workflow of ${namespace}`, async () => await catalog.get(`workflow.${namespace}.calls`));
  return found;
}

describe('an agent and all that belongs to it', () => {
  const namespace = 'one';
  let digest: string;
  let workers: string;
  beforeAll(async () => {
    await plane.kubectl(['create', 'namespace', namespace]);
    await apply(...manifest(namespace));
    digest = await settled(namespace);
    workers = `receptionist-${digest.slice(7, 19)}`;
  });

  test('conditions say what is so, and a missing Secret is named', async () => {
    expect(readyReason(await get<Told>(namespace, 'tool find-patient'))).toBe('CredentialNotFound');
    expect(readyReason(await get<Told>(namespace, 'model small'))).toBe('Accepted');
    expect(readyReason(await get<Told>(namespace, 'bundle receptionist-1'))).toBe('Published');
    const policy = await get<Told>(namespace, 'escalationpolicy safety');
    expect(policy?.status?.['summary']).toContain('its confidence is below 0.6');
    const workflow = await get<Told>(namespace, 'workflow calls');
    expect(workflow?.status).toMatchObject({
      agents: ['receptionist'],
      digest: expect.stringMatching(/^sha256:/) as string,
    });
    expect(readyReason(workflow)).toBe('AgentNotReady');
  });

  test('the catalog has the bundle, the agent and the workflow', async () => {
    const bundle = (await catalog.get(`bundle.${digest.slice(7)}`))?.value as ResolvedBundle;
    expect(bundle).toMatchObject({ namespace, agent: 'receptionist', digest });
    expect(bundle.tools['find-patient']?.spec.credential?.secretRef.name).toBe('clinic');
    const agent = (await catalog.get(`agent.${namespace}.receptionist`))?.value as AgentSnapshot;
    expect(agent).toMatchObject({
      bundleDigest: digest,
      permissions: [{ tool: 'find-patient', mode: 'read' }],
      policy: { name: 'safety' },
    });
    const workflow = (await catalog.get(`workflow.${namespace}.calls`))?.value as ResolvedWorkflow;
    expect(workflow).toMatchObject({ agents: ['receptionist'], policy: { name: 'safety' } });
    expect((await catalog.get(`workflow-at.${workflow.digest.slice(7)}`))?.value).toEqual(workflow);
  });

  test('the consumer and the service account exist; workers see no credential', async () => {
    const consumers = await admin.taskConsumers();
    expect(consumers).toContainEqual(
      expect.objectContaining({
        name: `${namespace}_receptionist_${digest.slice(7, 19)}`,
        subject: `task.${namespace}.receptionist.${digest.slice(7, 19)}`,
      }),
    );
    expect(await get(namespace, 'serviceaccount signalbox-agent-receptionist')).toMatchObject({
      automountServiceAccountToken: false,
    });
    const map = await get<KubeObject & { data: Record<string, string> }>(namespace, 'configmap bundle-receptionist-1');
    expect(map).toMatchObject({ immutable: true });
    expect(map?.data['bundle.json']).not.toContain('secretRef');
  });

  test('the gateway mounts the Secrets that tools name', async () => {
    expect(JSON.stringify(await get(namespace, 'deployment signalbox-gateway'))).toContain(
      '/var/run/signalbox/secrets/clinic',
    );
  });

  test('nothing is written at rest', async () => {
    await until('the API server has nothing new', async () => {
      const before = await writes();
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      return (await writes()) === before ? true : undefined;
    });
    const [before, busBefore] = [await writes(), await lastSequence()];
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    expect(before).toBeGreaterThan(10);
    expect((await writes()) - before).toBe(0);
    expect(await lastSequence()).toBe(busBefore);
  });

  test.each([
    [
      'Deployment, deleted',
      (): readonly string[] => ['delete', 'deployment', workers],
      (): string => `deployment ${workers}`,
    ],
    ['Deployment, scaled', () => ['scale', 'deployment', workers, '--replicas=7'], () => `deployment ${workers}`],
    [
      'Deployment, another image',
      () => ['set', 'image', `deployment/${workers}`, 'worker=evil'],
      () => `deployment ${workers}`,
    ],
    [
      'Deployment, a variable added',
      () => ['set', 'env', `deployment/${workers}`, 'NODE_OPTIONS_EXTRA=--inspect'],
      () => `deployment ${workers}`,
    ],
    [
      'Deployment, a container added',
      () => ['patch', 'deployment', workers, '-p', sidecar],
      () => `deployment ${workers}`,
    ],
    [
      'ServiceAccount, deleted',
      () => ['delete', 'serviceaccount', 'signalbox-agent-receptionist'],
      () => 'serviceaccount signalbox-agent-receptionist',
    ],
    [
      'ConfigMap, deleted',
      () => ['delete', 'configmap', 'bundle-receptionist-1'],
      () => 'configmap bundle-receptionist-1',
    ],
    ['gateway, deleted', () => ['delete', 'deployment', 'signalbox-gateway'], () => 'deployment signalbox-gateway'],
    [
      'gateway’s ServiceAccount, deleted',
      () => ['delete', 'serviceaccount', 'signalbox-gateway'],
      () => 'serviceaccount signalbox-gateway',
    ],
    [
      'our label, removed',
      () => ['label', 'deployment', workers, 'app.kubernetes.io/managed-by-'],
      () => `deployment ${workers}`,
    ],
  ])('repaired: %s', async (_, damage, what) => {
    const before = shape(await get(namespace, what()));
    await plane.kubectl(['-n', namespace, ...damage()]);
    await until('it is as before', async () => (shape(await get(namespace, what())) === before ? true : undefined));
  });

  test('repaired: entries of the catalog and the consumer', async () => {
    const keys = [`bundle.${digest.slice(7)}`, `agent.${namespace}.receptionist`, `workflow.${namespace}.calls`];
    for (const key of keys) {
      const before = (await catalog.get(key))?.value;
      await catalog.delete(key);
      await until(`${key} is back`, async () => await catalog.get(key));
      expect((await catalog.get(key))?.value).toEqual(before);
    }
    await catalog.put(`agent.${namespace}.receptionist`, { permissions: [{ tool: 'everything', mode: 'write' }] });
    await until('the forged ceiling is gone', async () => {
      const agent = (await catalog.get(`agent.${namespace}.receptionist`))?.value as Partial<AgentSnapshot>;
      return agent.bundleDigest === digest ? true : undefined;
    });
    const name = `${namespace}_receptionist_${digest.slice(7, 19)}`;
    await admin.deleteTaskConsumer(name);
    await until('the consumer is back', async () => (await admin.taskConsumers()).find((one) => one.name === name));
  });

  test('a changed tool drifts the bundle, and the bundle stays what it is', async () => {
    const content = (await catalog.get(`bundle.${digest.slice(7)}`))?.value;
    await apply(...manifest(namespace, { tool: 'Finds anybody.' }).slice(0, 1));
    const drifted = await until('Drifted', async () => {
      const bundle = await get<Told>(namespace, 'bundle receptionist-1');
      return bundle?.status?.conditions?.find(({ type }) => type === 'Drifted');
    });
    expect(drifted.message).toContain('Tool find-patient changed');
    expect((await get<Told>(namespace, 'bundle receptionist-1'))?.status?.['digest']).toBe(digest);
    expect((await catalog.get(`bundle.${digest.slice(7)}`))?.value).toEqual(content);
  });

  test('a new bundle gets workers; the old ones go when nothing needs them', async () => {
    const [, , first, , owner] = manifest(namespace);
    const next = { ...first, metadata: { name: 'receptionist-2', namespace } };
    await apply(next, { ...owner, spec: { ...owner?.spec, bundleRef: { name: 'receptionist-2' } } });
    const second = await until('the new digest', async () => {
      const status = (await get<Told>(namespace, 'agent receptionist'))?.status;
      return status?.['bundle'] === 'receptionist-2' ? (status['bundleDigest'] as string) : undefined;
    });
    expect(second).not.toBe(digest);
    await until(
      'the old workers are gone',
      async () => ((await get(namespace, `deployment ${workers}`)) ? undefined : true),
      30_000,
    );
    await until('their consumer is gone', async () => {
      const names = (await admin.taskConsumers())
        .map(({ name }) => name)
        .filter((name) => name.startsWith(`${namespace}_`));
      return names.length === 1 && names[0]?.endsWith(second.slice(7, 19)) ? true : undefined;
    });
  });

  test('deleted: the agent leaves nothing behind', async () => {
    await plane.kubectl(['-n', namespace, 'delete', 'agent', 'receptionist', '--timeout=20s']);
    expect(await catalog.get(`agent.${namespace}.receptionist`)).toBeUndefined();
    await until('deployments and accounts are gone', async () => {
      const left = await plane.kubectl(['-n', namespace, 'get', 'deployments,serviceaccounts', '-o', 'name']);
      return left.trim() === 'serviceaccount/default' ? true : undefined;
    });
    expect((await admin.taskConsumers()).filter(({ name }) => name.startsWith(`${namespace}_`))).toEqual([]);
    expect(readyReason(await get<Told>(namespace, 'workflow calls'))).toBe('AgentNotFound');
  });

  test('deleted: a workflow stays until every partition has told that no run follows it', async () => {
    await tellNoRuns(3, 1);
    await plane.kubectl(['-n', namespace, 'delete', 'workflow', 'calls', '--wait=false']);
    await until(
      'nobody can start it',
      async () => (await catalog.get(`workflow.${namespace}.calls`)) === undefined || undefined,
    );
    await until('it says what it waits for', async () => {
      const conditions = (await get<Told>(namespace, 'workflow calls'))?.status?.conditions ?? [];
      return conditions.some(({ message }) => message.includes('every engine has told')) ? true : undefined;
    });
    const versions = (await catalog.keys()).filter((key) => key.startsWith('workflow-at.'));
    expect(versions.length).toBeGreaterThan(0);
    await tellNoRuns(3);
    await plane.kubectl(['-n', namespace, 'wait', '--for=delete', 'workflow/calls', '--timeout=30s']);
  });

  test('deleted: bundle and workflow take their catalog entries along', async () => {
    await plane.kubectl(['-n', namespace, 'delete', 'bundles,workflows', '--all', '--timeout=20s']);
    const left = (await catalog.keys()).filter(
      (key) => key.includes(digest.slice(7)) || key.includes(`.${namespace}.`),
    );
    expect(left).toEqual([]);
    await until('the ConfigMap is gone', async () =>
      (await get(namespace, 'configmap bundle-receptionist-1')) ? undefined : true,
    );
  });
});

describe('a tool that is looked up with another one', () => {
  const namespace = 'asking';
  test('its bundle waits for that tool, and pins it unlisted', async () => {
    await plane.kubectl(['create', 'namespace', namespace]);
    const query = { tool: 'find-booking', by: 'arguments' as const };
    const [book, find, small, booking] = applied(namespace, [
      tool('book', { spec: { effect: 'write', onAmbiguous: { query } } }),
      tool('find-booking'),
      model('small'),
      bundle('booking-1', { spec: { tools: ['book'] } }),
    ]);
    await apply(book as Applied, small as Applied, booking as Applied);
    const reasonIs = async (reason: string) => {
      const found = await get<Told>(namespace, 'bundle booking-1');
      return readyReason(found) === reason ? found : undefined;
    };
    const waiting = await until('the bundle says what it lacks', async () => await reasonIs('ToolNotFound'));
    expect(waiting.status?.conditions?.find(({ type }) => type === 'Ready')?.message).toContain('"find-booking"');
    await apply(find as Applied);
    const published = await until('the bundle is published', async () => await reasonIs('Published'));
    const digest = String(published.status?.['digest']);
    const content = (await catalog.get(`bundle.${digest.slice(7)}`))?.value as ResolvedBundle;
    expect(Object.keys(content.tools).toSorted()).toEqual(['book', 'find-booking']);
    expect(content.spec.tools).toEqual(['book']);
  });
});

describe('faults', () => {
  const namespace = 'two';
  beforeAll(async () => {
    await plane.kubectl(['create', 'namespace', namespace]);
    await apply(...manifest(namespace, { model: 'Good day.' }));
    await settled(namespace);
  });

  test('killed and started again, it writes nothing that is there already', async () => {
    await operator.kill();
    const [before, busBefore] = [await versions(namespace), await lastSequence()];
    await operator.start();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(await versions(namespace)).toEqual(before);
    expect(await lastSequence()).toBe(busBefore);
  });

  test('what happened while it was away is repaired', async () => {
    await operator.kill();
    await plane.kubectl(['-n', namespace, 'delete', 'deployments', '--all']);
    await operator.start();
    await settled(namespace);
    await until('the gateway', () => get(namespace, 'deployment signalbox-gateway'));
  });

  test('a nats-server that lost its memory gets stream and consumers back', async () => {
    const before = (await admin.taskConsumers()).map(({ name }) => name);
    expect(before).toHaveLength(1);
    plane.servers.kill('nats-server');
    await until(
      'the consumer is back',
      async () => {
        const found = await admin.taskConsumers().catch(() => []);
        return found.length === 1 ? true : undefined;
      },
      30_000,
    );
    await until('it is ready', async () => ((await operator.page('/readyz')).status === 200 ? true : undefined));
  });

  test('a namespace with everything in it can be removed', async () => {
    await plane.kubectl(['delete', 'namespace', namespace, '--timeout=60s']);
    expect((await catalog.keys()).filter((key) => key.includes(`.${namespace}.`))).toEqual([]);
    expect(await admin.taskConsumers()).toEqual([]);
  });

  test('SIGTERM ends it cleanly and gives the lease away', async () => {
    expect(await operator.terminate()).toBe(0);
    const lease = await get<KubeObject & { spec: { holderIdentity: string } }>(
      'signalbox-system',
      'lease signalbox-operator',
    );
    expect(lease?.spec.holderIdentity).toBe('');
    await operator.start();
  });
});

test('at rest it needs little memory', () => {
  const status = readFileSync(`/proc/${operator.pid()}/status`, 'utf8');
  const mib = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  expect(mib).toBeLessThan(200);
});

const sidecar = JSON.stringify({ spec: { template: { spec: { containers: [{ name: 'spy', image: 'spy' }] } } } });

/** What we want of an object, without what others write. */
function shape(found: KubeObject | undefined): string {
  if (found === undefined) return '';
  const { labels, annotations } = found.metadata;
  const { 'deployment.kubernetes.io/revision': _, ...kept } = annotations ?? {};
  return JSON.stringify([labels, kept, found['spec'], found['data'], found['automountServiceAccountToken']]);
}

/** Requests of the operator that change something, as it counts them itself. */
async function writes(): Promise<number> {
  const { body } = await operator.page('/metrics');
  const lines = body
    .split('\n')
    .filter((line) => /^rest_client_requests_total\{.*method="(POST|PUT|PATCH|DELETE)"/.test(line));
  // Renewals of the lease go on.
  const renewals = lines.filter((line) => line.includes('method="PUT"'));
  return sum(lines) - sum(renewals);
}
const sum = (lines: readonly string[]): number =>
  lines.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);

const lastSequence = async (): Promise<number> => (await control.manager.streams.info('KV_catalog')).state.last_seq;

async function versions(namespace: string): Promise<string> {
  const fields = '{range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{"\\n"}{end}';
  return plane.kubectl([
    '-n',
    namespace,
    'get',
    'signalbox,deployments,serviceaccounts,configmaps',
    '-o',
    `jsonpath=${fields}`,
  ]);
}
