// Owns: the clinic's smaller sister: agents, tools, bundles and workflows that the worlds are made of. Times are short, so that
// deadlines, expiries and retries all happen within a minute of virtual time.
import type { AgentSnapshot, ResolvedBundle, ResolvedPolicy, ResolvedWorkflow } from '../../api/messages/catalog.ts';
import { catalogKeys } from '../../api/messages/subjects.ts';
import type { Permission } from '../../api/v1alpha1/agent.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { dueRun } from '../../core/schedule/plan.ts';
import type { Rules } from '../../core/invariants/facts.ts';

export const namespace = 'ns';

const input = {
  type: 'object',
  required: ['ref'],
  properties: { ref: { type: 'string' }, amount: { type: 'integer' }, idempotencyKey: { type: 'string' } },
} as unknown as ToolSpec['input'];
const tool = (fields: Partial<ToolSpec> & Pick<ToolSpec, 'effect'>): ToolSpec => ({
  description: 'A tool.',
  http: { url: 'http://tool/' },
  input,
  limits: { timeout: '2s' },
  ...fields,
});

export const tools: Readonly<Record<string, ToolSpec>> = {
  lookup: tool({ effect: 'read' }),
  noted: tool({ effect: 'read' }),
  refunded: tool({ effect: 'read' }),
  book: tool({ effect: 'idempotentWrite', idempotency: { header: 'Idempotency-Key' } }),
  note: tool({ effect: 'write', onAmbiguous: { query: { tool: 'noted', by: 'idempotencyKey' } } }),
  refund: tool({ effect: 'write', onAmbiguous: { query: { tool: 'refunded', by: 'arguments' } } }),
  charge: tool({ effect: 'irreversible', onAmbiguous: { escalate: true } }),
};

const permissions: Readonly<Record<string, readonly Permission[]>> = {
  clerk: [
    { tool: 'lookup', mode: 'read' },
    { tool: 'book', mode: 'write' },
    { tool: 'note', mode: 'write' },
    { tool: 'charge', mode: 'read' },
  ],
  payer: [
    { tool: 'lookup', mode: 'read' },
    { tool: 'charge', mode: 'write' },
    { tool: 'refund', mode: 'approve', queue: 'desk' },
    { tool: 'note', mode: 'recommendOnly' },
  ],
  helper: [
    { tool: 'book', mode: 'write' },
    { tool: 'note', mode: 'write' },
  ],
  expert: [{ tool: 'note', mode: 'write' }],
};

const prices = { currency: 'EUR', inputPerMillion: 1_000_000, outputPerMillion: 1_000_000 } as const;
const model: ModelSpec = { endpoint: { url: 'http://model/', model: 'm' }, prices } as unknown as ModelSpec;

const bundleSpec = (agent: string, more: Partial<BundleSpec>): BundleSpec => ({
  agent,
  prompts: { executor: { text: 'Work.' }, verifier: { text: 'Judge.' } },
  models: { start: 'small', backup: 'large' },
  tools: (permissions[agent] ?? []).map((permission) => permission.tool),
  verifier: { rules: [{ name: 'says', cel: 'has(result.ok)' }] },
  policy: { confidenceFrom: 'reported', maxTurns: 8, maxRepairs: 1 },
  ...more,
});

function bundleOf(agent: string, more: Partial<BundleSpec> = {}): ResolvedBundle {
  const spec = bundleSpec(agent, more);
  const pinned = Object.entries(tools).map(
    ([name, contract]) => [name, { digest: `t-${name}`, spec: contract }] as const,
  );
  return {
    namespace,
    name: `${agent}-1`,
    agent,
    digest: digest({ agent, spec }),
    spec,
    tools: Object.fromEntries(pinned),
    models: Object.fromEntries(['small', 'large', 'judge'].map((name) => [name, { digest: `m-${name}`, spec: model }])),
  };
}

const judged = { verifier: { rules: [{ name: 'says', cel: 'has(result.ok)' }], model: 'judge' } };
export const bundles: Readonly<Record<string, ResolvedBundle>> = {
  clerk: bundleOf('clerk', judged),
  payer: bundleOf('payer'),
  helper: bundleOf('helper', judged),
  expert: bundleOf('expert', { policy: { confidenceFrom: 'reported', confidenceFloor: '0.4' } }),
};

const agents: readonly AgentSnapshot[] = Object.entries(permissions).map(([name, granted]) => ({
  namespace,
  name,
  role: 'Works.',
  generation: 1,
  permissions: granted,
  bundle: `${name}-1`,
  bundleDigest: bundles[name]?.digest ?? '',
}));

const policy: ResolvedPolicy = {
  name: 'policy',
  spec: {
    rules: [
      { name: 'unsure', signal: 'lowConfidence', below: '0.5', action: 'approval', queue: 'desk' },
      { name: 'stuck', signal: 'repeatedRetries', atLeast: 5, action: 'fallbackWorkflow', workflow: 'callback' },
      { name: 'slow', signal: 'abnormalLatency', above: '15s', action: 'backupRoute' },
      { name: 'doubted', signal: 'verifierReject', atLeast: 2, action: 'humanQueue', queue: 'night' },
      { name: 'again', signal: 'loop', atLeast: 3, action: 'specialist', agent: 'expert' },
      { name: 'flagged', signal: 'redFlag', patterns: ['chest pain'], action: 'freeze', queue: 'emergency' },
      { name: 'dear', signal: 'budget', percent: 70, action: 'readOnly' },
      { name: 'denied', signal: 'permissionDenied', atLeast: 2, action: 'humanQueue', queue: 'desk', mode: 'observe' },
    ],
    queues: [
      { name: 'desk', deadline: '20s' },
      { name: 'night', deadline: '8s', onExpiry: { next: 'desk' } },
      { name: 'emergency', deadline: '8s', onExpiry: { fallbackWorkflow: 'callback' } },
    ],
  },
};

const output = {
  type: 'object',
  required: ['ok'],
  properties: { ok: { type: 'boolean' }, again: { type: 'boolean' }, confidence: { type: 'number' } },
} as unknown as WorkflowState['output'];
const task = (agent: string, names: readonly string[], more: Partial<WorkflowState> = {}): WorkflowState => ({
  type: 'task',
  agent,
  goal: 'Do it.',
  output,
  tools: [...names],
  timeout: '40s',
  retry: { max: 1, backoff: '500ms' },
  backup: 'none',
  exits: { error: 'failed', timeout: 'late' },
  ...more,
});
const ends: WorkflowSpec['states'] = {
  done: { type: 'terminal', outcome: 'success' },
  failed: { type: 'terminal', outcome: 'failed' },
  late: { type: 'terminal', outcome: 'handedOver' },
  refused: { type: 'terminal', outcome: 'refused' },
};

type Flow = Partial<WorkflowSpec> & Pick<WorkflowSpec, 'start' | 'states' | 'transitions'>;
const flows: Readonly<Record<string, Flow>> = {
  order: {
    start: 'work',
    states: {
      work: task('clerk', ['book', 'note'], { backup: 'helper' }),
      pay: task('payer', ['charge']),
    },
    transitions: [
      { from: 'work', when: 'facts.ok', to: 'pay' },
      { from: 'work', to: 'failed' },
      { from: 'pay', to: 'done' },
    ],
    timeout: '150s',
  },
  visit: {
    start: 'ask',
    states: {
      ask: { type: 'approval', queue: 'night', timeout: '30s', exits: { rejected: 'refused', expired: 'late' } },
      work: task('clerk', ['note'], { backup: 'helper' }),
      wait: { type: 'wait', for: { event: 'go', by: 'input.id' }, timeout: '12s', exits: { timeout: 'late' } },
      more: { type: 'wait', for: { event: 'go', by: 'input.id' }, timeout: '2s', exits: { timeout: 'done' } },
    },
    transitions: [
      { from: 'ask', to: 'work' },
      { from: 'work', to: 'wait' },
      { from: 'wait', to: 'more' },
      { from: 'more', to: 'done' },
    ],
  },
  rounds: {
    start: 'work',
    states: { work: task('clerk', ['book', 'charge']), choose: { type: 'decision' } },
    transitions: [
      { from: 'work', to: 'choose' },
      { from: 'choose', when: 'facts.again', to: 'work' },
      { from: 'choose', to: 'done' },
    ],
    timeout: '60s',
  },
  refunds: {
    start: 'work',
    states: { work: task('payer', ['refund', 'note'], { timeout: '60s' }) },
    transitions: [{ from: 'work', to: 'done' }],
  },
  risky: {
    start: 'work',
    states: {
      work: task('clerk', ['note'], { highRisk: true, override: 'emergency' }),
      look: task('helper', ['book'], { readOnly: true }),
    },
    transitions: [
      { from: 'work', to: 'look' },
      { from: 'look', to: 'done' },
    ],
  },
  pause: {
    start: 'rest',
    states: { rest: { type: 'wait', for: { duration: '2s' } }, choose: { type: 'decision' } },
    transitions: [
      { from: 'rest', to: 'choose' },
      { from: 'choose', when: 'input.amount > 5', to: 'refused' },
      { from: 'choose', to: 'done' },
    ],
    triggers: [{ event: { subject: 'order.new' } }],
    key: 'input.id',
  },
  letters: {
    start: 'pay',
    states: {
      pay: { type: 'wait', for: { signal: 'paid' }, timeout: '9s', exits: { timeout: 'late' } },
      ship: { type: 'wait', for: { signal: 'shipped' }, timeout: '9s', exits: { timeout: 'late' } },
    },
    transitions: [
      { from: 'pay', to: 'ship' },
      { from: 'ship', to: 'done' },
    ],
  },
  cheap: {
    start: 'work',
    states: { work: task('clerk', ['lookup', 'book'], { backup: 'helper', retry: { max: 2, backoff: '500ms' } }) },
    transitions: [{ from: 'work', to: 'done' }],
    budget: { perRunMicros: 35 },
  },
  trip: {
    start: 'both',
    states: {
      both: {
        type: 'parallel',
        branches: { here: { start: 'side' }, there: { workflow: 'callback', input: { id: '${input.id}' } } },
        join: 'all',
        timeout: '60s',
        exits: { error: 'undone', timeout: 'late' },
      },
      side: task('clerk', ['book'], { exits: { error: 'failed', timeout: 'failed' } }),
      held: task('helper', ['note'], { compensation: 'release', exits: { error: 'undone', timeout: 'undone' } }),
      release: {
        type: 'compensation',
        agent: 'clerk',
        goal: 'Undo it.',
        output,
        tools: ['book'],
        timeout: '30s',
        backup: 'none',
      },
      pay: task('payer', ['charge'], { exits: { error: 'undone', timeout: 'undone' } }),
      undone: { type: 'terminal', outcome: 'failed', compensate: true },
    },
    transitions: [
      { from: 'both', to: 'held' },
      { from: 'side', to: 'done' },
      { from: 'held', to: 'pay' },
      { from: 'pay', when: 'facts.ok', to: 'done' },
      { from: 'pay', to: 'undone' },
    ],
    timeout: '200s',
  },
  callback: {
    start: 'work',
    states: { work: task('helper', ['note'], { timeout: '30s' }) },
    transitions: [{ from: 'work', to: 'done' }],
  },
};

function workflowOf(name: string, flow: Flow): ResolvedWorkflow {
  const spec = {
    input: { type: 'object' },
    escalationPolicyRef: { name: 'policy' },
    ...flow,
    states: { ...flow.states, ...ends },
  } as unknown as WorkflowSpec;
  return {
    namespace,
    name,
    digest: digest({ name, spec }),
    spec,
    policy,
    agents: ['clerk', 'payer', 'helper', 'expert'],
  };
}

export const workflows: Readonly<Record<string, ResolvedWorkflow>> = Object.fromEntries(
  Object.entries(flows).map(([name, flow]) => [name, workflowOf(name, flow)]),
);
/** Those that people start. */
export const startable = ['order', 'visit', 'rounds', 'refunds', 'risky', 'pause', 'cheap', 'trip', 'letters'] as const;

/** The clock starts this one, 4 s after the beginning of the world; only some worlds know it. */
export const dueAt = 1_004_000;
const nightly = workflowOf('nightly', {
  start: 'rest',
  states: { rest: { type: 'wait', for: { duration: '1s' } } },
  transitions: [{ from: 'rest', to: 'done' }],
  triggers: [{ schedule: { cron: '44 16 0 * * *' } }],
});
export const scheduledRun = dueRun({ namespace, workflow: 'nightly', name: 'default' }, dueAt);
export const timetable: readonly (readonly [string, unknown])[] = [
  [catalogKeys.workflow(namespace, 'nightly'), nightly],
  [catalogKeys.workflowAt(nightly.digest), nightly],
];

/** The catalog bucket as the operator has written it. */
export const catalog: readonly (readonly [string, unknown])[] = [
  ...agents.map((agent) => [catalogKeys.agent(namespace, agent.name), agent] as const),
  ...Object.values(bundles).map((bundle) => [catalogKeys.bundle(bundle.digest), bundle] as const),
  ...Object.values(workflows).flatMap((workflow) => [
    [catalogKeys.workflow(namespace, workflow.name), workflow] as const,
    [catalogKeys.workflowAt(workflow.digest), workflow] as const,
  ]),
];

/** Who answers in which queue; `ann` asks for runs. */
const people: Readonly<Record<string, readonly string[]>> = {
  desk: ['bob', 'ann'],
  night: ['nic', 'ann'],
  emergency: ['emi', 'ann'],
  default: ['bob'],
};
export const answererOf = (queue: string): string => people[queue]?.[0] ?? 'bob';

export const rules: Rules = {
  staleMs: 2_500,
  bundles: Object.fromEntries(
    Object.values(bundles).map(({ digest: name, spec }) => [
      name,
      { verifierModel: spec.verifier.model !== undefined, rules: (spec.verifier.rules ?? []).map((rule) => rule.name) },
    ]),
  ),
  permissions: agents.flatMap(({ name, permissions: granted }) =>
    granted.map((permission) => ({ agent: name, tool: permission.tool, mode: permission.mode })),
  ),
  tasks: Object.fromEntries(
    Object.values(workflows).flatMap(({ name, spec }) =>
      Object.entries(spec.states).flatMap(([state, { type, tools: names, readOnly }]) =>
        type === 'task' ? [[`${name}/${state}`, readOnly === true ? [] : (names ?? [])] as const] : [],
      ),
    ),
  ),
  highRisk: ['risky/work'],
  attempts: Object.fromEntries(
    Object.values(workflows).flatMap(({ name, spec }) =>
      Object.entries(spec.states).flatMap(([state, { retry }]) =>
        retry === undefined ? [] : [[`${name}/${state}`, retry.max + 1] as const],
      ),
    ),
  ),
  budgets: Object.fromEntries(
    Object.values(workflows).flatMap(({ name, spec }) =>
      spec.budget === undefined ? [] : [[name, spec.budget.perRunMicros] as const],
    ),
  ),
  entitled: (person, queue) => people[queue]?.includes(person) ?? false,
};
