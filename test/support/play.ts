// Owns: a run played in memory by the pure core: causes in, events folded, no engine.
import { deepEqual } from 'node:assert/strict';
import type {
  ChildReport,
  CompleteAsk,
  DecideRequest,
  FailAsk,
  StartRequest,
  TurnAsk,
} from '../../api/messages/asks.ts';
import type { AgentSnapshot, ResolvedBundle, ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { FreezeSource, RunOutcome } from '../../api/messages/family.ts';
import type { HistoryEvent, JsonObject, Receipt, ToolResult, Turn } from '../../api/messages/history.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { EscalationPolicySpec, EscalationRule } from '../../api/v1alpha1/escalation-policy.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { authorizeCall } from '../../core/workflow/authorize.ts';
import { answerEscalation, cancelRun } from '../../core/workflow/decide.ts';
import type { Definition, Given } from '../../core/workflow/definition.ts';
import { deliverEvent } from '../../core/workflow/deliver.ts';
import type { Reaction } from '../../core/workflow/draft.ts';
import { fireDue, nextDue } from '../../core/workflow/due.ts';
import { freezeRun, resumeRun, setReadOnly } from '../../core/workflow/freeze.ts';
import { closeChild } from '../../core/workflow/join.ts';
import type { RunLimits } from '../../core/workflow/limits.ts';
import { foldHistory } from '../../core/workflow/evolve.ts';
import { completeActivity, reportFailure } from '../../core/workflow/report.ts';
import { receiveSignal } from '../../core/workflow/signal.ts';
import { startRun } from '../../core/workflow/start.ts';
import { initialState, type RunState } from '../../core/workflow/state.ts';
import { reportTurn } from '../../core/workflow/turn.ts';
import { digest as digestOf } from '../../core/canonical/canonical.ts';
import { callDigest } from '../../core/permission/digest.ts';

export const run = 'Run1';

export interface Setting {
  readonly states: WorkflowSpec['states'];
  readonly transitions: WorkflowSpec['transitions'];
  readonly spec?: Partial<WorkflowSpec>;
  readonly rules?: readonly EscalationRule[];
  readonly queues?: EscalationPolicySpec['queues'];
  readonly bundle?: Partial<BundleSpec>;
  readonly limits?: Partial<RunLimits>;
}

/** A state of type task, by the agent `clerk`, with a backup `helper`. */
/** Works until the result is ok. */
export const untilOk = () => ({
  states: { work: taskState, again: { type: 'decision' as const } },
  transitions: [
    { from: 'work', to: 'again' },
    { from: 'again', when: 'facts.ok', to: 'done' },
    { from: 'again', to: 'work' },
  ],
});

export const taskState: WorkflowSpec['states'][string] = {
  type: 'task',
  agent: 'clerk',
  goal: 'Do it.',
  timeout: '60s',
  retry: { max: 1, backoff: '1s' },
  backup: 'helper',
  exits: { error: 'failed', timeout: 'late' },
};
export const ends: WorkflowSpec['states'] = {
  done: { type: 'terminal', outcome: 'success' },
  failed: { type: 'terminal', outcome: 'failed' },
  late: { type: 'terminal', outcome: 'handedOver' },
  refused: { type: 'terminal', outcome: 'refused' },
};
export const queuesDefault: EscalationPolicySpec['queues'] = [
  { name: 'desk', deadline: '15m' },
  { name: 'emergency', deadline: '1m', onExpiry: { next: 'desk' } },
  { name: 'night', deadline: '1m', onExpiry: { fallbackWorkflow: 'call-back' } },
];

export class Play {
  readonly definition: Definition;
  readonly events: HistoryEvent[] = [];
  state: RunState = initialState(run);
  now = 1_000_000;

  constructor(setting: Setting) {
    const spec = {
      input: { type: 'object' },
      start: 'work',
      ...setting.spec,
      states: { ...setting.states, ...ends },
      transitions: setting.transitions,
    } as WorkflowSpec;
    const agents = ['clerk', 'helper', 'expert'];
    const policy =
      setting.rules === undefined && setting.queues === undefined
        ? {}
        : {
            policy: { name: 'p', spec: { rules: [...(setting.rules ?? [])], queues: setting.queues ?? queuesDefault } },
          };
    const workflow: ResolvedWorkflow = { namespace: 'ns', name: 'wf', digest: 'sha256:wf', spec, agents, ...policy };
    this.definition = {
      workflow,
      bundle: (digest) => ({ ...bundleOf(setting.bundle), digest }),
      agentPolicy: () => undefined,
      ...(setting.limits === undefined ? {} : { limits: setting.limits }),
    };
  }

  start(input: JsonObject = {}, more: Partial<StartRequest> = {}) {
    const request: StartRequest = {
      run,
      namespace: 'ns',
      workflow: 'wf',
      input,
      requestedBy: 'ann',
      source: 'http',
      ...more,
    };
    const agents = (name: string): AgentSnapshot => ({
      ...snapshot,
      name,
      bundleDigest: `sha256:${name.padEnd(12, '0')}`,
    });
    const { definition, now } = this;
    return this.#take(startRun({ definition, now, request, agents }));
  }

  turn(turn: Turn, proposed = false, target: Partial<TurnAsk> = {}) {
    return this.#react((given) => reportTurn(given, { ...this.#target(), worker: 'w', proposed, turn, ...target }));
  }

  complete(result: JsonObject, more: Partial<CompleteAsk> = {}, problem?: string) {
    const verification = { approved: true, rules: [] };
    return this.#react((given) =>
      completeActivity(given, { ...this.#target(), worker: 'w', result, verification, ...more }, problem),
    );
  }

  fail(retryable = true, more: Partial<FailAsk> = {}) {
    const failure = { code: 'TOOL_FAILED', message: 'it broke' };
    return this.#react((given) =>
      reportFailure(given, { ...this.#target(), worker: 'w', failure, retryable, ...more }),
    );
  }

  decide(option: 'approve' | 'reject' = 'approve', more: Partial<DecideRequest> = {}) {
    const facts = this.state.escalation?.facts;
    return this.#react((given) =>
      answerEscalation(given, {
        namespace: 'ns',
        run,
        escalation: facts?.id ?? 'none',
        queue: facts?.queue ?? 'none',
        option,
        by: 'bob',
        reason: 'because',
        digest: facts?.digest ?? '',
        decision: `uid-${facts?.id}`,
        ...more,
      }),
    );
  }

  freeze(source: FreezeSource = 'person', by = 'ann') {
    return this.#react((given) => freezeRun(given, { namespace: 'ns', run, source, by, reason: 'stop' }));
  }

  resume(source: FreezeSource = 'person', by = 'ann') {
    return this.#react((given) => resumeRun(given, { namespace: 'ns', run, source, by, reason: 'go on' }));
  }

  readOnly(readOnly: boolean, by = 'ann') {
    return this.#react((given) => setReadOnly(given, { namespace: 'ns', run, readOnly, by, reason: 'careful' }));
  }

  /** The child of the current visit with this name ends. */
  child(name: string, outcome: RunOutcome = 'success', more: Partial<Extract<ChildReport, { kind: 'Closed' }>> = {}) {
    const child = this.state.children.findLast((known) => known.child === name)?.run ?? 'none';
    const report: ChildReport = {
      kind: 'Closed',
      outcome,
      message: `reached ${outcome}`,
      costMicros: 5,
      effects: 1,
      result: { from: name },
      owed: [],
      workflowDigest: 'sha256:wf',
      ...more,
    };
    return this.#react((given) => closeChild(given, { namespace: 'ns', run, child, report }));
  }

  /** Any other cause. */
  react<R>(react: (given: Given) => Reaction<R>): R {
    return this.#react(react);
  }

  cancel() {
    return this.#react((given) => cancelRun(given, { namespace: 'ns', run, by: 'ann', reason: 'enough' }));
  }

  event(subject: string, key: string, payload: JsonObject = {}, id = 'e1') {
    return this.#react((given) => deliverEvent(given, { namespace: 'ns', id, subject, key, payload }));
  }

  signal(signal: string, payload: JsonObject = {}, id = 's1', problem?: string) {
    const request = { namespace: 'ns', run, signal, id, payload, by: 'ann' };
    return this.#react((given) => receiveSignal(given, request, problem));
  }

  authorize(
    tool: string,
    args: JsonObject,
    more: { approvalNeeded?: boolean; effectful?: boolean; agent?: string } = {},
  ) {
    const { activity } = this.state;
    const target = this.#target();
    return this.#react((given) =>
      authorizeCall(given, {
        namespace: 'ns',
        ...target,
        agent: activity?.agent ?? '',
        bundle: activity?.bundleDigest ?? '',
        turn: 1,
        kind: 'tool',
        tool,
        digest: callDigest({ run, activity: target.activity, tool, args }),
        ...more,
      }),
    );
  }

  /** Lets time pass to the next deadline, or by `ms`, and fires what is due. */
  wait(ms?: number) {
    this.now = ms === undefined ? (nextDue(this) ?? this.now) : this.now + ms;
    return this.#react(fireDue);
  }

  types(): readonly string[] {
    return this.events.map((event) => event.type);
  }

  receipt(fields: Partial<Receipt> & Pick<Receipt, 'kind' | 'name'>): Receipt {
    const { activity, attempt } = this.#target();
    return { run, activity, attempt, turn: 1, outcome: 'ok', digest: 'd', at: 0, elapsedMs: 1, mac: 'm', ...fields };
  }

  said(turn: number, more: Partial<Turn> = {}): Turn {
    const receipt = this.receipt({ kind: 'model', name: 'small', costMicros: 10 });
    return { turn, role: 'executor', calls: [], results: [], receipt, ...more };
  }

  /** A turn with one call and its result. */
  called(turn: number, tool: string, outcome: ToolResult['outcome'], more: Partial<ToolResult> = {}): Turn {
    const call = { id: `c${turn}`, tool, args: more.args ?? {} };
    const digest = callDigest({ run, activity: this.#target().activity, tool, args: call.args });
    const receipt = this.receipt({
      kind: 'tool',
      name: tool,
      outcome,
      digest,
      result: digestOf(more.result ?? {}),
      ...(outcome === 'ok' ? { effect: 'write', committed: true } : {}),
    });
    const approval = outcome === 'approvalRequired' ? { approval: { question: `May ${tool} be called?`, digest } } : {};
    return this.said(turn, {
      calls: [call],
      results: [{ ...call, outcome, result: {}, receipt, ...approval, ...more }],
    });
  }

  #target(): { run: string; activity: string; attempt: number } {
    const { activity } = this.state;
    return { run, activity: activity?.id ?? 'none', attempt: activity?.attempt ?? 1 };
  }

  #react<R>(react: (given: Given) => Reaction<R>): R {
    return this.#take(react({ state: this.state, definition: this.definition, now: this.now }));
  }

  #take<R>({ events, reply, folded }: Reaction<R>): R {
    this.events.push(...events);
    const state = foldHistory(this.state, events);
    // A child is played under the name of this run.
    if (folded !== undefined) deepEqual({ ...folded, run: state.run }, state);
    this.state = state;
    return reply;
  }
}

const snapshot: AgentSnapshot = {
  namespace: 'ns',
  name: 'clerk',
  role: 'Works.',
  generation: 1,
  permissions: [],
  bundle: 'b',
  bundleDigest: '',
};

export function bundleOf(spec: Partial<BundleSpec> = {}): ResolvedBundle {
  return {
    namespace: 'ns',
    name: 'b',
    agent: 'clerk',
    digest: '',
    spec: {
      agent: 'clerk',
      prompts: { executor: { text: 'Work.' } },
      models: { start: 'small' },
      tools: [],
      verifier: { rules: [{ name: 'always', cel: 'true' }] },
      ...spec,
    },
    tools: {},
    models: {},
  };
}

/** One task, then the end. */
export const simple = (more: Partial<Setting> = {}): Setting => ({
  states: { work: taskState },
  transitions: [{ from: 'work', to: 'done' }],
  ...more,
});

export const started = (setting: Setting = simple(), input = {}): Play => {
  const play = new Play(setting);
  play.start(input);
  return play;
};

export const rule = (fields: Partial<EscalationRule> & Pick<EscalationRule, 'signal' | 'action'>): EscalationRule => ({
  name: 'rule',
  queue: 'desk',
  ...fields,
});

/** Three children: one in this workflow, two of others. */
export const branches = {
  stock: { start: 'count' },
  credit: { workflow: 'credit-check' },
  address: { workflow: 'address-check' },
} as const;

/** Forks into them, then the end. */
export const forked = (more: Partial<WorkflowState> = {}, rest: Partial<Setting> = {}): Setting => ({
  states: {
    work: {
      type: 'parallel',
      branches,
      timeout: '10m',
      exits: { error: 'failed', timeout: 'late' },
      ...more,
    },
    count: { type: 'decision' },
  },
  transitions: [
    { from: 'work', to: 'done' },
    { from: 'count', to: 'done' },
  ],
  ...rest,
});
