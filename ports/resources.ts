// Owns: how each kind Signalbox reads or writes is named at the API server.
import type { KubeObject, ObjectKey, Resource } from './kube.ts';

const namespaced = (group: string, version: string, kind: string, plural: string): Resource => ({
  group,
  version,
  plural,
  kind,
  namespaced: true,
});
const clusterWide = (group: string, version: string, kind: string, plural: string): Resource => ({
  ...namespaced(group, version, kind, plural),
  namespaced: false,
});

export const POD = namespaced('', 'v1', 'Pod', 'pods');
export const CONFIG_MAP = namespaced('', 'v1', 'ConfigMap', 'configmaps');
export const SECRET = namespaced('', 'v1', 'Secret', 'secrets');
export const SERVICE = namespaced('', 'v1', 'Service', 'services');
/** A token is requested with `kube.post(SERVICE_ACCOUNT, key, 'token', body)`. */
export const SERVICE_ACCOUNT = namespaced('', 'v1', 'ServiceAccount', 'serviceaccounts');
export const NAMESPACE = clusterWide('', 'v1', 'Namespace', 'namespaces');
export const NODE = clusterWide('', 'v1', 'Node', 'nodes');
export const DEPLOYMENT = namespaced('apps', 'v1', 'Deployment', 'deployments');
export const LEASE = namespaced('coordination.k8s.io', 'v1', 'Lease', 'leases');
export const EVENT = namespaced('events.k8s.io', 'v1', 'Event', 'events');
export const ROLE = namespaced('rbac.authorization.k8s.io', 'v1', 'Role', 'roles');
export const ROLE_BINDING = namespaced('rbac.authorization.k8s.io', 'v1', 'RoleBinding', 'rolebindings');
export const TOKEN_REVIEW = clusterWide('authentication.k8s.io', 'v1', 'TokenReview', 'tokenreviews');
export const SELF_SUBJECT_REVIEW = clusterWide(
  'authentication.k8s.io',
  'v1',
  'SelfSubjectReview',
  'selfsubjectreviews',
);
export const SELF_SUBJECT_ACCESS_REVIEW = clusterWide(
  'authorization.k8s.io',
  'v1',
  'SelfSubjectAccessReview',
  'selfsubjectaccessreviews',
);
export const CUSTOM_RESOURCE_DEFINITION = clusterWide(
  'apiextensions.k8s.io',
  'v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
);

/** The group of every kind of ours. */
export const SIGNALBOX_GROUP = 'signalbox.dev';
const ours = (kind: string, plural: string): Resource => namespaced(SIGNALBOX_GROUP, 'v1alpha1', kind, plural);

export const AGENT = ours('Agent', 'agents');
export const BUNDLE = ours('Bundle', 'bundles');
export const TOOL = ours('Tool', 'tools');
export const MODEL = ours('Model', 'models');
export const WORKFLOW = ours('Workflow', 'workflows');
export const WORKFLOW_RUN = ours('WorkflowRun', 'workflowruns');
export const ESCALATION_POLICY = ours('EscalationPolicy', 'escalationpolicies');
export const ESCALATION = ours('Escalation', 'escalations');
export const DECISION = ours('Decision', 'decisions');
export const BUNDLE_ROLLOUT = ours('BundleRollout', 'bundlerollouts');
export const ROLLOUT_COMMAND = ours('RolloutCommand', 'rolloutcommands');

/** `apps/v1`, or `v1` for the core group: what an object of the kind carries as apiVersion. */
export function apiVersionOf(resource: Resource): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

/** The key of an object. */
export function keyOf(object: KubeObject): ObjectKey {
  const { namespace, name } = object.metadata;
  return namespace === undefined ? { name } : { namespace, name };
}

/** `namespace/name`, or `name` for cluster-wide kinds: unique within a kind. */
export function keyText(key: ObjectKey): string {
  return key.namespace === undefined ? key.name : `${key.namespace}/${key.name}`;
}

/** `deployments.apps demo/receptionist`, for messages. */
export function describe(resource: Resource, key: ObjectKey | undefined): string {
  const kind = resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
  return key === undefined ? kind : `${kind} ${keyText(key)}`;
}
