import { describe, expect, test } from 'vitest';
import { fakeKube } from '../adapters/kube/fake.ts';
import { createInformers } from '../adapters/kube/reflector.ts';
import { jsonLog } from '../adapters/system/log.ts';
import { systemClock } from '../adapters/system/clock.ts';
import type { Kube, KubeObject } from '../ports/kube.ts';
import { AGENT, CONFIG_MAP } from '../ports/resources.ts';
import { Applier } from './apply.ts';
import { alwaysLeader, guardedKube } from './controller/guard.ts';
import type { Intent, Status } from './controller/plan.ts';

const log = jsonLog({ name: 'test', level: 'silent' });
const namespace = 'default';

function setup(wrap: (kube: Kube) => Kube = (kube) => kube, epoch?: number) {
  const server = fakeKube();
  const kube = wrap(server);
  const applier = new Applier({
    controller: 'agent',
    kube,
    informers: createInformers({ kube, clock: systemClock(), log }),
    leadership: { isLeader: () => true, epoch: () => epoch },
    fenced: epoch !== undefined,
    log,
  });
  return { server, applier };
}

const intent = (data: Record<string, string>, extra: Partial<Intent['metadata']> = {}): Intent => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'a', namespace, ...extra },
  data,
});
const apply = (object: Intent) => ({ kind: 'apply' as const, resource: CONFIG_MAP, object });
const key = { namespace, name: 'a' };
const agent: KubeObject = { apiVersion: 'signalbox.dev/v1alpha1', kind: 'Agent', metadata: { name: 'a', namespace } };

describe('apply', () => {
  test('writes once, repairs edits, and takes back what it no longer wants', async () => {
    const { server, applier } = setup();
    await applier.carryOut(apply(intent({ a: '1', b: '2' })));
    const first = await server.get(CONFIG_MAP, key);
    await applier.carryOut(apply(intent({ b: '2', a: '1' })));
    expect(await server.get(CONFIG_MAP, key)).toEqual(first);
    await server.mergePatch(CONFIG_MAP, key, { data: { a: 'forged', c: 'theirs' } });
    await applier.carryOut(apply(intent({ a: '1', b: '2' })));
    expect((await server.get(CONFIG_MAP, key))?.['data']).toEqual({ a: '1', b: '2', c: 'theirs' });
    await applier.carryOut(apply(intent({ a: '1' })));
    expect((await server.get(CONFIG_MAP, key))?.['data']).toEqual({ a: '1', c: 'theirs' });
  });

  test('does not fight a server that stores the intent in another form', async () => {
    let applies = 0;
    const { applier } = setup((kube) => ({
      ...plain(kube),
      apply: (resource, object, options) => {
        applies += 1;
        return kube.apply(resource, { ...object, data: { a: 'STORED' } } as KubeObject, options);
      },
    }));
    for (let each = 0; each < 5; each += 1) await applier.carryOut(apply(intent({ a: 'stored' })));
    expect(applies).toBe(1);
    await applier.carryOut(apply(intent({ a: 'other' })));
    expect(applies).toBe(2);
  });

  test('refuses what another controller owns, and waits for the remains of a deleted namesake', async () => {
    const { server, applier } = setup();
    const owner = (kind: string, name: string, uid: string) => ({
      ownerReferences: [{ apiVersion: 'signalbox.dev/v1alpha1', kind, name, uid, controller: true }],
    });
    await server.create(CONFIG_MAP, intent({}, owner('Tool', 'x', '1')));
    const ours = apply(intent({}, owner('Agent', 'a', '2')));
    await expect(applier.carryOut(ours)).rejects.toThrow(
      'configmaps default/a belongs to Tool x; rename one of the two',
    );
    await server.delete(CONFIG_MAP, key);
    await server.create(CONFIG_MAP, intent({}, owner('Agent', 'a', '1')));
    await expect(applier.carryOut(ours)).rejects.toThrow('still belongs to a deleted Agent of that name');
  });

  test('sends nothing when another replica may lead', async () => {
    const { server, applier } = setup((kube) => guardedKube(kube, { ...alwaysLeader, isLeader: () => false }));
    await expect(applier.carryOut(apply(intent({})))).rejects.toMatchObject({ code: 'STALE' });
    expect(await server.get(CONFIG_MAP, key)).toBeUndefined();
  });
});

describe('delete', () => {
  test('removes exactly the object that was seen', async () => {
    const { server, applier } = setup();
    const seen = await server.create(CONFIG_MAP, intent({}));
    const command = { kind: 'delete' as const, resource: CONFIG_MAP, key };
    await applier.carryOut({ ...command, uid: 'another' });
    expect(await server.get(CONFIG_MAP, key)).toBeDefined();
    await applier.carryOut({ ...command, uid: seen.metadata.uid ?? '' });
    expect(await server.get(CONFIG_MAP, key)).toBeUndefined();
    await applier.carryOut({ ...command, uid: seen.metadata.uid ?? '' });
  });
});

describe('finalizer', () => {
  test('is added and removed beside those of others, and never added to what is being deleted', async () => {
    const { server, applier } = setup();
    await server.create(AGENT, { ...agent, metadata: { ...agent.metadata, finalizers: ['others/one'] } });
    const change = async (present: boolean): Promise<readonly string[] | undefined> => {
      const object = (await server.get(AGENT, key)) ?? agent;
      await applier.carryOut({ kind: 'finalizer', resource: AGENT, object, present });
      return (await server.get(AGENT, key))?.metadata.finalizers;
    };
    expect(await change(true)).toEqual(['others/one', 'signalbox.dev/agent']);
    expect(await change(true)).toEqual(['others/one', 'signalbox.dev/agent']);
    await server.delete(AGENT, key);
    expect(await change(false)).toEqual(['others/one']);
    expect(await change(true)).toEqual(['others/one']);
    await server.mergePatch(AGENT, key, { metadata: { finalizers: [] } });
    expect(await change(false)).toBeUndefined();
  });

  test('removal from an object that changed meanwhile is a conflict, not a lost finalizer', async () => {
    const { server, applier } = setup();
    const seen = await server.create(AGENT, {
      ...agent,
      metadata: { ...agent.metadata, finalizers: ['signalbox.dev/agent'] },
    });
    await server.mergePatch(AGENT, key, { metadata: { finalizers: ['signalbox.dev/agent', 'others/new'] } });
    await expect(
      applier.carryOut({ kind: 'finalizer', resource: AGENT, object: seen, present: false }),
    ).rejects.toMatchObject({ code: 'KUBE_CONFLICT' });
  });
});

describe('status', () => {
  const ready = { type: 'Ready', status: 'True' as const, reason: 'Ok', message: '', lastTransitionTime: 'x' };
  const status: Status = { observedGeneration: 1, conditions: [ready] };

  test('is written when it differs, with the epoch of the leader', async () => {
    const { server, applier } = setup(undefined, 7);
    const root = await server.create(AGENT, agent);
    await applier.status(AGENT, root, status, true);
    const written = await server.get(AGENT, key);
    expect(written?.['status']).toEqual({ ...status, leaderEpoch: '7' });
    await applier.status(AGENT, root, status, true);
    expect((await server.get(AGENT, key))?.metadata.resourceVersion).toBe(written?.metadata.resourceVersion);
  });

  test('gives up a field it no longer wants, and leaves those of others', async () => {
    const { server, applier } = setup();
    const root = await server.create(AGENT, agent);
    await applier.status(AGENT, root, { ...status, digest: 'x' });
    await server.mergePatch(AGENT, key, { status: { theirs: 1 } }, 'status');
    await applier.status(AGENT, root, status);
    expect((await server.get(AGENT, key))?.['status']).toEqual({ ...status, theirs: 1 });
    const at = (await server.get(AGENT, key))?.metadata.resourceVersion;
    await applier.status(AGENT, root, status);
    expect((await server.get(AGENT, key))?.metadata.resourceVersion).toBe(at);
  });

  test('its own echo is told from the writes of others', async () => {
    const { server, applier } = setup();
    const before = await server.create(AGENT, agent);
    await applier.status(AGENT, before, status);
    const after = (await server.get(AGENT, key)) ?? agent;
    expect(applier.isEcho(AGENT, before, after)).toBe(true);
    expect(applier.isEcho(AGENT, before, { ...after, spec: { role: 'new' } })).toBe(false);
    expect(applier.isEcho(AGENT, before, { ...after, status: { ...status, observedGeneration: 0 } })).toBe(false);
    expect(applier.isEcho(AGENT, before, { ...after, status: { ...status, theirs: 1 } })).toBe(false);
    const other = { ...after, metadata: { ...after.metadata, uid: 'another' } };
    expect(applier.isEcho(AGENT, before, other)).toBe(false);
  });

  test('of an object that is gone needs no writing', async () => {
    const { applier } = setup();
    await applier.carryOut({ kind: 'status', resource: AGENT, object: agent, status });
  });
});

function plain(kube: Kube): Kube {
  return guardedKube(kube, alwaysLeader);
}
