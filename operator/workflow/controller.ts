// Owns: what a Workflow's plan looks at.
import type { ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { SchedulePosition } from '../../api/messages/schedule.ts';
import { catalogKeys } from '../../api/messages/subjects.ts';
import { childWorkflows } from '../../core/admission/references.ts';
import { agentsOfStates, neededAgents } from '../../core/catalog/entries.ts';
import type { KubeObject, ObjectKey } from '../../ports/kube.ts';
import { AGENT, ESCALATION_POLICY, keyOf, TOOL, WORKFLOW } from '../../ports/resources.ts';
import type { BusCommand } from '../catalog/commands.ts';
import { findingsOf, isNamespaceGoing, lookups } from '../catalog/findings.ts';
import {
  type AgentObject,
  CATALOG_ENTRY,
  type CatalogEntry,
  type EscalationPolicyObject,
  SCHEDULE_RECORD,
  type ScheduleRecord,
  type WorkflowObject,
} from '../catalog/objects.ts';
import type { VersionLook } from '../catalog/versions.ts';
import { type Caches, type Controller, planned } from '../controller/controller.ts';
import { planWorkflow, type WorkflowObserved } from './plan.ts';

export function workflowController(versions: VersionLook, perform: (command: BusCommand) => Promise<void>): Controller {
  const namedBy = (index: string) => (object: KubeObject, caches: Caches) =>
    caches.of(WORKFLOW).indexed(index, inNamespace(object, object.metadata.name)).map(keyOf);
  return planned<WorkflowObserved, BusCommand>({
    name: 'workflow',
    root: WORKFLOW,
    fenced: true,
    indexes: [
      { resource: WORKFLOW, name: 'agent', values: (workflow: WorkflowObject) => agentRefs(workflow) },
      { resource: WORKFLOW, name: 'tool', values: (workflow: WorkflowObject) => toolRefs(workflow) },
      { resource: WORKFLOW, name: 'runs-others', values: (workflow: WorkflowObject) => parentOf(workflow) },
      {
        resource: SCHEDULE_RECORD,
        name: 'workflow',
        values: ({ metadata }: ScheduleRecord) => [`${metadata.namespace}/${placeOf(metadata.name).workflow}`],
      },
      { resource: CATALOG_ENTRY, name: 'workflow', values: (entry: CatalogEntry) => versionOf(entry) },
    ],
    watches: [
      { resource: AGENT, map: namedBy('agent') },
      { resource: TOOL, map: namedBy('tool') },
      // A workflow that comes, goes or changes may complete, break or close a circle of those that run others.
      {
        resource: WORKFLOW,
        map: ({ metadata }: KubeObject, caches) =>
          caches
            .of(WORKFLOW)
            .indexed('runs-others', metadata.namespace ?? '')
            .map(keyOf),
      },
      // A policy may name agents of its own, and an agent's policy has queues for its states.
      {
        resource: ESCALATION_POLICY,
        map: ({ metadata }: KubeObject, caches) => caches.of(WORKFLOW).list(metadata.namespace).map(keyOf),
      },
      {
        resource: SCHEDULE_RECORD,
        map: ({ metadata }: KubeObject) => [
          { namespace: metadata.namespace ?? '', name: placeOf(metadata.name).workflow },
        ],
      },
      { resource: CATALOG_ENTRY, map: (entry: CatalogEntry) => workflowOfEntry(entry) },
    ],
    observe: (root, caches) => observe(root as WorkflowObject, caches, versions),
    plan: planWorkflow,
    perform,
  });
}

const inNamespace = ({ metadata }: KubeObject, name: string): string => `${metadata.namespace}/${name}`;

const agentRefs = (workflow: WorkflowObject): readonly string[] =>
  agentsOfStates(workflow.spec).map((name) => inNamespace(workflow, name));

const toolRefs = (workflow: WorkflowObject): readonly string[] =>
  Object.values(workflow.spec.states)
    .flatMap(({ tools }) => tools ?? [])
    .map((name) => inNamespace(workflow, name));

const parentOf = ({ metadata, spec }: WorkflowObject): readonly string[] =>
  childWorkflows(spec).length === 0 ? [] : [metadata.namespace ?? ''];

function versionOf({ metadata, value }: CatalogEntry): readonly string[] {
  if (!metadata.name.startsWith('workflow-at.')) return [];
  const { namespace, name } = value as ResolvedWorkflow;
  return [`${namespace}/${name}`];
}

function workflowOfEntry({ metadata, value }: CatalogEntry): readonly ObjectKey[] {
  if (!metadata.name.startsWith('workflow')) return [];
  const { namespace, name } = value as ResolvedWorkflow;
  return [{ namespace, name }];
}

function observe(root: WorkflowObject, caches: Caches, versions: VersionLook): WorkflowObserved {
  const { namespace = '', name } = root.metadata;
  const policyRef = root.spec.escalationPolicyRef;
  const policy =
    policyRef && caches.of<EscalationPolicyObject>(ESCALATION_POLICY).get({ namespace, name: policyRef.name });
  const current = caches.of<CatalogEntry>(CATALOG_ENTRY).get({ name: catalogKeys.workflow(namespace, name) });
  return {
    root,
    findings: findingsOf(name, { kind: 'Workflow', spec: root.spec }, lookups(namespace, caches)),
    policy,
    agents: agentsFor(root, policy, caches),
    current,
    versions: caches.of<CatalogEntry>(CATALOG_ENTRY).indexed('workflow', `${namespace}/${name}`),
    runs: versions.workflows({ namespace, name, current }, caches),
    positions: positionsOf(namespace, name, caches),
    namespaceGoing: isNamespaceGoing(namespace, caches),
  };
}

/** A workflow has no dot in its name; a schedule has none either. */
function placeOf(record: string): { readonly workflow: string; readonly schedule: string } {
  const [workflow = '', schedule = ''] = record.split('.');
  return { workflow, schedule };
}

function positionsOf(namespace: string, workflow: string, caches: Caches): ReadonlyMap<string, SchedulePosition> {
  const found = caches.of<ScheduleRecord>(SCHEDULE_RECORD).indexed('workflow', `${namespace}/${workflow}`);
  return new Map(found.map(({ metadata, value }) => [placeOf(metadata.name).schedule, value]));
}

function agentsFor(
  { metadata, spec }: WorkflowObject,
  policy: EscalationPolicyObject | undefined,
  caches: Caches,
): Readonly<Record<string, AgentObject | undefined>> {
  const namespace = metadata.namespace ?? '';
  const agentOf = (name: string) => caches.of<AgentObject>(AGENT).get({ namespace, name });
  const policyOf = (agent: string) => {
    const name = agentOf(agent)?.spec.escalationPolicyRef?.name;
    return name === undefined
      ? undefined
      : caches.of<EscalationPolicyObject>(ESCALATION_POLICY).get({ namespace, name })?.spec;
  };
  return Object.fromEntries(neededAgents(spec, policy?.spec, policyOf).map((name) => [name, agentOf(name)]));
}
