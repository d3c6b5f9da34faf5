// The operator as a process with its own rights, on a real API server with controllers and a real nats-server: an agent and all
// that belongs to it.
import { beforeAll, describe, expect, test } from 'vitest';
import type { AgentSnapshot, ResolvedBundle, ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { readyReason, type Told } from '../support/kubectl.ts';
import { bundle, model, tool } from '../support/objects.ts';
import { operatorStage } from '../support/operator-stage.ts';
import { type Applied, applied, lastSequence, manifest, settled } from '../support/receptionist.ts';
import { until } from '../support/until.ts';

const stage = operatorStage({ controllerManager: true });
const { apply, get } = stage;

describe('an agent and all that belongs to it', () => {
  const namespace = 'one';
  let digest: string;
  let workers: string;
  beforeAll(async () => {
    await stage.plane.kubectl(['create', 'namespace', namespace]);
    await apply(...manifest(namespace));
    digest = await settled(stage, namespace);
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
    const bundle = (await stage.catalog.get(`bundle.${digest.slice(7)}`))?.value as ResolvedBundle;
    expect(bundle).toMatchObject({ namespace, agent: 'receptionist', digest });
    expect(bundle.tools['find-patient']?.spec.credential?.secretRef.name).toBe('clinic');
    const agent = (await stage.catalog.get(`agent.${namespace}.receptionist`))?.value as AgentSnapshot;
    expect(agent).toMatchObject({
      bundleDigest: digest,
      permissions: [{ tool: 'find-patient', mode: 'read' }],
      policy: { name: 'safety' },
    });
    const workflow = (await stage.catalog.get(`workflow.${namespace}.calls`))?.value as ResolvedWorkflow;
    expect(workflow).toMatchObject({ agents: ['receptionist'], policy: { name: 'safety' } });
    expect((await stage.catalog.get(`workflow-at.${workflow.digest.slice(7)}`))?.value).toEqual(workflow);
  });

  test('the consumer and the service account exist; workers see no credential', async () => {
    const consumers = await stage.admin.taskConsumers();
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
    const [before, busBefore] = [await writes(), await lastSequence(stage)];
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    expect(before).toBeGreaterThan(10);
    expect((await writes()) - before).toBe(0);
    expect(await lastSequence(stage)).toBe(busBefore);
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
    await stage.plane.kubectl(['-n', namespace, ...damage()]);
    await until('it is as before', async () => (shape(await get(namespace, what())) === before ? true : undefined));
  });

  test('repaired: entries of the catalog and the consumer', async () => {
    const keys = [`bundle.${digest.slice(7)}`, `agent.${namespace}.receptionist`, `workflow.${namespace}.calls`];
    for (const key of keys) {
      const before = (await stage.catalog.get(key))?.value;
      await stage.catalog.delete(key);
      await until(`${key} is back`, async () => await stage.catalog.get(key));
      expect((await stage.catalog.get(key))?.value).toEqual(before);
    }
    await stage.catalog.put(`agent.${namespace}.receptionist`, {
      permissions: [{ tool: 'everything', mode: 'write' }],
    });
    await until('the forged ceiling is gone', async () => {
      const agent = (await stage.catalog.get(`agent.${namespace}.receptionist`))?.value as Partial<AgentSnapshot>;
      return agent.bundleDigest === digest ? true : undefined;
    });
    const name = `${namespace}_receptionist_${digest.slice(7, 19)}`;
    await stage.admin.deleteTaskConsumer(name);
    await until('the consumer is back', async () =>
      (await stage.admin.taskConsumers()).find((one) => one.name === name),
    );
  });

  test('a changed tool drifts the bundle, and the bundle stays what it is', async () => {
    const content = (await stage.catalog.get(`bundle.${digest.slice(7)}`))?.value;
    await apply(...manifest(namespace, { tool: 'Finds anybody.' }).slice(0, 1));
    const drifted = await until('Drifted', async () => {
      const bundle = await get<Told>(namespace, 'bundle receptionist-1');
      return bundle?.status?.conditions?.find(({ type }) => type === 'Drifted');
    });
    expect(drifted.message).toContain('Tool find-patient changed');
    expect((await get<Told>(namespace, 'bundle receptionist-1'))?.status?.['digest']).toBe(digest);
    expect((await stage.catalog.get(`bundle.${digest.slice(7)}`))?.value).toEqual(content);
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
      const names = (await stage.admin.taskConsumers())
        .map(({ name }) => name)
        .filter((name) => name.startsWith(`${namespace}_`));
      return names.length === 1 && names[0]?.endsWith(second.slice(7, 19)) ? true : undefined;
    });
  });

  test('deleted: the agent leaves nothing behind', async () => {
    await stage.plane.kubectl(['-n', namespace, 'delete', 'agent', 'receptionist', '--timeout=20s']);
    expect(await stage.catalog.get(`agent.${namespace}.receptionist`)).toBeUndefined();
    await until('deployments and accounts are gone', async () => {
      const left = await stage.plane.kubectl(['-n', namespace, 'get', 'deployments,serviceaccounts', '-o', 'name']);
      return left.trim() === 'serviceaccount/default' ? true : undefined;
    });
    expect((await stage.admin.taskConsumers()).filter(({ name }) => name.startsWith(`${namespace}_`))).toEqual([]);
    expect(readyReason(await get<Told>(namespace, 'workflow calls'))).toBe('AgentNotFound');
  });

  test('deleted: a workflow stays until every partition has told that no run follows it', async () => {
    await stage.tellNoRuns(3, 1);
    await stage.plane.kubectl(['-n', namespace, 'delete', 'workflow', 'calls', '--wait=false']);
    await until(
      'nobody can start it',
      async () => (await stage.catalog.get(`workflow.${namespace}.calls`)) === undefined || undefined,
    );
    await until('it says what it waits for', async () => {
      const conditions = (await get<Told>(namespace, 'workflow calls'))?.status?.conditions ?? [];
      return conditions.some(({ message }) => message.includes('partition 3 has not told yet')) ? true : undefined;
    });
    const versions = (await stage.catalog.keys()).filter((key) => key.startsWith('workflow-at.'));
    expect(versions.length).toBeGreaterThan(0);
    await stage.tellNoRuns(3);
    await stage.plane.kubectl(['-n', namespace, 'wait', '--for=delete', 'workflow/calls', '--timeout=30s']);
  });

  test('deleted: bundle and workflow take their catalog entries along', async () => {
    await stage.plane.kubectl(['-n', namespace, 'delete', 'bundles,workflows', '--all', '--timeout=20s']);
    const left = (await stage.catalog.keys()).filter(
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
    await stage.plane.kubectl(['create', 'namespace', namespace]);
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
    const content = (await stage.catalog.get(`bundle.${digest.slice(7)}`))?.value as ResolvedBundle;
    expect(Object.keys(content.tools).toSorted()).toEqual(['book', 'find-booking']);
    expect(content.spec.tools).toEqual(['book']);
  });
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
  const { body } = await stage.operator.page('/metrics');
  const lines = body
    .split('\n')
    .filter((line) => /^rest_client_requests_total\{.*method="(POST|PUT|PATCH|DELETE)"/.test(line));
  // Renewals of the lease go on.
  const renewals = lines.filter((line) => line.includes('method="PUT"'));
  return sum(lines) - sum(renewals);
}
const sum = (lines: readonly string[]): number =>
  lines.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
