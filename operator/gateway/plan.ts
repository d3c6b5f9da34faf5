// Owns: one gateway in every namespace that has Agents, with the Secrets that its Tools and Models name, and no other.
import { gatewayServiceAccount } from '../../api/messages/subjects.ts';
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { DEPLOYMENT, keyOf, SERVICE_ACCOUNT } from '../../ports/resources.ts';
import { natsToken, type PodSettings } from '../agent/workers.ts';
import { isDeleting, label, managed, roleLabels } from '../catalog/labels.ts';
import type { ModelObject, ToolObject } from '../catalog/objects.ts';
import { containerSecurity, downward, podSecurity, probes, smallMemory } from '../catalog/pods.ts';
import type { Command, Intent, Plan } from '../controller/plan.ts';

export interface GatewayObserved {
  /** The Namespace. */
  readonly root: KubeObject;
  readonly agents: number;
  /** Names of Secrets, sorted, each once. */
  readonly secrets: readonly string[];
  readonly deployment?: KubeObject | undefined;
  readonly serviceAccount?: KubeObject | undefined;
  readonly settings: PodSettings;
}

const secretsFolder = '/var/run/signalbox/secrets';

export function planGateway(observed: GatewayObserved): Plan {
  const { root, agents, deployment, serviceAccount } = observed;
  if (isDeleting(root)) return { commands: [] };
  if (agents === 0) {
    return {
      commands: [
        ...(deployment === undefined ? [] : [removal(DEPLOYMENT, deployment)]),
        ...(serviceAccount === undefined ? [] : [removal(SERVICE_ACCOUNT, serviceAccount)]),
      ],
    };
  }
  const namespace = root.metadata.name;
  return {
    commands: [
      { kind: 'apply', resource: SERVICE_ACCOUNT, object: serviceAccountOf(namespace) },
      { kind: 'apply', resource: DEPLOYMENT, object: deploymentOf(namespace, observed), exact: true },
    ],
  };
}

function removal(resource: typeof DEPLOYMENT, object: KubeObject): Command {
  return { kind: 'delete', resource, key: keyOf(object), uid: object.metadata.uid ?? '' };
}

/** Secrets named by what may be called now, and by what bundles were made of. */
export function secretNames(
  tools: readonly ToolObject[],
  models: readonly ModelObject[],
  bundles: readonly ResolvedBundle[],
): readonly string[] {
  const specs = {
    tools: [
      ...tools.map(({ spec }) => spec),
      ...bundles.flatMap((one) => Object.values(one.tools).map(({ spec }) => spec)),
    ],
    models: [
      ...models.map(({ spec }) => spec),
      ...bundles.flatMap((one) => Object.values(one.models).map(({ spec }) => spec)),
    ],
  };
  const names = [
    ...specs.tools.map(({ credential }) => credential?.secretRef.name),
    ...specs.models.map(({ endpoint }) => endpoint?.secretRef?.name),
  ];
  return [...new Set(names.filter((name) => name !== undefined))].toSorted();
}

const serviceAccountOf = (namespace: string): Intent => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name: gatewayServiceAccount, namespace, labels: managed },
  automountServiceAccountToken: false,
});

function deploymentOf(namespace: string, { secrets, settings }: GatewayObserved): Intent {
  const labels = roleLabels('gateway');
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: gatewayServiceAccount, namespace, labels },
    spec: {
      replicas: 1,
      selector: { matchLabels: { [label.role]: 'gateway' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: { metadata: { labels }, spec: podSpec(namespace, secrets, settings) },
    },
  };
}

function podSpec(namespace: string, secrets: readonly string[], settings: PodSettings) {
  return {
    serviceAccountName: gatewayServiceAccount,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 30,
    securityContext: podSecurity,
    containers: [
      {
        name: 'gateway',
        image: settings.image,
        imagePullPolicy: 'IfNotPresent',
        command: ['node', 'dist/gateway.mjs'],
        env: [
          ...smallMemory('gateway'),
          ...downward,
          { name: 'SIGNALBOX_NAMESPACE', value: namespace },
          { name: 'SIGNALBOX_NATS_URL', value: settings.natsUrl },
          { name: 'SIGNALBOX_PARTITIONS', value: String(settings.partitions) },
        ],
        ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
        ...probes,
        resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: { memory: '192Mi' } },
        securityContext: containerSecurity,
        volumeMounts: [
          { name: 'nats-token', mountPath: '/var/run/secrets/signalbox/nats', readOnly: true },
          ...secrets.map((name, index) => ({
            name: volumeName(index),
            mountPath: `${secretsFolder}/${name}`,
            readOnly: true,
          })),
        ],
      },
    ],
    volumes: [
      natsToken,
      // Optional: a missing Secret stops the calls that need it, not the gateway.
      ...secrets.map((name, index) => ({
        name: volumeName(index),
        secret: { secretName: name, optional: true, defaultMode: 0o440 },
      })),
    ],
  };
}

/** Secret names may have dots and 253 characters; volume names may not. */
const volumeName = (index: number): string => `secret-${index}`;
