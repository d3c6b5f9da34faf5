// Owns: small valid objects of our kinds, for tests of plans. Each takes what differs.
import type { RunSummary } from '../../api/messages/history.ts';
import type { PartitionStatus } from '../../api/messages/status.ts';
import { apiVersion } from '../../api/schema.ts';
import type {
  AgentObject,
  BundleObject,
  CatalogEntry,
  DecisionObject,
  DeploymentObject,
  EscalationObject,
  EscalationPolicyObject,
  ModelObject,
  ToolObject,
  WorkflowObject,
  WorkflowRunObject,
} from '../../operator/catalog/objects.ts';
import type { ObjectMeta } from '../../ports/kube.ts';

interface Differing<Spec, Status> {
  readonly metadata?: Partial<ObjectMeta>;
  readonly spec?: Partial<Spec>;
  readonly status?: Status;
}

function maker<T extends { readonly spec: object; readonly status?: unknown }>(kind: string, spec: T['spec']) {
  return (name: string, differing: Differing<T['spec'], T['status']> = {}): T =>
    ({
      apiVersion,
      kind,
      metadata: {
        name,
        namespace: 'demo',
        uid: `uid-${name}`,
        generation: 1,
        resourceVersion: '1',
        creationTimestamp: '2026-11-23T08:00:00Z',
        finalizers: [`signalbox.dev/${kind.toLowerCase()}`],
        ...differing.metadata,
      },
      spec: { ...spec, ...differing.spec },
      ...(differing.status === undefined ? {} : { status: differing.status }),
    }) as unknown as T;
}

export const tool = maker<ToolObject>('Tool', {
  description: 'Finds a patient.',
  http: { url: 'http://clinic-tools/find' },
  input: { type: 'object' },
  effect: 'read',
});

export const model = maker<ModelObject>('Model', { scripted: { replies: [{ text: 'Hello.' }] } });

export const bundle = maker<BundleObject>('Bundle', {
  agent: 'receptionist',
  prompts: { executor: { text: 'Do it.' } },
  models: { start: 'small' },
  tools: ['find-patient'],
  verifier: { rules: [{ name: 'is-there', cel: 'true' }] },
});

export const agent = maker<AgentObject>('Agent', {
  role: 'Answers calls.',
  bundleRef: { name: 'receptionist-1' },
  permissions: [{ tool: 'find-patient', mode: 'read' }],
});

export const policy = maker<EscalationPolicyObject>('EscalationPolicy', {
  rules: [{ name: 'unsure', signal: 'lowConfidence', below: '0.6', action: 'humanQueue', queue: 'desk' }],
  queues: [{ name: 'desk', deadline: '15m' }],
});

export const workflow = maker<WorkflowObject>('Workflow', {
  input: { type: 'object' },
  start: 'talk',
  states: {
    talk: {
      type: 'task',
      agent: 'receptionist',
      goal: 'Talk.',
      timeout: '1m',
      backup: 'none',
      exits: { error: 'failed', timeout: 'failed' },
    },
    done: { type: 'terminal', outcome: 'success' },
    failed: { type: 'terminal', outcome: 'failed' },
  },
  transitions: [{ from: 'talk', to: 'done' }],
});

export const workflowRun = maker<WorkflowRunObject>('WorkflowRun', { workflowRef: { name: 'calls' } });

export const digestA = `sha256:${'a'.repeat(64)}`;
export const digestB = `sha256:${'b'.repeat(64)}`;

export const escalation = maker<EscalationObject>('Escalation', {
  id: 'run1-1',
  run: 'run1',
  workflow: 'calls',
  state: 'talk',
  signal: 'approval',
  action: 'approval',
  queue: 'desk',
  question: 'May it?',
  digest: digestA,
  requestedBy: 'ann',
  openedAt: '2026-11-23T08:00:00.000Z',
  deadline: '2026-11-23T08:15:00.000Z',
});

export const decision = maker<DecisionObject>('Decision', {
  escalationRef: { name: 'run1-1' },
  option: 'approve',
  reason: 'Looks right.',
  digest: digestA,
  queue: 'desk',
  decidedBy: 'bob',
});

export function deployment(
  name: string,
  differing: Partial<Omit<DeploymentObject, 'metadata'>> & { readonly metadata?: Partial<ObjectMeta> } = {},
): DeploymentObject {
  const { metadata, ...rest } = differing;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'demo', uid: `uid-${name}`, ...metadata },
    ...rest,
  };
}

export const entry = (key: string, value: unknown, revision = 1): CatalogEntry => ({
  apiVersion: 'bus.signalbox.dev/v1',
  kind: 'CatalogEntry',
  metadata: { name: key, resourceVersion: String(revision) },
  value,
});

export const runSummary = (differing: Partial<RunSummary> = {}): RunSummary => ({
  run: 'run1',
  namespace: 'demo',
  workflow: 'calls',
  workflowDigest: digestA,
  pins: {},
  requestedBy: 'ann',
  source: 'object',
  status: 'Running',
  state: 'talk',
  message: 'Agent receptionist works.',
  costMicros: 10,
  effects: 0,
  attempts: 1,
  repairs: 0,
  escalations: 0,
  route: 'primary',
  startedAt: Date.parse('2026-11-23T08:00:00Z'),
  seq: 3,
  ...differing,
});

export const partitionStatus = (partition: number, differing: Partial<PartitionStatus> = {}): PartitionStatus => ({
  partition,
  engine: 'engine-a',
  runs: { Running: 1, Waiting: 2, Frozen: 0, Closed: 9 },
  parked: 0,
  tasks: { waiting: 0, claimed: 1 },
  fullness: 0.1,
  tenants: [],
  ...differing,
});
