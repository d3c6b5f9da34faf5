// What everything above the Kube port may rely on, asked of a real API server and of the fake alike.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fakeKube } from '../../adapters/kube/fake.ts';
import { connectKube } from '../../adapters/kube/kube.ts';
import type { KubeConnection } from '../../adapters/kube/kube.ts';
import { kubeconfigConfig } from '../../adapters/kube/kubeconfig.ts';
import type { Kube, KubeObject, WatchEvent } from '../../ports/kube.ts';
import { CONFIG_MAP, NAMESPACE, SELF_SUBJECT_REVIEW } from '../../ports/resources.ts';
import { startPlane } from '../support/plane.ts';
import type { TestPlane } from '../support/plane.ts';
import { WIDGET, installWidgets, until, widget } from '../support/widget.ts';
import type { Widget } from '../support/widget.ts';

const namespace = 'default';
let plane: TestPlane;
let real: KubeConnection;

beforeAll(async () => {
  plane = await startPlane();
  real = connectKube({ access: await kubeconfigConfig(plane.kubeconfig), component: 'test' });
  await installWidgets(real);
});
afterAll(async () => {
  await real?.close();
  await plane?.stop();
});

const fake = fakeKube();

describe.each([
  ['a real API server', (): Kube => real],
  ['the fake', (): Kube => fake],
])('%s', (_, pick) => {
  const key = (name: string) => ({ namespace, name });
  const applied = (name: string, spec: object, manager = 'me'): Promise<Widget> =>
    pick().apply<Widget>(WIDGET, { ...widget(name, namespace), spec } as Widget, {
      fieldManager: manager,
      force: true,
    });

  test('creates once, reads back, and knows no absent object', async () => {
    const made = await pick().create<Widget>(WIDGET, widget('made', namespace));
    expect(made.metadata).toMatchObject({ generation: 1, name: 'made' });
    expect(made.metadata.uid).toBeTruthy();
    await expect(pick().create(WIDGET, widget('made', namespace))).rejects.toMatchObject({ code: 'KUBE_CONFLICT' });
    expect(await pick().get(WIDGET, key('made'))).toEqual(made);
    expect(await pick().get(WIDGET, key('never'))).toBeUndefined();
  });

  test('a dry run changes nothing', async () => {
    await pick().create(WIDGET, widget('dry', namespace), { dryRun: true });
    expect(await pick().get(WIDGET, key('dry'))).toBeUndefined();
  });

  test('applies: makes, changes, removes what is left out, and does nothing the second time', async () => {
    const made = await applied('applied', { text: 'a', replicas: 1 });
    const again = await applied('applied', { text: 'a', replicas: 1 });
    expect(again.metadata.resourceVersion).toBe(made.metadata.resourceVersion);
    const changed = await applied('applied', { text: 'b' });
    expect(changed.spec).toEqual({ text: 'b' });
    expect(changed.metadata.generation).toBe(2);
    const other = await applied('applied', { replicas: 5 }, 'other');
    expect(other.spec).toEqual({ text: 'b', replicas: 5 });
  });

  test('keeps status apart from the rest', async () => {
    const made = await applied('status', { text: 'a' });
    const options = { fieldManager: 'me', force: true, subresource: 'status' as const };
    const status = { observedGeneration: 1 };
    const said = await pick().apply<Widget>(
      WIDGET,
      { ...widget('status', namespace), spec: { text: 'ignored', replicas: 9 }, status },
      options,
    );
    expect(said.status).toEqual(status);
    expect(said.spec).toEqual({ text: 'a' });
    expect(said.metadata.generation).toBe(made.metadata.generation);
    await expect(pick().apply(WIDGET, { ...widget('absent', namespace), status }, options)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('refuses a write to an object of another uid or version', async () => {
    const made = await applied('fenced', { text: 'a' });
    const wrongUid = { ...made.metadata, uid: 'b5c2b9b4-0000-4000-8000-000000000000' };
    const conflict = { code: 'KUBE_CONFLICT' };
    await expect(pick().delete(WIDGET, key('fenced'), { uid: wrongUid.uid })).rejects.toMatchObject(conflict);
    const bare = { ...widget('fenced', namespace), metadata: { name: 'fenced', namespace, uid: wrongUid.uid } };
    await expect(pick().apply(WIDGET, bare, { fieldManager: 'me' })).rejects.toMatchObject(conflict);
    await pick().mergePatch(WIDGET, key('fenced'), { spec: { replicas: 3 } });
    await expect(pick().replace(WIDGET, made)).rejects.toMatchObject(conflict);
    expect((await pick().get<Widget>(WIDGET, key('fenced')))?.spec.replicas).toBe(3);
  });

  test('deletes at once without a finalizer, later with one, and an absent object without complaint', async () => {
    const made = await applied('leaving', { text: 'a' });
    await pick().mergePatch(WIDGET, key('leaving'), { metadata: { finalizers: ['signalbox.dev/test'] } });
    await pick().delete(WIDGET, key('leaving'), { uid: made.metadata.uid ?? '' });
    const leaving = await pick().get<Widget>(WIDGET, key('leaving'));
    expect(leaving?.metadata.deletionTimestamp).toBeTruthy();
    await pick().mergePatch(WIDGET, key('leaving'), { metadata: { uid: made.metadata.uid, finalizers: [] } });
    expect(await pick().get(WIDGET, key('leaving'))).toBeUndefined();
    await pick().delete(WIDGET, key('leaving'));
  });

  test('watches from a position, resumes at another, and says when it is too old', async () => {
    const { resourceVersion } = await pick().list(WIDGET, { namespace });
    const seen: WatchEvent[] = [];
    const follow = async (from: string, signal: AbortSignal): Promise<void> => {
      for await (const event of pick().watch(WIDGET, { namespace }, from, signal)) seen.push(event);
    };
    const first = new AbortController();
    const watching = follow(resourceVersion, first.signal);
    const made = await applied('watched', { text: 'grüße 🚦' });
    await until('it is seen', () => seen.length === 1);
    first.abort();
    await watching;
    await applied('watched', { text: 'b' });
    await pick().delete(WIDGET, key('watched'));
    const second = new AbortController();
    const resumed = follow(made.metadata.resourceVersion ?? '', second.signal);
    await until('the rest is seen', () => seen.length === 3);
    second.abort();
    await resumed;
    expect(seen.map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED', 'DELETED']);
    expect(seen[0]).toMatchObject({ object: { spec: { text: 'grüße 🚦' } } });
    if (pick() === fake) fake.compact();
    await expect(follow('1', new AbortController().signal)).rejects.toMatchObject({ code: 'KUBE_GONE' });
  });

  test('selects by namespace and label', async () => {
    const labelled = (name: string, place: string, labels: Record<string, string>): KubeObject => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: place, labels },
    });
    if (pick() === real) {
      await real.create(NAMESPACE, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'elsewhere' } });
    }
    await pick().create(CONFIG_MAP, labelled('x', namespace, { app: 'x' }));
    await pick().create(CONFIG_MAP, labelled('y', namespace, { app: 'y' }));
    await pick().create(CONFIG_MAP, labelled('x', 'elsewhere', { app: 'x' }));
    const names = async (selection: object): Promise<string[]> =>
      (await pick().list(CONFIG_MAP, selection)).items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    expect(await names({ namespace, labelSelector: 'app=x' })).toEqual(['default/x']);
    expect((await names({ labelSelector: 'app=x' })).sort()).toEqual(['default/x', 'elsewhere/x']);
  });
});

describe('the connection to a real API server', () => {
  test('lists more than a page, with whole objects', async () => {
    await Promise.all(
      Array.from({ length: 520 }, (_, at) =>
        real.create(CONFIG_MAP, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `page-${at}`, namespace } }),
      ),
    );
    const { items } = await real.list(CONFIG_MAP, { namespace });
    expect(items.filter(({ metadata }) => metadata.name.startsWith('page-'))).toHaveLength(520);
    expect(items.every(({ apiVersion, kind }) => apiVersion === 'v1' && kind === 'ConfigMap')).toBe(true);
  });

  test('passes on the words of the server, field and all', async () => {
    const unknown = { ...widget('strict', namespace), spec: { text: 'a', replicas: 1, replcas: 2 } };
    await expect(real.create(WIDGET, unknown)).rejects.toMatchObject({
      code: 'KUBE_INVALID',
      message: expect.stringContaining('unknown field "spec.replcas"') as string,
    });
  });

  test('reads the token again after a 401', async () => {
    const access = await kubeconfigConfig(plane.kubeconfig);
    const reads: boolean[] = [];
    const kube = connectKube({
      component: 'test',
      access: {
        ...access,
        async credentials(refresh = false) {
          reads.push(refresh);
          return refresh ? access.credentials() : { token: 'expired' };
        },
      },
    });
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    const who = await kube.post<{ status: { userInfo: { groups: string[] } } }>(
      SELF_SUBJECT_REVIEW,
      undefined,
      '',
      review,
    );
    expect(who.status.userInfo.groups).toContain('system:masters');
    expect(reads).toEqual([false, true]);
    await kube.close();
  });

  test('gives up on a server that does not answer, within its deadline', async () => {
    const access = { server: 'https://127.0.0.1:9', namespace, credentials: async () => ({}) };
    const kube = connectKube({ access, component: 'test', timeoutMs: 700 });
    const startedAt = performance.now();
    await expect(kube.get(WIDGET, { namespace, name: 'a' })).rejects.toMatchObject({ code: 'KUBE_UNREACHABLE' });
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    await kube.close();
  });
});
