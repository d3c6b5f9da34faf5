// A family of runs in memory: parents and children that hear of each other by messages which are lost, doubled and late.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ChildReport, ChildRequest, StartRequest } from '../../api/messages/asks.ts';
import type { AgentSnapshot, ResolvedBundle } from '../../api/messages/catalog.ts';
import type { HistoryEvent } from '../../api/messages/history.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { taskState } from '../../test/support/play.ts';
import { askChild, cancelUnstarted } from './child.ts';
import { answerEscalation, cancelRun } from './decide.ts';
import type { Definition, Given } from './definition.ts';
import type { Reaction } from './draft.ts';
import { fireDue, nextDue } from './due.ts';
import { foldHistory } from './evolve.ts';
import { freezeRun, resumeRun } from './freeze.ts';
import { closeChild } from './join.ts';
import { plan } from './plan.ts';
import { completeActivity, reportFailure } from './report.ts';
import { startRun } from './start.ts';
import { initialState, type RunState } from './state.ts';

const ends: WorkflowSpec['states'] = {
  done: { type: 'terminal', outcome: 'success' },
  failed: { type: 'terminal', outcome: 'failed', compensate: true },
};
const exits = { error: 'failed', timeout: 'failed' };
const undo = { type: 'compensation', agent: 'clerk', goal: 'Undo.', timeout: '60s', backup: 'none' } as const;
const task = { ...taskState, retry: { max: 0 }, backup: 'none', exits };
const specs: Readonly<Record<string, WorkflowSpec>> = {
  top: {
    input: { type: 'object' },
    start: 'work',
    timeout: '2h',
    states: {
      work: { ...task, compensation: 'undo' },
      fork: {
        type: 'parallel',
        branches: { here: { start: 'part' }, there: { workflow: 'middle' }, other: { workflow: 'leaf' } },
        join: 'quorum',
        quorum: 2,
        timeout: '30m',
        exits,
      },
      part: { ...task, compensation: 'undo' },
      undo,
      last: task,
      ...ends,
    },
    transitions: [
      { from: 'work', to: 'fork' },
      { from: 'fork', to: 'last' },
      { from: 'part', to: 'done' },
      { from: 'last', to: 'done' },
    ],
  },
  middle: {
    input: { type: 'object' },
    start: 'call',
    states: {
      call: { type: 'workflow', workflow: 'leaf', timeout: '20m', compensation: 'undo', exits },
      after: task,
      undo,
      ...ends,
    },
    transitions: [
      { from: 'call', to: 'after' },
      { from: 'after', to: 'done' },
    ],
  },
  leaf: {
    input: { type: 'object' },
    start: 'work',
    states: { work: { ...task, compensation: 'undo' }, more: task, undo, ...ends },
    transitions: [
      { from: 'work', to: 'more' },
      { from: 'more', to: 'done' },
    ],
  },
};
const bundle = {
  spec: {
    agent: 'clerk',
    prompts: { executor: { text: 'Work.' } },
    models: { start: 'small' },
    tools: [],
    verifier: { rules: [{ name: 'always', cel: 'true' }] },
  },
} as unknown as ResolvedBundle;
const definitions = Object.fromEntries(
  Object.entries(specs).map(([name, spec]): [string, Definition] => [
    name,
    {
      workflow: { namespace: 'ns', name, digest: `sha256:${name}`, spec, agents: ['clerk'] },
      bundle: () => bundle,
      agentPolicy: () => undefined,
      limits: { continueAfter: 15 },
    },
  ]),
);
const agents = (): AgentSnapshot => ({ bundleDigest: 'sha256:clerk' }) as AgentSnapshot;

type Message =
  | { readonly kind: 'Ask'; readonly parent: string; readonly request: ChildRequest }
  | { readonly kind: 'Report'; readonly parent: string; readonly child: string; readonly report: ChildReport };

class Family {
  readonly histories = new Map<string, HistoryEvent[]>();
  readonly states = new Map<string, RunState>();
  readonly wire: Message[] = [];
  now = 1_000_000;

  constructor() {
    const request = {
      run: 'Top',
      namespace: 'ns',
      workflow: 'top',
      input: {},
      requestedBy: 'ann',
      source: 'http',
    } as const;
    this.#begin(request);
  }

  get runs(): readonly RunState[] {
    return [...this.states.values()];
  }

  /** Every parent asks for what it wants now: as after a takeover, or when its patience is over. */
  ask(): void {
    for (const state of this.runs) {
      const definition = this.#definition(state);
      for (const command of definition === undefined ? [] : plan({ state, definition })) {
        if ('request' in command) this.wire.push({ kind: 'Ask', parent: state.run, request: command.request });
      }
    }
  }

  deliver(at: number, keep: boolean): void {
    const message = keep ? this.wire[at] : this.wire.splice(at, 1)[0];
    if (message === undefined) return;
    if (message.kind === 'Report') {
      const { parent, child, report } = message;
      this.act(parent, (given) => closeChild(given, { namespace: 'ns', run: parent, child, report }));
      return;
    }
    const { run: child } = message.request.start;
    this.wire.push({ kind: 'Report', parent: message.parent, child, report: this.#answer(message.request) });
  }

  #answer(request: ChildRequest): ChildReport {
    const { run } = request.start;
    if (!this.states.has(run)) {
      if (request.want === 'Frozen') return { kind: 'Absent' };
      if (request.want === 'Cancelled') return this.#take(run, cancelUnstarted(request, this.now));
      this.#begin(request.start);
    }
    return this.act(run, (given) => askChild(given, request)) ?? { kind: 'Absent' };
  }

  act<R>(run: string, react: (given: Given) => Reaction<R>): R | undefined {
    const state = this.states.get(run);
    const definition = state === undefined ? undefined : (this.#definition(state) ?? definitions['leaf']);
    if (state === undefined || definition === undefined) return undefined;
    return this.#take(run, react({ state, definition, now: this.now }));
  }

  #begin(request: StartRequest): void {
    const definition = definitions[request.workflow];
    if (definition !== undefined) this.#take(request.run, startRun({ definition, now: this.now, request, agents }));
  }

  #take<R>(run: string, { events, reply, folded }: Reaction<R>): R {
    this.histories.set(run, [...(this.histories.get(run) ?? []), ...events]);
    const state = foldHistory(this.states.get(run) ?? initialState(run), events);
    if (folded !== undefined) expect(folded).toEqual(state);
    this.states.set(run, folded ?? state);
    return reply;
  }

  #definition(state: RunState): Definition | undefined {
    return state.workflowDigest === '' ? undefined : definitions[state.workflow];
  }
}

const pick = (family: Family, at: number): RunState => family.runs[at % family.runs.length] as RunState;
const target = ({ run, activity }: RunState) => ({
  run,
  activity: activity?.id ?? 'none',
  attempt: activity?.attempt ?? 1,
  worker: 'w',
});
const about = { namespace: 'ns', by: 'ann', reason: 'r' };
const causes: Readonly<Record<string, (family: Family, at: number) => unknown>> = {
  ask: (family) => family.ask(),
  deliver: (family, at) => family.deliver(at % Math.max(1, family.wire.length), false),
  deliverTwice: (family, at) => family.deliver(at % Math.max(1, family.wire.length), true),
  lose: (family, at) => family.wire.splice(at % Math.max(1, family.wire.length), 1),
  complete: (family, at) => {
    const state = pick(family, at);
    const verification = { approved: true, rules: [] };
    return family.act(state.run, (given) =>
      completeActivity(given, { ...target(state), result: {}, verification }, undefined),
    );
  },
  fail: (family, at) => {
    const state = pick(family, at);
    const failure = { code: 'TOOL_FAILED', message: 'broke' };
    return family.act(state.run, (given) => reportFailure(given, { ...target(state), failure, retryable: false }));
  },
  answer: (family, at) => {
    const state = pick(family, at);
    const facts = state.escalation?.facts;
    if (facts === undefined) return;
    const { id: escalation, queue, digest } = facts;
    const option = at % 3 === 0 ? 'reject' : 'approve';
    family.act(state.run, (given) =>
      answerEscalation(given, {
        ...about,
        run: state.run,
        by: 'bob',
        escalation,
        queue,
        digest,
        option,
        decision: `d-${escalation}`,
      }),
    );
  },
  due: (family, at) => {
    const state = pick(family, at);
    const definition = definitions[state.workflow];
    if (definition !== undefined) family.now = Math.max(family.now, nextDue({ state, definition }) ?? 0);
    family.act(state.run, fireDue);
  },
  cancel: (family, at) => {
    const { run } = pick(family, at);
    family.act(run, (given) => cancelRun(given, { ...about, run }));
  },
  freeze: (family, at) => {
    const { run } = pick(family, at);
    family.act(run, (given) => freezeRun(given, { ...about, run, source: 'person' }));
  },
  resume: (family, at) => {
    const { run } = pick(family, at);
    family.act(run, (given) => resumeRun(given, { ...about, run, source: 'person' }));
  },
};

/** At every moment: a closed run has no child that is not closed, whatever is still on its way. */
function nobodyIsLeft(family: Family): void {
  for (const { run, status, parent, closedAt } of family.runs) {
    const above = parent?.child === undefined ? undefined : family.states.get(parent.run);
    if (above?.status === 'Closed') expect([run, status]).toEqual([run, 'Closed']);
    if (status === 'Closed') expect(closedAt).toBeDefined();
  }
}

function heal(family: Family): void {
  for (let round = 0; round < 300 && family.states.get('Top')?.status !== 'Closed'; round += 1) {
    // At first some of it fails, so that people are asked about what is owed.
    for (const name of ['resume', 'answer', round < 4 ? 'fail' : 'complete']) {
      for (let at = 0; at < family.runs.length; at += 1) causes[name]?.(family, at);
    }
    family.ask();
    while (family.wire.length > 0) family.deliver(0, false);
  }
}

test('whatever is lost, doubled or late: every run ends once, no child outlives its parent, every cost counts once', () => {
  const seen = new Set<string>();
  const names = Object.keys(causes);
  const likely = ['ask', 'deliver', 'deliver', 'complete', 'complete', 'deliverTwice', 'fail', 'answer'];
  const step = fc.tuple(fc.constantFrom(...names, ...likely, ...likely, ...likely), fc.nat(50));
  const anyFamily = fc.property(fc.array(step, { minLength: 20, maxLength: 160 }), (steps) => {
    const family = new Family();
    for (const [name, at] of steps) {
      causes[name]?.(family, at);
      nobodyIsLeft(family);
    }
    const late = [...family.wire];
    heal(family);
    // What was under way comes after all is over.
    family.wire.push(...late);
    while (family.wire.length > 0) family.deliver(0, false);
    nobodyIsLeft(family);
    for (const state of family.runs) {
      expect([state.run, state.status]).toEqual([state.run, 'Closed']);
      const types = (family.histories.get(state.run) ?? []).map(({ type }) => type);
      expect(types.filter((type) => type === 'RunClosed')).toHaveLength(1);
      expect(types.at(-1)).toBe('RunClosed');
      for (const type of types) seen.add(type);
      const below = family.runs.filter(({ parent }) => parent?.run === state.run);
      expect(types.filter((type) => type === 'ChildClosed')).toHaveLength(below.length);
      if (state.outcome === 'cancelled' || state.outcome === 'timedOut') {
        if (state.parent?.child !== 'here') expect(state.owed).toEqual([]);
      }
    }
  });
  // The same families each time, so that what is to be seen does not hang on chance, and then new ones.
  for (const options of [{ seed: 1, numRuns: 100 }, { numRuns: 60 }]) fc.assert(anyFamily, options);
  for (const type of [
    'ChildrenJoined',
    'CompensationCompleted',
    'CompensationAbandoned',
    'CancelRequested',
    'RunFrozen',
    'HistoryContinued',
  ]) {
    expect([...seen]).toContain(type);
  }
}, 60_000);
