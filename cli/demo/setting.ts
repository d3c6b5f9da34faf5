// Owns: the clinic at the control plane: its namespace, its server, its manifests, and the wait until all of it is ready.
import { join } from 'node:path';
import type { AgentStatus } from '../../api/v1alpha1/agent.ts';
import type { WorkflowStatus } from '../../api/v1alpha1/workflow.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { AGENT, DEPLOYMENT, WORKFLOW } from '../../ports/resources.ts';
import { span } from '../output/quantity.ts';
import { breakNextAnswer } from './clinic.ts';
import { applyAll, readManifests } from './manifests.ts';
import { eventually, namespace, type Stage } from './stage.ts';

interface AgentObject extends KubeObject {
  readonly status?: AgentStatus;
}
interface WorkflowObject extends KubeObject {
  readonly status?: WorkflowStatus;
}
interface DeploymentObject extends KubeObject {
  readonly status?: { readonly readyReplicas?: number };
}

const readyMs = 90_000;

/** Applies the clinic and waits until all of it is ready; resolves with the number of ready Agents. */
export async function setUpClinic(stage: Stage, folder: string): Promise<number> {
  const { board, host } = stage;
  const began = host.clock.now();
  const apply = `kubectl apply --server-side -n ${namespace}`;
  const examples = 'examples/clinic';
  board.heading('2  The clinic', `${apply} -f ${examples}/server.yaml`, `${apply} -R -f ${examples}/manifests`);
  const objects = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    ...(await readManifests(join(folder, 'server.yaml'))),
    ...(await readManifests(join(folder, 'manifests'))),
  ];
  await eventually(stage, { expected: 'the manifests of the clinic to be applied', withinMs: 30_000 }, async () => {
    await applyAll(stage.kube, namespace, objects);
    return true;
  });
  board.show('applied', counted(objects), 'green');
  const agents = objects.filter((object) => object.kind === AGENT.kind).length;
  const workflows = objects.filter((object) => object.kind === WORKFLOW.kind).length;
  await Promise.all([waitAgents(stage, agents), waitWorkflows(stage, workflows), waitServer(stage)]);
  board.show('ready', `all of it, ${span(host.clock.now() - began)} after the apply`, 'green');
  return agents;
}

async function waitAgents(stage: Stage, count: number): Promise<void> {
  const wait = { expected: `${count} Agents Ready`, withinMs: readyMs };
  await eventually(stage, wait, async () => {
    const { items } = await stage.kube.list<AgentObject>(AGENT, { namespace });
    const waiting = items.filter((agent) => !isTrue(agent, 'Ready'));
    const ready = items.length - waiting.length;
    const names = waiting.map((agent) => agent.metadata.name).join(', ');
    const all = ready === count && waiting.length === 0;
    stage.board.show(
      'agents',
      `${ready}/${count} ready${names === '' ? '' : `, waiting for ${names}`}`,
      all ? 'green' : undefined,
    );
    if (all) return true;
    throw new Error(waiting.map((agent) => `${agent.metadata.name}: ${saying(agent)}`).join('; ') || `${ready} Agents`);
  });
}

async function waitWorkflows(stage: Stage, count: number): Promise<void> {
  const wait = { expected: `${count} Workflows Ready`, withinMs: readyMs };
  await eventually(stage, wait, async () => {
    const { items } = await stage.kube.list<WorkflowObject>(WORKFLOW, { namespace });
    const waiting = items.filter((workflow) => !isTrue(workflow, 'Ready'));
    const all = items.length === count && waiting.length === 0;
    stage.board.show('workflows', `${items.length - waiting.length}/${count} ready`, all ? 'green' : undefined);
    if (all) return true;
    throw new Error(waiting.map((workflow) => `${workflow.metadata.name}: ${saying(workflow)}`).join('; '));
  });
}

async function waitServer(stage: Stage): Promise<void> {
  await eventually(stage, { expected: 'Deployment clinic-tools ready', withinMs: readyMs }, async () => {
    const found = await stage.kube.get<DeploymentObject>(DEPLOYMENT, { namespace, name: 'clinic-tools' });
    if ((found?.status?.readyReplicas ?? 0) > 0) return true;
    throw new Error('no Pod of it is ready');
  });
  const broken = 'send-receipt';
  await eventually(stage, { expected: 'a fault to be set at clinic-tools', withinMs: readyMs }, async () => {
    await breakNextAnswer(stage, broken);
    return true;
  });
  stage.board.show('server', `clinic-tools answers; ${broken} will act and not answer, once`, 'green');
}

type Conditioned = KubeObject & { readonly status?: Pick<AgentStatus, 'conditions'> };

const isTrue = (object: Conditioned, type: string): boolean =>
  (object.status?.conditions ?? []).some((condition) => condition.type === type && condition.status === 'True');

function saying(object: Conditioned): string {
  const ready = object.status?.conditions?.find((condition) => condition.type === 'Ready');
  return ready === undefined ? 'no condition yet' : `${ready.reason}: ${ready.message}`;
}

/** `7 Agents, 7 Bundles, …` in order of the kinds that matter to people. */
function counted(objects: readonly KubeObject[]): string {
  const kinds = ['Agent', 'Bundle', 'Tool', 'Model', 'Workflow', 'Policy'];
  return kinds
    .map((kind) => {
      const count = objects.filter((object) => object.kind.endsWith(kind)).length;
      return `${count} ${kind === 'Policy' ? 'policies' : `${kind}s`}`;
    })
    .join(', ');
}
