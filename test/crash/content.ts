// Owns: what the sweep's runs are made of: one clerk with a tool of each kind of effect, and a workflow for each protocol.
import type { ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { Permission } from '../../api/v1alpha1/agent.ts';
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import type { Rules } from '../../core/invariants/facts.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { stageAgent, type StageContent, stageNamespace } from '../support/gateway-stage.ts';

/** A tool of each kind of effect. `wire` needs a person's approval. */
export const effectTools = ['pay-key', 'pay-query', 'pay-plain', 'wire'] as const;
export type EffectTool = (typeof effectTools)[number];
export const effectOf: Readonly<Record<EffectTool, ToolSpec['effect']>> = {
  'pay-key': 'idempotentWrite',
  'pay-query': 'write',
  'pay-plain': 'write',
  wire: 'irreversible',
};

export function contentFor(sinkUrl: string): StageContent {
  const tool = (path: string, effect: ToolSpec['effect'], more: Partial<ToolSpec> = {}): ToolSpec => ({
    description: 'A tool.',
    http: { url: `${sinkUrl}/${path}` },
    input: { type: 'object' },
    effect,
    limits: { timeout: '1s' },
    ...more,
  });
  return {
    tools: {
      look: tool('look', 'read'),
      paid: tool('paid', 'read'),
      'pay-key': tool('pay-key', effectOf['pay-key'], { idempotency: { header: 'Idempotency-Key' } }),
      'pay-query': tool('pay-query', effectOf['pay-query'], {
        onAmbiguous: { query: { tool: 'paid', by: 'arguments' } },
      }),
      'pay-plain': tool('pay-plain', effectOf['pay-plain']),
      wire: tool('wire', effectOf.wire),
    },
    models: {
      script: {
        scripted: { replies },
        prices: { currency: 'USD', inputPerMillion: 1_000_000, outputPerMillion: 1_000_000 },
      },
    },
    spec: { verifier: { model: 'script', rules: [{ name: 'settled', cel: 'result.settled' }] } },
    permissions,
  };
}

const permissions: readonly Permission[] = [
  { tool: 'look', mode: 'read' },
  { tool: 'paid', mode: 'read' },
  { tool: 'pay-key', mode: 'write' },
  { tool: 'pay-query', mode: 'write' },
  { tool: 'pay-plain', mode: 'write' },
  { tool: 'wire', mode: 'approve', queue: 'desk' },
];

/** What the checkers of the invariants know beforehand. */
export const rulesOf = (bundleDigest: string): Rules => ({
  bundles: { [bundleDigest]: { verifierModel: true, rules: ['settled'] } },
  permissions: permissions.map(({ tool, mode }) => ({ agent: stageAgent, tool, mode })),
  entitled: (person) => person === 'lead',
});

/** The goal of a task is the name of the tool that it has to call, once; `fail` finds no reply. */
const called = (tool: string): string => `calls.exists(c, c.tool == '${tool}')`;
/** Who calls, so that a tool can tell one call from another. */
const args = { run: '${run.id}', state: '${run.state}' };
const replies = [
  { name: 'judge', when: "role == 'verifier'", json: { approved: true, reason: 'fine' } },
  {
    name: 'look',
    when: `goal != 'fail' && !${called('look')}`,
    calls: [{ tool: 'look', args }],
  },
  ...effectTools.map((tool) => ({
    name: tool,
    when: `goal == '${tool}' && !calls.exists(c, c.tool == '${tool}' && c.outcome != 'approvalRequired')`,
    calls: [{ tool, args }],
  })),
  { name: 'answer', when: "goal != 'fail'", json: { settled: true }, confidence: '0.9' },
];

const exits = { error: 'failed', timeout: 'failed' };
const ends = {
  done: { type: 'terminal', outcome: 'success' },
  failed: { type: 'terminal', outcome: 'failed' },
} as const;

const task = (goal: string) =>
  ({
    type: 'task',
    agent: stageAgent,
    goal,
    timeout: '60s',
    backup: 'none',
    exits,
    retry: { max: 1, backoff: '50ms' },
    output: { type: 'object', required: ['settled'], properties: { settled: { type: 'boolean' } } },
  }) as const;

const approval = {
  type: 'approval',
  queue: 'desk',
  question: 'May it?',
  timeout: '10m',
  exits: { rejected: 'failed', expired: 'failed' },
} as const;

/** What undoes a task. */
function compensation(goal: string): WorkflowState {
  const { type: _task, exits: _none, ...rest } = task(goal);
  return { type: 'compensation', ...rest };
}

interface More {
  readonly states?: WorkflowSpec['states'];
  /** State → the next one; default of `work`: done. */
  readonly next?: Readonly<Record<string, string>>;
  readonly spec?: Partial<WorkflowSpec>;
}

/** A workflow that begins in the state `work`. */
function single(work: WorkflowState, { states = {}, next = {}, spec = {} }: More = {}): WorkflowSpec {
  return {
    input: { type: 'object' },
    start: 'work',
    states: { work, ...states, ...ends },
    transitions: Object.entries({ work: 'done', ...next }).map(([from, to]) => ({ from, to })),
    ...spec,
  };
}

export const busSubject = 'orders.paid';

export const workflows: Readonly<Record<string, WorkflowSpec>> = {
  ...Object.fromEntries(effectTools.map((tool) => [tool, single(task(tool))])),
  fail: single(task('fail')),
  timer: single({ type: 'wait', for: { duration: '700ms' } }),
  event: single({
    type: 'wait',
    for: { event: busSubject, by: 'input.run' },
    timeout: '10m',
    exits: { timeout: 'failed' },
  }),
  signal: single(
    { type: 'wait', for: { signal: 'paid' }, timeout: '10m', exits: { timeout: 'failed' } },
    {
      states: { ship: { type: 'wait', for: { signal: 'shipped' }, timeout: '10m', exits: { timeout: 'failed' } } },
      next: { work: 'ship', ship: 'done' },
    },
  ),
  shipping: single(
    { type: 'decision' },
    { spec: { key: 'input.run', triggers: [{ event: { subject: busSubject } }] } },
  ),
  approval: single(approval),
  fork: single(
    {
      type: 'parallel',
      branches: { here: { start: 'count' }, there: { workflow: 'pay-query' } },
      timeout: '10m',
      exits,
    },
    { states: { count: task('pay-key') }, next: { count: 'done' } },
  ),
  doomed: single({
    type: 'parallel',
    branches: { one: { workflow: 'approval' }, two: { workflow: 'approval' } },
    timeout: '10m',
    exits,
  }),
  saga: single(
    { ...task('pay-key'), compensation: 'undo' },
    { states: { undo: compensation('pay-query'), ask: approval }, next: { work: 'ask', ask: 'done' } },
  ),
  fallback: single(task('look')),
  desk: single({ type: 'decision' }),
};

/** Starts a run every second, as long as it is in the catalog. */
export function ticking(name: string): ResolvedWorkflow {
  const schedule = { cron: '* * * * * *', overlap: 'allow', catchUp: { window: '10m', max: 100 } } as const;
  return resolved(name, single({ type: 'decision' }, { spec: { triggers: [{ schedule }] } }));
}

/** Started by events of its own subject. What it wants of them is more than they have until it is mended. */
export function picky(name: string, mended: boolean): ResolvedWorkflow {
  const input = { type: 'object', ...(mended ? {} : { required: ['absent'] }) };
  const triggers = [{ event: { subject: pickySubject(name) } }];
  return resolved(name, single({ type: 'decision' }, { spec: { input, triggers, key: 'input.run' } }));
}
export const pickySubject = (name: string): string => `orders.${name}`;

/** For an agent of its own name, which it needs to be started and gives nothing to do. */
export function trying(name: string): ResolvedWorkflow {
  return { ...resolved(name, single({ type: 'wait', for: { duration: '700ms' } })), agents: [name] };
}

function resolved(name: string, spec: WorkflowSpec): ResolvedWorkflow {
  const content = { namespace: stageNamespace, name, spec };
  return { ...content, digest: digest(content), agents: [] };
}

export const policies: Readonly<Record<string, EscalationPolicySpec>> = {
  fallback: {
    rules: [
      { name: 'alarm', signal: 'redFlag', patterns: ['chest pain'], action: 'fallbackWorkflow', workflow: 'desk' },
    ],
    queues: [{ name: 'desk', deadline: '5m' }],
  },
};
