// Owns: the grammar of NATS subjects, streams and buckets. A subject token is a DNS label or base62, so nothing needs escaping.
//
// Account CONTROL (operator, engine, gateway only):
//   journal.<partition>                              stream JOURNAL_<partition>: commit records
//   checkpoint.<partition>                           stream CHECKPOINT_<partition>: folded states, in place of old records
//   archive.<partition>                              stream ARCHIVE_<partition>: histories that have left the journal
//   ledger.<ns>.<run>.<key>                          stream LEDGER: effects, compare-and-set per subject
//   deadletter.<ns>.<group>.<id>                     stream DEADLETTERS: what was given up, compare-and-set per subject
//   evidence.<rollout>                               stream EVIDENCE: what verdicts rest on, compare-and-set per subject
//   engine.<partition>.<verb>                        request/reply to the owner of a partition
//   buckets: catalog (what operators resolved), owners (leases), witness (where journals end), runs, escalations and versions (projections), spend, limits (calls per minute), schedules (where each stands), inbox (bus events kept for waits), assignments (which arm of a rollout each key has); objects: blobs
// Account WORK (workers, and the engine's and gateway's second connection):
//   task.<ns>.<agent>.<bundle>                       stream TASKS: work queue in memory; a task is a hint, never evidence
//   ask.<ns>.<agent>.<bundle>.engine.<partition>.<verb>   worker asks the engine   (identity stamped by permissions)
//   ask.<ns>.<agent>.<bundle>.gateway.<verb>              worker asks the gateway
//   (in both, `_asks` in the place of a verb: several asks of one moment, each with its verb; adapters/nats/envelope.ts)
//   start.<ns>.<workflow>                            request: starts a run, answered after the commit
//   signal.<ns>.<run>.<name>                         request: a signal to a run, answered after the commit, or (`waitMs`) at its end
//   event.<ns>.<subject…>                            stream EVENTS: bus events

export const streams = {
  ledger: 'LEDGER',
  tasks: 'TASKS',
  events: 'EVENTS',
  deadLetters: 'DEADLETTERS',
  evidence: 'EVIDENCE',
} as const;
/** `rollout`: uid of the BundleRollout. */
export const evidenceSubject = (rollout: string): string => `evidence.${rollout}`;
export const buckets = {
  catalog: 'catalog',
  owners: 'owners',
  runs: 'runs',
  versions: 'versions',
  escalations: 'escalations',
  spend: 'spend',
  limits: 'limits',
  schedules: 'schedules',
  inbox: 'inbox',
  keys: 'keys',
  witness: 'witness',
  projected: 'projected',
  assignments: 'assignments',
} as const;
export const objectStore = 'blobs';

export const engineVerbs = [
  'start',
  'cancel',
  'decide',
  'authorize',
  'deliver',
  'signal',
  'show',
  'history',
  'list',
  'await',
  'freeze',
  'resume',
  'readonly',
  'child',
  'child-closed',
  'project',
  'tenant',
  'status',
  'outcomes',
] as const;
export type EngineVerb = (typeof engineVerbs)[number];
export const workerEngineVerbs = ['claim', 'turn', 'complete', 'fail', 'heartbeat'] as const;
export type WorkerEngineVerb = (typeof workerEngineVerbs)[number];
export const gatewayVerbs = ['model', 'tool', 'verify'] as const;
export type GatewayVerb = (typeof gatewayVerbs)[number];

export const journalStream = (partition: number): string => `JOURNAL_${partition}`;
export const journalSubject = (partition: number): string => `journal.${partition}`;
export const checkpointStream = (partition: number): string => `CHECKPOINT_${partition}`;
export const checkpointSubject = (partition: number): string => `checkpoint.${partition}`;
export const archiveStream = (partition: number): string => `ARCHIVE_${partition}`;
export const archiveSubject = (partition: number): string => `archive.${partition}`;
export const ledgerSubject = (namespace: string, run: string, key: string): string =>
  `ledger.${namespace}.${run}.${key}`;
/** `*` for every group, or for every letter of one. What has no namespace is under `_`. */
export const deadLetterSubject = (namespace: string, group: string, id: string): string =>
  `deadletter.${namespace || '_'}.${group}.${id}`;
export const engineSubject = (partition: number, verb: EngineVerb): string => `engine.${partition}.${verb}`;

/** What the owner of a partition subscribes to, and the verb in a subject of it; undefined when there is no such verb. */
export const engineRequests = (partition: number): string => `engine.${partition}.*`;
export function engineVerbOf(subject: string): EngineVerb | undefined {
  const verb = subject.slice(subject.lastIndexOf('.') + 1);
  return engineVerbs.find((known) => known === verb);
}

/** First 12 hex digits of a bundle digest (`sha256:<hex>`): the subject token and label of a bundle. */
export const bundleToken = (digest: string): string => digest.replace(/^sha256:/, '').slice(0, 12);

export const taskSubject = (namespace: string, agent: string, bundleDigest: string): string =>
  `task.${namespace}.${agent}.${bundleToken(bundleDigest)}`;
/** Name of the durable pull consumer of one Agent × Bundle; only the operator creates it. */
export const taskConsumer = (namespace: string, agent: string, bundleDigest: string): string =>
  `${namespace}_${agent}_${bundleToken(bundleDigest)}`;

/** A worker's identity, as its NATS permissions stamp it into each subject it may publish. */
export interface WorkerIdentity {
  readonly namespace: string;
  readonly agent: string;
  readonly bundle: string;
}
const askPrefix = ({ namespace, agent, bundle }: WorkerIdentity): string => `ask.${namespace}.${agent}.${bundle}`;
export const askEngine = (worker: WorkerIdentity, partition: number, verb: WorkerEngineVerb): string =>
  `${askPrefix(worker)}.engine.${partition}.${verb}`;
export const askGateway = (worker: WorkerIdentity, verb: GatewayVerb): string => `${askPrefix(worker)}.gateway.${verb}`;
export const askWildcard = (worker: WorkerIdentity): string => `${askPrefix(worker)}.>`;

/** What an engine serving `partition` subscribes to, and what a gateway of `namespace` does. */
export const engineAsks = (partition: number): string => `ask.*.*.*.engine.${partition}.*`;
export const gatewayAsks = (namespace: string): string => `ask.${namespace}.*.*.gateway.*`;

/** Identity and verb of an ask's subject; undefined when it is not one. */
export function parseAsk(subject: string): { readonly worker: WorkerIdentity; readonly verb: string } | undefined {
  const [ask, namespace, agent, bundle, role, ...rest] = subject.split('.');
  const verb = rest.at(-1);
  if (ask !== 'ask' || !namespace || !agent || !bundle || !verb) return undefined;
  if (role !== 'engine' && role !== 'gateway') return undefined;
  return { worker: { namespace, agent, bundle }, verb };
}

export const startSubject = (namespace: string, workflow: string): string => `start.${namespace}.${workflow}`;
export const signalSubject = (namespace: string, run: string, signal: string): string =>
  `signal.${namespace}.${run}.${signal}`;
export const eventSubject = (namespace: string, subject: string): string => `event.${namespace}.${subject}`;

export const catalogKeys = {
  agent: (namespace: string, name: string): string => `agent.${namespace}.${name}`,
  bundle: (digest: string): string => `bundle.${digest.replace(/^sha256:/, '')}`,
  workflow: (namespace: string, name: string): string => `workflow.${namespace}.${name}`,
  tenant: (namespace: string): string => `tenant.${namespace}`,
  workflowAt: (digest: string): string => `workflow-at.${digest.replace(/^sha256:/, '')}`,
} as const;

/** Default number of partitions; fixed at install. */
export const defaultPartitions = 4;

/** Audience of the projected service-account tokens with which pods prove to NATS who they are. */
export const natsAudience = 'signalbox-nats';
export type NatsAccount = 'CONTROL' | 'WORK';

/** Where a pod receives replies: nobody else may listen there. */
export const inboxPrefix = (namespace: string, pod: string): string => `_INBOX.${namespace}.${pod}`;

/** What a worker listens to as long as its connection is there: below its own inbox, where nobody else may listen. */
export const presenceSubject = (namespace: string, worker: string): string =>
  `${inboxPrefix(namespace, worker)}.present`;

export const agentServiceAccount = (agent: string): string => `signalbox-agent-${agent}`;
export const gatewayServiceAccount = 'signalbox-gateway';
