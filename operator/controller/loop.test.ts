import { afterEach, describe, expect, test } from 'vitest';
import { TerminalError } from '../../api/errors.ts';
import { fakeKube } from '../../adapters/kube/fake.ts';
import { createInformers } from '../../adapters/kube/reflector.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemIds } from '../../adapters/system/ids.ts';
import { jsonLog } from '../../adapters/system/log.ts';
import { promMetrics } from '../../adapters/system/metrics.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { AGENT, BUNDLE, CONFIG_MAP, keyOf } from '../../ports/resources.ts';
import type { Controller } from './controller.ts';
import { planned } from './controller.ts';
import { createManager } from './manager.ts';
import { parseKey } from './loop.ts';

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const object = (kind: string, name: string, rest: object = {}): KubeObject => ({
  apiVersion: 'signalbox.dev/v1alpha1',
  kind,
  metadata: { name, namespace: 'default' },
  ...rest,
});

function start(controller: Controller) {
  const kube = fakeKube();
  const clock = systemClock();
  const log = jsonLog({ name: 'test', level: 'silent' });
  const metrics = promMetrics({ processMetrics: false });
  const informers = createInformers({ kube, clock, log, freeze: true });
  const manager = createManager({
    controllers: [controller],
    kube,
    informers,
    clock,
    ids: systemIds(),
    log,
    metrics,
    instance: 'test-0',
    graceMs: 500,
  });
  const stopping = new AbortController();
  const ended = manager.run(stopping.signal);
  stops.push(() => {
    stopping.abort(new Error('the test ends'));
    return ended;
  });
  const count = async (text: string): Promise<number> => {
    const line = (await metrics.render()).body.split('\n').find((each) => each.startsWith(text));
    return Number(line?.split(' ').at(-1) ?? 0);
  };
  return { kube, count, manager };
}

async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('it did not come to pass within 2 s');
}

const total = (result: string): string => `controller_runtime_reconcile_total{controller="agent",result="${result}"}`;

describe('the loop', () => {
  test('a change of what is watched reconciles those that refer to it, before and after', async () => {
    const seen: string[] = [];
    const { kube } = start(
      planned<KubeObject>({
        name: 'agent',
        root: AGENT,
        watches: [
          {
            resource: BUNDLE,
            map: (bundle: KubeObject, caches) =>
              caches
                .of(AGENT)
                .indexed('bundle', bundle.metadata.labels?.['of'] ?? '')
                .map(keyOf),
          },
        ],
        indexes: [
          { resource: AGENT, name: 'bundle', values: (agent: KubeObject) => [agent.metadata.labels?.['of'] ?? ''] },
        ],
        observe: (root) => root,
        plan: (root) => {
          seen.push(root.metadata.name);
          return { commands: [] };
        },
      }),
    );
    const labelled = (kind: string, name: string, of: string): KubeObject => {
      const made = object(kind, name);
      return { ...made, metadata: { ...made.metadata, labels: { of } } };
    };
    await kube.create(AGENT, labelled('Agent', 'a', 'x'));
    await kube.create(AGENT, labelled('Agent', 'b', 'y'));
    await until(() => seen.length === 2);
    seen.length = 0;
    await kube.create(BUNDLE, labelled('Bundle', 'one', 'x'));
    await until(() => seen.length === 1);
    expect(seen).toEqual(['a']);
    await kube.mergePatch(BUNDLE, { namespace: 'default', name: 'one' }, { metadata: { labels: { of: 'y' } } });
    await until(() => seen.length === 3);
    expect(seen.toSorted()).toEqual(['a', 'a', 'b']);
  });

  test('a failure is tried again, and after three the conditions say it', async () => {
    let broken = true;
    const { kube, count } = start(
      planned<KubeObject>({
        name: 'agent',
        root: AGENT,
        observe: (root) => root,
        plan: () => {
          if (broken) throw new Error('the bus is away');
          return { commands: [], status: { digest: 'kept', conditions: [] } };
        },
      }),
    );
    await kube.create(AGENT, object('Agent', 'a'));
    const status = async () =>
      (await kube.get(AGENT, { namespace: 'default', name: 'a' }))?.['status'] as {
        conditions?: readonly { type: string; message: string }[];
      };
    await until(async () => (await status())?.conditions?.length === 2);
    expect((await status()).conditions).toMatchObject([
      { type: 'Ready', status: 'False', reason: 'ReconcileFailed', message: 'the bus is away' },
      { type: 'Reconciling', status: 'True' },
    ]);
    broken = false;
    await until(async () => (await status())?.conditions?.length === 0);
    expect(await count(total('error'))).toBeGreaterThanOrEqual(3);
  });

  test('a terminal failure is not tried again until something changes', async () => {
    let tries = 0;
    const { kube, count } = start(
      planned<KubeObject>({
        name: 'agent',
        root: AGENT,
        observe: (root) => root,
        plan: () => {
          tries += 1;
          throw new TerminalError('MANIFEST_INVALID', 'spec.role is empty');
        },
      }),
    );
    await kube.create(AGENT, object('Agent', 'a'));
    await until(() => tries === 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(tries).toBe(1);
    expect(await count('controller_runtime_terminal_reconcile_errors_total')).toBe(1);
    await kube.mergePatch(AGENT, { namespace: 'default', name: 'a' }, { spec: { role: 'x' } });
    await until(() => tries === 2);
  });

  test('commands of the kind itself are performed in their place, and a failed one ends the plan', async () => {
    const done: string[] = [];
    const { kube } = start(
      planned<KubeObject, { readonly kind: 'consumer'; readonly name: string }>({
        name: 'agent',
        root: AGENT,
        owns: [CONFIG_MAP],
        observe: (root) => root,
        plan: () => ({
          commands: [
            { kind: 'consumer', name: 'first' },
            {
              kind: 'apply',
              resource: CONFIG_MAP,
              object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'default' } },
            },
            { kind: 'consumer', name: 'broken' },
            { kind: 'consumer', name: 'never' },
          ],
          status: { digest: 'never' },
        }),
        perform: async (command) => {
          done.push(command.name);
          if (command.name === 'broken') throw new Error('no');
        },
      }),
    );
    await kube.create(AGENT, object('Agent', 'a'));
    await until(() => done.length >= 4);
    expect(done.slice(0, 4)).toEqual(['first', 'broken', 'first', 'broken']);
    expect(await kube.get(CONFIG_MAP, { namespace: 'default', name: 'a' })).toBeDefined();
  });

  test('looks again after the time the plan asks for, and stops with work under way', async () => {
    let seen = 0;
    const { kube, count, manager } = start(
      planned<KubeObject>({
        name: 'agent',
        root: AGENT,
        observe: (root) => root,
        plan: () => {
          seen += 1;
          return { commands: [], requeueAfterMs: 10 };
        },
      }),
    );
    await kube.create(AGENT, object('Agent', 'a'));
    await until(() => seen >= 4);
    expect(await count(total('requeue_after'))).toBeGreaterThanOrEqual(3);
    expect(manager.notReady()).toBeUndefined();
    expect(await stops.pop()?.()).toBe('stopped');
  });

  test('reconciles past their deadline are told to end, and counted', async () => {
    const { kube, count } = start({
      name: 'agent',
      root: AGENT,
      timeoutMs: 30,
      reconcile: (_, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    });
    await kube.create(AGENT, object('Agent', 'a'));
    await until(async () => (await count('controller_runtime_reconcile_timeouts_total')) >= 1);
  });

  test('keys are read back as they were written', () => {
    expect(parseKey('default/a')).toEqual({ namespace: 'default', name: 'a' });
    expect(parseKey('a')).toEqual({ name: 'a' });
  });
});
