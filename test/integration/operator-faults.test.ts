// The operator under faults: killed, away, without its streams, in a namespace that goes; and at rest.
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import type { KubeObject } from '../../ports/kube.ts';
import { operatorStage } from '../support/operator-stage.ts';
import { lastSequence, manifest, settled } from '../support/receptionist.ts';
import { until } from '../support/until.ts';

const stage = operatorStage({ controllerManager: true });
const { apply, get } = stage;

describe('faults', () => {
  const namespace = 'two';
  beforeAll(async () => {
    await stage.plane.kubectl(['create', 'namespace', namespace]);
    await apply(...manifest(namespace, { model: 'Good day.' }));
    await settled(stage, namespace);
  });

  test('killed and started again, it writes nothing that is there already', async () => {
    await stage.operator.kill();
    const [before, busBefore] = [await versions(namespace), await lastSequence(stage)];
    await stage.operator.start();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(await versions(namespace)).toEqual(before);
    expect(await lastSequence(stage)).toBe(busBefore);
  });

  test('what happened while it was away is repaired', async () => {
    await stage.operator.kill();
    await stage.plane.kubectl(['-n', namespace, 'delete', 'deployments', '--all']);
    await stage.operator.start();
    await settled(stage, namespace);
    await until('the gateway', () => get(namespace, 'deployment signalbox-gateway'));
  });

  test('a nats-server that lost its memory gets stream and consumers back', async () => {
    const before = (await stage.admin.taskConsumers()).map(({ name }) => name);
    expect(before).toHaveLength(1);
    stage.plane.servers.kill('nats-server');
    await until(
      'the consumer is back',
      async () => {
        const found = await stage.admin.taskConsumers().catch(() => []);
        return found.length === 1 ? true : undefined;
      },
      30_000,
    );
    await until('it is ready', async () => ((await stage.operator.page('/readyz')).status === 200 ? true : undefined));
  });

  test('a namespace with everything in it can be removed', async () => {
    await stage.plane.kubectl(['delete', 'namespace', namespace, '--timeout=60s']);
    expect((await stage.catalog.keys()).filter((key) => key.includes(`.${namespace}.`))).toEqual([]);
    expect(await stage.admin.taskConsumers()).toEqual([]);
  });

  test('SIGTERM ends it cleanly and gives the lease away', async () => {
    expect(await stage.operator.terminate()).toBe(0);
    const lease = await get<KubeObject & { spec: { holderIdentity: string } }>(
      'signalbox-system',
      'lease signalbox-operator',
    );
    expect(lease?.spec.holderIdentity).toBe('');
    await stage.operator.start();
  });
});

test('at rest it needs little memory', () => {
  const status = readFileSync(`/proc/${stage.operator.pid()}/status`, 'utf8');
  const mib = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  expect(mib).toBeLessThan(200);
});

async function versions(namespace: string): Promise<string> {
  const fields = '{range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{"\\n"}{end}';
  return stage.plane.kubectl([
    '-n',
    namespace,
    'get',
    'signalbox,deployments,serviceaccounts,configmaps',
    '-o',
    `jsonpath=${fields}`,
  ]);
}
