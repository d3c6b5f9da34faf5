// The kernel against a real API server: it makes, repairs, rests, and survives the server.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jsonLog } from '../../adapters/system/log.ts';
import { connectKube } from '../../adapters/kube/kube.ts';
import type { KubeConnection } from '../../adapters/kube/kube.ts';
import { kubeconfigConfig } from '../../adapters/kube/kubeconfig.ts';
import type { Kube, KubeObject } from '../../ports/kube.ts';
import { CONFIG_MAP, DEPLOYMENT } from '../../ports/resources.ts';
import { SignalboxError } from '../../api/errors.ts';
import { startPlane } from '../support/plane.ts';
import type { TestPlane } from '../support/plane.ts';
import { WIDGET, installWidgets, startWidgetManager, until, widget } from '../support/widget.ts';
import type { RunningManager, Widget } from '../support/widget.ts';

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}
interface Deployment extends KubeObject {
  readonly spec: {
    readonly replicas: number;
    readonly template: { readonly spec: { containers: { image: string }[] } };
  };
}

const namespace = 'default';
const log = jsonLog({ name: 'test', level: process.env['TEST_LOG'] ?? 'silent' });
let plane: TestPlane;
let kube: KubeConnection;
let running: RunningManager | undefined;

beforeAll(async () => {
  plane = await startPlane();
  kube = connectKube({ access: await kubeconfigConfig(plane.kubeconfig), component: 'test' });
  await installWidgets(kube);
});
afterAll(async () => {
  await running?.stop();
  await kube?.close();
  await plane?.stop();
});

const make = (name: string, spec: Partial<Widget['spec']> = {}): Promise<Widget> =>
  kube.apply<Widget>(WIDGET, widget(name, namespace, spec), { fieldManager: 'person', force: true });
const configMap = (name: string): Promise<ConfigMap | undefined> =>
  kube.get<ConfigMap>(CONFIG_MAP, { namespace, name });
const settled = (name: string): Promise<void> =>
  until(`${name} is settled`, async () => {
    const object = await kube.get<Widget>(WIDGET, { namespace, name });
    return object?.status?.observedGeneration === object?.metadata.generation;
  });

async function restart(connection: Kube = kube): Promise<RunningManager> {
  await running?.stop();
  running = startWidgetManager({ kube: connection, log });
  return running;
}

describe('a controller', () => {
  test('makes the children and says so in the status', async () => {
    await restart();
    await make('one', { text: 'a', replicas: 2 });
    await settled('one');
    expect((await configMap('one'))?.data).toEqual({ text: 'a' });
    const deployment = await kube.get<Deployment>(DEPLOYMENT, { namespace, name: 'one' });
    expect(deployment?.spec.replicas).toBe(2);
    const made = await kube.get<Widget>(WIDGET, { namespace, name: 'one' });
    expect(made?.status?.conditions).toMatchObject([{ type: 'Ready', status: 'True', message: 'shows a' }]);
  });

  test('repairs what others edit or delete, and leaves alone what is not its own', async () => {
    await kube.mergePatch(CONFIG_MAP, { namespace, name: 'one' }, { data: { text: 'forged', extra: 'theirs' } });
    await until('the edit is undone', async () => (await configMap('one'))?.data?.['text'] === 'a');
    expect((await configMap('one'))?.data?.['extra']).toBe('theirs');

    const deployment = await kube.get<Deployment>(DEPLOYMENT, { namespace, name: 'one' });
    await kube.delete(DEPLOYMENT, { namespace, name: 'one' });
    await until('the deployment is back', async () => {
      const again = await kube.get<Deployment>(DEPLOYMENT, { namespace, name: 'one' });
      return again !== undefined && again.metadata.uid !== deployment?.metadata.uid;
    });

    await kube.mergePatch(CONFIG_MAP, { namespace, name: 'one' }, { metadata: { ownerReferences: null } });
    await until('the owner is back', async () => (await configMap('one'))?.metadata.ownerReferences?.length === 1);

    await kube.mergePatch(WIDGET, { namespace, name: 'one' }, { status: { conditions: [] } }, 'status');
    await until('the status is back', async () => {
      const root = await kube.get<Widget>(WIDGET, { namespace, name: 'one' });
      return root?.status?.conditions?.[0]?.type === 'Ready';
    });
  });

  test('takes back a field that the intent no longer holds', async () => {
    await make('one', { text: 'b', replicas: 1 });
    await settled('one');
    expect((await configMap('one'))?.data?.['text']).toBe('b');
  });

  test('writes nothing at rest, and nothing after a restart', async () => {
    for (let each = 0; each < 20; each += 1) await make(`rest-${each}`);
    for (let each = 0; each < 20; each += 1) await settled(`rest-${each}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = running?.writes.length;
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(running?.writes.slice(before)).toEqual([]);

    const again = await restart();
    const done = async (): Promise<boolean> =>
      /reconcile_total\{controller="widget",result="success"\} (2[1-9]|[3-9]\d)/.test(
        (await again.metrics.render()).body,
      );
    await until('all are reconciled once more', done);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(again.writes).toEqual([]);
  });

  test('costs three writes for a new object', async () => {
    const before = running?.writes.length ?? 0;
    await make('cost');
    await settled('cost');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(running?.writes.slice(before).sort()).toEqual([
      'apply configmaps cost',
      'apply deployments cost',
      'status widgets cost',
    ]);
  });

  test('does not take over what another controller owns, and says so', async () => {
    const owner = await configMap('one');
    await kube.create(CONFIG_MAP, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'taken',
        namespace,
        ownerReferences: [
          { apiVersion: 'v1', kind: 'ConfigMap', name: 'one', uid: owner?.metadata.uid ?? '', controller: true },
        ],
      },
      data: { text: 'theirs' },
    });
    await make('taken');
    await until('the widget is stalled', async () => {
      const root = await kube.get<Widget>(WIDGET, { namespace, name: 'taken' });
      return root?.status?.conditions?.some(({ type, status }) => type === 'Stalled' && status === 'True') ?? false;
    });
    const root = await kube.get<Widget>(WIDGET, { namespace, name: 'taken' });
    expect(root?.status?.conditions?.[0]?.message).toBe(
      'configmaps default/taken belongs to ConfigMap one; rename one of the two',
    );
    expect((await configMap('taken'))?.data).toEqual({ text: 'theirs' });
    await kube.delete(CONFIG_MAP, { namespace, name: 'taken' });
    await until('it recovers by itself', async () => (await configMap('taken'))?.data?.['text'] === 'hello');
    await until('and is not stalled any more', async () => {
      const recovered = await kube.get<Widget>(WIDGET, { namespace, name: 'taken' });
      return recovered?.status?.conditions?.every(({ type }) => type === 'Ready') ?? false;
    });
  });
});

describe('a cache', () => {
  test('lists again and tells the differences when its position is too old', async () => {
    let cut: (() => void) | undefined;
    const flaky: Kube = {
      ...bind(kube),
      async *watch(resource, selection, version, signal) {
        const gone = new AbortController();
        if (resource.plural === 'widgets') cut = () => gone.abort();
        for await (const event of kube.watch(resource, selection, version, AbortSignal.any([signal, gone.signal]))) {
          yield event as never;
        }
        if (!gone.signal.aborted || signal.aborted) return;
        // While nobody watches, one object goes, one changes and one comes; then the server says "too old".
        await kube.delete(WIDGET, { namespace, name: 'old-gone' });
        await make('old-changed', { text: 'changed' });
        await make('old-new', { text: 'new' });
        throw new SignalboxError('KUBE_GONE', 'too old resource version', { fields: { status: 410 } });
      },
    };
    await make('old-gone');
    await make('old-changed');
    const manager = await restart(flaky);
    await settled('old-changed');
    await until('the watch is open', () => cut !== undefined && manager.notReady() === undefined);
    cut?.();
    await until('the change is seen', async () => (await configMap('old-changed'))?.data?.['text'] === 'changed');
    await until('the new one is seen', async () => (await configMap('old-new'))?.data?.['text'] === 'new');
    const { body } = await manager.metrics.render();
    expect(body).toMatch(/signalbox_informer_watch_restarts_total\{kind="widgets",reason="gone"\} 1/);
    expect(body).toMatch(/signalbox_informer_lists_total\{kind="widgets"\} 2/);
    const count = (await kube.list(WIDGET)).items.length;
    await until('the cache has what the server has', async () =>
      (await manager.metrics.render()).body.includes(`signalbox_informer_objects{kind="widgets"} ${count}\n`),
    );
  });

  test('goes on after the API server was killed', async () => {
    await restart();
    await settled('one');
    plane.servers.kill('kube-apiserver');
    await until('the server answers again', () => isReady(kube), 60_000);
    await make('one', { text: 'after the crash' });
    await until('it works again', async () => (await configMap('one'))?.data?.['text'] === 'after the crash', 45_000);
    await until('and is ready', () => running?.notReady() === undefined, 60_000);
  });
});

async function isReady(connection: Kube): Promise<boolean> {
  try {
    return (await connection.raw('/readyz')).status === 200;
  } catch {
    return false;
  }
}

function bind(connection: Kube): Kube {
  return {
    get: connection.get.bind(connection),
    list: connection.list.bind(connection),
    create: connection.create.bind(connection),
    apply: connection.apply.bind(connection),
    mergePatch: connection.mergePatch.bind(connection),
    replace: connection.replace.bind(connection),
    delete: connection.delete.bind(connection),
    post: connection.post.bind(connection),
    watch: connection.watch.bind(connection),
    raw: connection.raw.bind(connection),
  };
}
