// Owns: a kind made for tests of the kernel: a Widget becomes a ConfigMap and a Deployment, and says so in its status.
import { systemClock } from '../../adapters/system/clock.ts';
import { systemIds } from '../../adapters/system/ids.ts';
import { promMetrics } from '../../adapters/system/metrics.ts';
import { createInformers } from '../../adapters/kube/reflector.ts';
import { planned } from '../../operator/controller/controller.ts';
import type { Controller } from '../../operator/controller/controller.ts';
import { createManager } from '../../operator/controller/manager.ts';
import type { LeaseTimes } from '../../operator/controller/leader.ts';
import type { Intent } from '../../operator/controller/plan.ts';
import { conditions, kstatus } from '../../operator/controller/status.ts';
import type { Kube, KubeObject, Resource } from '../../ports/kube.ts';
import { CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION, DEPLOYMENT } from '../../ports/resources.ts';
import type { Log, Metrics } from '../../ports/system.ts';

export const WIDGET: Resource = {
  group: 'test.signalbox.dev',
  version: 'v1',
  plural: 'widgets',
  kind: 'Widget',
  namespaced: true,
};

export interface Widget extends KubeObject {
  readonly spec: { readonly text: string; readonly replicas: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly leaderEpoch?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message: string }[];
  };
}

const conditionFields = ['type', 'status', 'reason', 'message', 'lastTransitionTime'];

export const widgetCrd: KubeObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.test.signalbox.dev' },
  spec: {
    group: WIDGET.group,
    scope: 'Namespaced',
    names: { kind: 'Widget', plural: 'widgets', singular: 'widget', listKind: 'WidgetList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: {
                  text: { type: 'string', maxLength: 1024 },
                  replicas: { type: 'integer', format: 'int32' },
                },
              },
              status: {
                type: 'object',
                'x-kubernetes-validations': [
                  {
                    rule: '!has(oldSelf.leaderEpoch) || (has(self.leaderEpoch) && int(self.leaderEpoch) >= int(oldSelf.leaderEpoch))',
                    message: 'written by a leader that was replaced',
                  },
                ],
                properties: {
                  observedGeneration: { type: 'integer', format: 'int64' },
                  leaderEpoch: { type: 'string', maxLength: 32 },
                  conditions: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['type'],
                    items: {
                      type: 'object',
                      required: conditionFields,
                      properties: {
                        ...Object.fromEntries(conditionFields.map((name) => [name, { type: 'string' }])),
                        observedGeneration: { type: 'integer', format: 'int64' },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

export function widget(name: string, namespace: string, spec: Partial<Widget['spec']> = {}): Widget {
  return {
    apiVersion: 'test.signalbox.dev/v1',
    kind: 'Widget',
    metadata: { name, namespace },
    spec: { text: 'hello', replicas: 1, ...spec },
  };
}

export async function installWidgets(kube: Kube): Promise<void> {
  await kube.apply(CUSTOM_RESOURCE_DEFINITION, widgetCrd, { fieldManager: 'test', force: true });
  await until('the Widget kind is served', async () => {
    try {
      await kube.list(WIDGET);
      return true;
    } catch {
      return false;
    }
  });
}

function child(root: Widget): Intent['metadata'] {
  return {
    name: root.metadata.name,
    namespace: root.metadata.namespace ?? 'default',
    labels: { widget: root.metadata.name },
    ownerReferences: [
      {
        apiVersion: root.apiVersion,
        kind: root.kind,
        name: root.metadata.name,
        uid: root.metadata.uid ?? '',
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  };
}

export const widgetController: Controller = planned<Widget>({
  name: 'widget',
  root: WIDGET,
  owns: [CONFIG_MAP, DEPLOYMENT],
  fenced: true,
  observe: (root) => root as Widget,
  plan: (root, now) => ({
    commands: [
      {
        kind: 'apply',
        resource: CONFIG_MAP,
        object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: child(root), data: { text: root.spec.text } },
      },
      { kind: 'apply', resource: DEPLOYMENT, object: deployment(root) },
    ],
    status: {
      observedGeneration: root.metadata.generation,
      conditions: conditions(
        root,
        kstatus({ state: 'ready', reason: 'Made', message: `shows ${root.spec.text}` }),
        now,
      ),
    },
  }),
});

function deployment(root: Widget): Intent {
  const labels = { widget: root.metadata.name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: child(root),
    spec: {
      replicas: root.spec.replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [
            {
              name: 'main',
              image: 'signalbox',
              envFrom: [{ configMapRef: { name: root.metadata.name } }],
              // Stored as `1`: the kernel must not fight the server over the form of a number.
              resources: { limits: { cpu: '1000m' } },
            },
          ],
        },
      },
    },
  };
}

/** Counts writes by kind of object and method; what a test asserts when it says "nothing is written". */
export function countingKube(kube: Kube): { readonly kube: Kube; readonly writes: string[] } {
  const writes: string[] = [];
  const note = (method: string, resource: Resource, name: string): void => {
    if (resource.plural !== 'leases') writes.push(`${method} ${resource.plural} ${name}`);
  };
  return {
    writes,
    kube: {
      get: (...args) => kube.get(...args),
      list: (...args) => kube.list(...args),
      watch: (...args) => kube.watch(...args),
      raw: (...args) => kube.raw(...args),
      create(resource, object, options) {
        note('create', resource, object.metadata.name);
        return kube.create(resource, object, options);
      },
      apply(resource, object, options) {
        note(options.subresource === undefined ? 'apply' : 'status', resource, object.metadata.name);
        return kube.apply(resource, object, options);
      },
      mergePatch(resource, key, patch, subresource) {
        note('patch', resource, key.name);
        return kube.mergePatch(resource, key, patch, subresource);
      },
      replace(resource, object) {
        note('replace', resource, object.metadata.name);
        return kube.replace(resource, object);
      },
      delete(resource, key, options) {
        note('delete', resource, key.name);
        return kube.delete(resource, key, options);
      },
      post(resource, key, subresource, body) {
        note('post', resource, key?.name ?? '');
        return kube.post(resource, key, subresource, body);
      },
    },
  };
}

export interface RunningManager {
  readonly writes: string[];
  readonly metrics: Metrics;
  readonly isLeader: () => boolean;
  readonly notReady: () => string | undefined;
  readonly ended: Promise<'stopped' | 'lost'>;
  readonly stop: () => Promise<'stopped' | 'lost'>;
}

export interface ManagerSetup {
  readonly kube: Kube;
  readonly log: Log;
  readonly instance?: string;
  readonly lease?: { readonly name: string; readonly times: LeaseTimes };
  readonly controllers?: readonly Controller[];
}

/** A manager of Widgets in this process. */
export function startWidgetManager(setup: ManagerSetup): RunningManager {
  const counting = countingKube(setup.kube);
  const metrics = promMetrics({ processMetrics: false });
  const clock = systemClock();
  const manager = createManager({
    controllers: setup.controllers ?? [widgetController],
    kube: counting.kube,
    informers: createInformers({ kube: counting.kube, clock, log: setup.log, metrics }),
    clock,
    ids: systemIds(),
    log: setup.log,
    metrics,
    instance: setup.instance ?? 'widgets-0',
    ...(setup.lease === undefined
      ? {}
      : { election: { lease: { namespace: 'default', name: setup.lease.name }, times: setup.lease.times } }),
  });
  const stopping = new AbortController();
  const ended = manager.run(stopping.signal);
  return {
    writes: counting.writes,
    metrics,
    isLeader: () => manager.isLeader(),
    notReady: () => manager.notReady(),
    ended,
    stop: () => {
      stopping.abort(new Error('the test ends'));
      return ended;
    },
  };
}

/** Waits, bounded, until `check` holds. */
export async function until(what: string, check: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    if (await check()) return;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
