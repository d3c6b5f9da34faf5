// Owns: the worker pods of one Agent × Bundle, as we want them. Pure.
import { agentServiceAccount, bundleToken, natsAudience } from '../../api/messages/subjects.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { annotation, label, managed, ownerOf, roleLabels } from '../catalog/labels.ts';
import type { AgentObject } from '../catalog/objects.ts';
import { containerSecurity, downward, podSecurity, probes, smallMemory } from '../catalog/pods.ts';
import type { Intent } from '../controller/plan.ts';
import { bundleFile } from '../bundle/sealed.ts';
import { configMapName } from '../bundle/plan.ts';

/** What every pod we make needs to know. */
export interface PodSettings {
  readonly image: string;
  readonly natsUrl: string;
  readonly partitions: number;
}

/** One live bundle of an agent. */
export interface LiveBundle {
  readonly digest: string;
  /** Name of the Bundle object, whose ConfigMap is mounted. */
  readonly name: string;
  /** Since when nobody needs it, in milliseconds; undefined while in use. */
  readonly unusedSince?: number | undefined;
}

export const defaultReplicas = 1;
export const defaultSlots = 8;

export const workersName = (agent: string, digest: string): string => `${agent}-${bundleToken(digest)}`;

export function serviceAccountOf(root: AgentObject): Intent {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: {
      name: agentServiceAccount(root.metadata.name),
      namespace: root.metadata.namespace ?? '',
      labels: { ...managed, [label.agent]: root.metadata.name },
      ownerReferences: [ownerOf(root)],
    },
    automountServiceAccountToken: false,
  };
}

export function deploymentOf(root: AgentObject, bundle: LiveBundle, settings: PodSettings): Intent {
  const { name, namespace = '' } = root.metadata;
  const identity = { [label.agent]: name, [label.bundle]: bundleToken(bundle.digest) };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name: workersName(name, bundle.digest),
      namespace,
      labels: { ...roleLabels('worker'), ...identity },
      annotations: {
        [annotation.bundleDigest]: bundle.digest,
        [annotation.bundleName]: bundle.name,
        ...(bundle.unusedSince === undefined ? {} : { [annotation.unusedSince]: String(bundle.unusedSince) }),
      },
      ownerReferences: [ownerOf(root)],
    },
    spec: {
      replicas: root.spec.scaling?.replicas ?? defaultReplicas,
      selector: { matchLabels: { [label.role]: 'worker', ...identity } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: {
        metadata: { labels: { ...roleLabels('worker'), ...identity } },
        spec: podSpec(root, bundle, settings),
      },
    },
  };
}

function podSpec(root: AgentObject, bundle: LiveBundle, settings: PodSettings): KubeObject['spec'] {
  const { name, namespace = '' } = root.metadata;
  return {
    serviceAccountName: agentServiceAccount(name),
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 30,
    securityContext: podSecurity,
    containers: [
      {
        name: 'worker',
        image: settings.image,
        imagePullPolicy: 'IfNotPresent',
        command: ['node', 'dist/worker.mjs'],
        env: [
          ...smallMemory('worker'),
          ...downward,
          { name: 'SIGNALBOX_NAMESPACE', value: namespace },
          { name: 'SIGNALBOX_AGENT', value: name },
          { name: 'SIGNALBOX_BUNDLE_DIGEST', value: bundle.digest },
          { name: 'SIGNALBOX_SLOTS', value: String(root.spec.scaling?.slotsPerWorker ?? defaultSlots) },
          { name: 'SIGNALBOX_NATS_URL', value: settings.natsUrl },
          { name: 'SIGNALBOX_PARTITIONS', value: String(settings.partitions) },
        ],
        ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
        ...probes,
        resources: { requests: { cpu: '25m', memory: '64Mi' }, limits: { memory: '192Mi' } },
        securityContext: containerSecurity,
        volumeMounts: [
          { name: 'bundle', mountPath: '/etc/signalbox', readOnly: true },
          { name: 'nats-token', mountPath: '/var/run/secrets/signalbox/nats', readOnly: true },
        ],
      },
    ],
    volumes: [
      {
        name: 'bundle',
        configMap: { name: configMapName(bundle.name), items: [{ key: bundleFile, path: bundleFile }] },
      },
      natsToken,
    ],
  };
}

/** Proves to NATS which pod it is; the API server reviews it. Useless for anything else. */
export const natsToken = {
  name: 'nats-token',
  projected: {
    sources: [{ serviceAccountToken: { audience: natsAudience, expirationSeconds: 3600, path: 'token' } }],
  },
} as const;
