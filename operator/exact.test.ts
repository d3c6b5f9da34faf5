import { expect, test } from 'vitest';
import { fakeKube } from '../adapters/kube/fake.ts';
import { jsonLog } from '../adapters/system/log.ts';
import type { Kube, KubeObject } from '../ports/kube.ts';
import { DEPLOYMENT } from '../ports/resources.ts';
import { Exactness } from './exact.ts';

const wanted: KubeObject = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'w', namespace: 'demo' },
  spec: { replicas: 1 },
};
const key = { namespace: 'demo', name: 'w' };

async function setup(create: (kube: Kube) => Kube['create'] = (kube) => kube.create.bind(kube)) {
  const server = fakeKube();
  await server.create(DEPLOYMENT, wanted);
  let questions = 0;
  const kube = new Proxy(server as Kube, {
    get: (target, name: keyof Kube) => {
      if (name !== 'create') return target[name].bind(target);
      questions += 1;
      return create(target);
    },
  });
  const exact = new Exactness(kube, jsonLog({ name: 'test', level: 'silent' }));
  const look = async () => exact.restore(DEPLOYMENT, wanted, (await server.get(DEPLOYMENT, key)) as KubeObject, 'd1');
  return { server, look, questions: () => questions };
}

test('what is exact is asked about once', async () => {
  const { look, questions } = await setup();
  expect([await look(), await look(), await look()]).toEqual([undefined, undefined, undefined]);
  expect(questions()).toBe(1);
});

test('what somebody added goes', async () => {
  const { server, look } = await setup();
  await look();
  await server.mergePatch(DEPLOYMENT, key, { spec: { paused: true } });
  expect((await look())?.['spec']).toEqual({ replicas: 1 });
  expect((await server.get(DEPLOYMENT, key))?.['spec']).toEqual({ replicas: 1 });
  expect(await look()).toBeUndefined();
});

test('a server that adds to each spec is not fought', async () => {
  const { look, server } = await setup((kube) => async (resource, object, options) => {
    const made = await kube.create(resource, object, options);
    return { ...made, spec: { ...(made['spec'] as object), injected: Math.random() } } as never;
  });
  expect(await look()).toBeDefined();
  const { resourceVersion } = (await server.get(DEPLOYMENT, key))?.metadata ?? {};
  expect(await look()).toBeUndefined();
  expect((await server.get(DEPLOYMENT, key))?.metadata.resourceVersion).toBe(resourceVersion);
});
