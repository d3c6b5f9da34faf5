// Two replicas, one leader: by a real Lease, with a real pause of the process that leads.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectKube } from '../../adapters/kube/kube.ts';
import type { KubeConnection } from '../../adapters/kube/kube.ts';
import { kubeconfigConfig } from '../../adapters/kube/kubeconfig.ts';
import { jsonLog } from '../../adapters/system/log.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemIds } from '../../adapters/system/ids.ts';
import { microTime } from '../../operator/controller/micro-time.ts';
import { eventRecorder } from '../../operator/controller/recorder.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { CONFIG_MAP, EVENT, LEASE } from '../../ports/resources.ts';
import { startPlane } from '../support/plane.ts';
import type { TestPlane } from '../support/plane.ts';
import { WIDGET, installWidgets, until, widget } from '../support/widget.ts';
import type { Widget } from '../support/widget.ts';

interface Lease extends KubeObject {
  readonly spec: { readonly holderIdentity: string; readonly renewTime: string; readonly leaseTransitions: number };
}
interface Event extends KubeObject {
  readonly note: string;
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
}

interface Replica {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly exited: Promise<number | null>;
}

const namespace = 'default';
const key = { namespace, name: 'widgets' };
const replicas: Replica[] = [];
let plane: TestPlane;
let kube: KubeConnection;

beforeAll(async () => {
  plane = await startPlane();
  kube = connectKube({ access: await kubeconfigConfig(plane.kubeconfig), component: 'test' });
  await installWidgets(kube);
});
afterAll(async () => {
  for (const { child } of replicas) child.kill('SIGKILL');
  await Promise.all(replicas.map(({ exited }) => exited));
  await kube?.close();
  await plane?.stop();
});

function start(instance: string): Replica {
  const script = join(import.meta.dirname, '../support/widget-replica.ts');
  const child = spawn(process.execPath, [script, plane.kubeconfig, instance, key.name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  child.stdout.on('data', (chunk: Buffer) => lines.push(...chunk.toString('utf8').split('\n').filter(Boolean)));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const replica = { child, lines, exited };
  replicas.push(replica);
  return replica;
}

const holder = async (): Promise<string | undefined> => (await kube.get<Lease>(LEASE, key))?.spec.holderIdentity;
const apply = (text: string): Promise<Widget> =>
  kube.apply<Widget>(WIDGET, widget('led', namespace, { text }), { fieldManager: 'person', force: true });
const shown = async (): Promise<Widget | undefined> => {
  const object = await kube.get<Widget>(WIDGET, { namespace, name: 'led' });
  return object?.status?.observedGeneration === object?.metadata.generation ? object : undefined;
};

describe('leadership', () => {
  test('goes to the other replica when the leader is paused; the paused one writes nothing and ends', async () => {
    const first = start('replica-a');
    await until('a leads', async () => (await holder()) === 'replica-a');
    const second = start('replica-b');
    await until('b stands by', () => second.lines.includes('started'));
    await apply('by a');
    await until('a did it', async () => (await shown()) !== undefined);
    const epochOfA = Number((await shown())?.status?.leaderEpoch ?? 0);
    expect(epochOfA).toBeGreaterThan(0);
    expect(second.lines.filter((line) => line.startsWith('write'))).toEqual([]);

    first.child.kill('SIGSTOP');
    const before = first.lines.length;
    await until('b leads', async () => (await holder()) === 'replica-b');
    await apply('by b');
    await until('b did it', async () => (await shown()) !== undefined);
    const epochOfB = Number((await shown())?.status?.leaderEpoch ?? 0);
    expect(epochOfB).toBeGreaterThan(epochOfA);

    first.child.kill('SIGCONT');
    expect(await first.exited).toBe(1);
    expect(first.lines.slice(before)).toEqual(['ended lost']);
    expect(await holder()).toBe('replica-b');

    const stale = (status: object): Promise<KubeObject> =>
      kube.apply(WIDGET, { ...widget('led', namespace), spec: undefined, status } as unknown as KubeObject, {
        fieldManager: 'signalbox-widget-status',
        force: true,
        subresource: 'status',
      });
    const refused = { code: 'KUBE_INVALID', message: expect.stringContaining('a leader that was replaced') as string };
    await expect(stale({ leaderEpoch: String(epochOfA) })).rejects.toMatchObject(refused);
    await expect(stale({ observedGeneration: 1 })).rejects.toMatchObject(refused);
  });

  test('is given away at a clean stop and taken back at once by the same Pod after a crash', async () => {
    const second = replicas[1];
    second?.child.kill('SIGTERM');
    expect(await second?.exited).toBe(0);
    expect(await holder()).toBe('');

    const third = start('replica-c');
    await until('c leads', async () => (await holder()) === 'replica-c', 2_500);
    third.child.kill('SIGKILL');
    await third.exited;
    const before = await kube.get<Lease>(LEASE, key);
    start('replica-c');
    const renewed = async (): Promise<boolean> =>
      (await kube.get<Lease>(LEASE, key))?.spec.leaseTransitions !== before?.spec.leaseTransitions;
    await until('the same Pod leads again without waiting', renewed, 2_500);
  });

  test('is written in the only form of time the API server takes', async () => {
    const lease = await kube.get<Lease>(LEASE, key);
    expect(lease?.spec.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    const own = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'time', namespace } };
    const now = Date.now();
    await expect(
      kube.create(LEASE, { ...own, spec: { renewTime: new Date(now).toISOString() } }),
    ).rejects.toMatchObject({ code: 'KUBE_INVALID', fields: { status: 400 } });
    await kube.create(LEASE, { ...own, spec: { renewTime: microTime(now) } });
  });
});

describe('the recorder', () => {
  test('tells a repeated text once, with a growing series', async () => {
    const regarding = await kube.apply(
      CONFIG_MAP,
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'told', namespace } },
      { fieldManager: 'test' },
    );
    const system = systemClock();
    const started = system.now();
    let elapsed = 0;
    const recorder = eventRecorder({
      kube,
      clock: { ...system, now: () => started + elapsed },
      ids: systemIds(),
      log: jsonLog({ name: 'test', level: 'silent' }),
      instance: 'replica-a',
    });
    const say = (note: string): void =>
      recorder.record('widget', regarding, { type: 'Warning', reason: 'Failed', action: 'Reconcile', note });
    const told = async (): Promise<readonly Event[]> => {
      await recorder.flush();
      const { items } = await kube.list<Event>(EVENT, { namespace });
      return items.filter(
        (item) => item.note !== undefined && 'regarding' in item && item.metadata.name.startsWith('told.'),
      );
    };
    say('it broke');
    expect(await told()).toMatchObject([{ note: 'it broke', reportingController: 'signalbox.dev/widget' }]);
    for (let each = 0; each < 9; each += 1) say('it broke');
    expect((await told())[0]?.series?.count).toBe(2);
    elapsed = 61_000;
    say('it broke');
    expect((await told())[0]?.series).toMatchObject({ count: 11, lastObservedTime: microTime(started + elapsed) });

    elapsed += 361_000;
    say('it broke');
    say('x'.repeat(2_000));
    expect((await told()).map(({ note }) => note.length).sort((a, b) => a - b)).toEqual([8, 8, 1_021]);
  });
});
