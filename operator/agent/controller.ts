// Owns: what an Agent's plan looks at.
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import { catalogKeys, gatewayServiceAccount } from '../../api/messages/subjects.ts';
import type { KubeObject, ObjectKey } from '../../ports/kube.ts';
import {
  AGENT,
  BUNDLE,
  BUNDLE_ROLLOUT,
  DEPLOYMENT,
  ESCALATION_POLICY,
  keyOf,
  SERVICE_ACCOUNT,
  TOOL,
} from '../../ports/resources.ts';
import type { BusCommand } from '../catalog/commands.ts';
import { findingsOf, isNamespaceGoing, lookups } from '../catalog/findings.ts';
import { isDeleting, label } from '../catalog/labels.ts';
import {
  type AgentObject,
  type BundleObject,
  CATALOG_ENTRY,
  type CatalogEntry,
  type DeploymentObject,
  type EscalationPolicyObject,
  type RolloutObject,
  TASK_CONSUMER,
  type TaskConsumerObject,
} from '../catalog/objects.ts';
import type { OpenRuns, VersionLook } from '../catalog/versions.ts';
import { type Caches, type Controller, planned } from '../controller/controller.ts';
import { type AgentObserved, planAgent } from './plan.ts';
import type { PodSettings } from './workers.ts';

export function agentController(
  settings: PodSettings,
  versions: VersionLook,
  perform: (command: BusCommand) => Promise<void>,
): Controller {
  return planned<AgentObserved, BusCommand>({
    name: 'agent',
    root: AGENT,
    fenced: true,
    owns: [DEPLOYMENT, SERVICE_ACCOUNT],
    indexes: [
      { resource: AGENT, name: 'policy', values: (agent: AgentObject) => policyRef(agent) },
      { resource: AGENT, name: 'tool', values: (agent: AgentObject) => toolRefs(agent) },
      { resource: BUNDLE_ROLLOUT, name: 'agent', values: (rollout: RolloutObject) => [rolloutAgent(rollout)] },
      { resource: DEPLOYMENT, name: 'agent', values: (deployment: DeploymentObject) => agentLabel(deployment) },
    ],
    watches: [
      { resource: BUNDLE, map: ({ metadata, spec }: BundleObject) => [keyIn(metadata.namespace, spec.agent)] },
      {
        resource: ESCALATION_POLICY,
        map: ({ metadata }: KubeObject, caches: Caches) =>
          caches.of(AGENT).indexed('policy', `${metadata.namespace}/${metadata.name}`).map(keyOf),
      },
      {
        resource: TOOL,
        map: ({ metadata }: KubeObject, caches: Caches) =>
          caches.of(AGENT).indexed('tool', `${metadata.namespace}/${metadata.name}`).map(keyOf),
      },
      {
        resource: BUNDLE_ROLLOUT,
        map: ({ metadata, spec }: RolloutObject) => [keyIn(metadata.namespace, spec.agent)],
      },
      { resource: CATALOG_ENTRY, map: ({ metadata }: KubeObject) => agentOfEntry(metadata.name) },
      { resource: TASK_CONSUMER, map: ({ namespace, agent }: TaskConsumerObject) => [keyIn(namespace, agent)] },
      { resource: DEPLOYMENT, map: (object: DeploymentObject, caches: Caches) => servedByGateway(object, caches) },
    ],
    observe: (root, caches) => observe(root as AgentObject, caches, { settings, versions }),
    plan: planAgent,
    perform,
  });
}

const keyIn = (namespace: string | undefined, name: string): ObjectKey => ({ namespace: namespace ?? '', name });

const policyRef = ({ metadata, spec }: AgentObject): readonly string[] =>
  spec.escalationPolicyRef === undefined ? [] : [`${metadata.namespace}/${spec.escalationPolicyRef.name}`];

const toolRefs = ({ metadata, spec }: AgentObject): readonly string[] =>
  spec.permissions.map(({ tool }) => `${metadata.namespace}/${tool}`);

function agentLabel({ metadata }: KubeObject): readonly string[] {
  const agent = metadata.labels?.[label.agent];
  return agent === undefined ? [] : [`${metadata.namespace}/${agent}`];
}

const rolloutAgent = ({ metadata, spec }: RolloutObject): string => `${metadata.namespace}/${spec.agent}`;

function agentOfEntry(key: string): readonly ObjectKey[] {
  const [kind, namespace, name] = key.split('.');
  return kind === 'agent' && namespace && name ? [{ namespace, name }] : [];
}

function servedByGateway({ metadata }: KubeObject, caches: Caches): readonly ObjectKey[] {
  return metadata.name === gatewayServiceAccount ? caches.of(AGENT).list(metadata.namespace).map(keyOf) : [];
}

function observe(
  root: AgentObject,
  caches: Caches,
  { settings, versions }: { readonly settings: PodSettings; readonly versions: VersionLook },
): AgentObserved | undefined {
  const { namespace = '', name } = root.metadata;
  if (!isDeleting(root) && isNamespaceGoing(namespace, caches)) return undefined;
  const policy = root.spec.escalationPolicyRef;
  const snapshot = caches.of<CatalogEntry>(CATALOG_ENTRY).get({ name: catalogKeys.agent(namespace, name) });
  return {
    root,
    findings: findingsOf(name, { kind: 'Agent', spec: root.spec }, lookups(namespace, caches)),
    bundle: caches.of<BundleObject>(BUNDLE).get({ namespace, name: root.spec.bundleRef.name }),
    policy: policy && caches.of<EscalationPolicyObject>(ESCALATION_POLICY).get({ namespace, name: policy.name }),
    snapshot,
    deployments: caches.of<DeploymentObject>(DEPLOYMENT).indexed('agent', `${namespace}/${name}`),
    gateway: caches.of<DeploymentObject>(DEPLOYMENT).get({ namespace, name: gatewayServiceAccount }),
    rollouts: caches
      .of<RolloutObject>(BUNDLE_ROLLOUT)
      .indexed('agent', `${namespace}/${name}`)
      .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === root.metadata.uid) ?? false)
      .toSorted((left, right) => left.spec.ordinal - right.spec.ordinal),
    content: (digest) =>
      caches.of<CatalogEntry>(CATALOG_ENTRY).get({ name: catalogKeys.bundle(digest) })?.value as
        ResolvedBundle | undefined,
    consumers: caches.of<TaskConsumerObject>(TASK_CONSUMER).indexed('agent', `${namespace}/${name}`),
    ...pins(versions.bundles({ namespace, name, current: snapshot }, caches), namespace, caches),
    settings,
  };
}

function pins(
  { open, untold }: OpenRuns,
  namespace: string,
  caches: Caches,
): Pick<AgentObserved, 'pinned' | 'pinsUnknown'> {
  const bundles = caches.of<BundleObject>(BUNDLE).list(namespace);
  const pinned = [...open.keys()].map(
    (digest) => [digest, bundles.find(({ status }) => status?.digest === digest)] as const,
  );
  return { pinned: new Map(pinned), pinsUnknown: untold.length > 0 };
}
