import { describe, expect, test } from 'vitest';
import { activity, played, run, type Told } from '../../test/support/trial.ts';
import type { CallOutcome, HistoryEvent, JsonObject } from '../../api/messages/history.ts';
import type { AgentSpec } from '../../api/v1alpha1/agent.ts';
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import type { Manifests } from './catalog.ts';
import { replay, type StoredRun } from './replay.ts';

const tool = (effect: ToolSpec['effect']): ToolSpec => ({
  description: 'Does it.',
  http: { url: 'http://tools/it' },
  input: { type: 'object' },
  effect,
});
const permissions: AgentSpec['permissions'] = [
  { tool: 'find', mode: 'read' },
  { tool: 'charge', mode: 'write', approveWhen: 'args.amount > 100', queue: 'desk' },
  { tool: 'send', mode: 'write' },
  { tool: 'wipe', mode: 'recommendOnly' },
];
const policy: EscalationPolicySpec = {
  rules: [{ name: 'urgent', signal: 'redFlag', patterns: ['chest pain'], action: 'humanQueue', queue: 'desk' }],
  queues: [{ name: 'desk', deadline: '1h' }],
};
const workflow: WorkflowSpec = {
  input: { type: 'object' },
  start: 'work',
  states: {
    work: {
      type: 'task',
      agent: 'clerk',
      goal: 'Work.',
      timeout: '1h',
      backup: 'none',
      exits: { error: 'done', timeout: 'done' },
    },
    done: { type: 'terminal', outcome: 'success' },
  },
  transitions: [{ from: 'work', to: 'done' }],
  escalationPolicyRef: { name: 'policy' },
};
const manifests: Manifests = {
  agents: { clerk: { role: 'Works.', bundleRef: { name: 'clerk-1' }, permissions } },
  bundles: {
    'clerk-1': {
      agent: 'clerk',
      prompts: { executor: { text: 'Work.' } },
      models: { start: 'small' },
      tools: ['find', 'charge', 'send', 'wipe'],
      verifier: { rules: [{ name: 'always', cel: 'true' }] },
    },
  },
  tools: { find: tool('read'), charge: tool('write'), send: tool('write'), wipe: tool('irreversible') },
  models: { small: { scripted: { replies: [{ text: 'yes' }] } } },
  policies: { policy },
  workflows: { w: workflow },
};

const permitting = (
  of: string,
  mode: 'read' | 'write' | 'approve' | 'recommendOnly',
  approveWhen?: string,
): Manifests => ({
  ...manifests,
  agents: {
    clerk: {
      role: 'Works.',
      bundleRef: { name: 'clerk-1' },
      permissions: [
        ...permissions.filter((one) => one.tool !== of),
        { tool: of, mode, ...(approveWhen === undefined ? {} : { approveWhen }) },
      ],
    },
  },
});
const bundled = (tools: string[]): Manifests => ({
  ...manifests,
  bundles: { 'clerk-1': { ...manifests.bundles['clerk-1'], tools } as never },
});
const watching = (patterns: string[]): Manifests => ({
  ...manifests,
  policies: { policy: { ...policy, rules: policy.rules.map((rule) => ({ ...rule, patterns })) } },
});
const readOnly: Manifests = {
  ...manifests,
  workflows: {
    w: { ...workflow, states: { ...workflow.states, work: { ...workflow.states['work'], readOnly: true } as never } },
  },
};

const stored = (...calls: readonly Told[]): StoredRun => played(calls, 'success');
const call = (of: string, outcome: CallOutcome, args: JsonObject = {}): Told => ({ tool: of, outcome, args });

test.each<[string, Told, Manifests, string, string]>([
  ['nothing has changed', call('charge', 'ok', { amount: 5 }), manifests, 'same', 'pass'],
  [
    'a threshold is lower',
    call('charge', 'ok', { amount: 5 }),
    permitting('charge', 'write', 'args.amount > 1'),
    'stricter',
    'pass',
  ],
  [
    'a threshold is higher',
    call('charge', 'approvalRequired', { amount: 500 }),
    permitting('charge', 'write', 'args.amount > 1000'),
    'looser',
    'block',
  ],
  [
    'a person is still asked',
    call('charge', 'approvalRequired', { amount: 500 }),
    permitting('charge', 'approve'),
    'same',
    'pass',
  ],
  [
    'what was only recommended would be done',
    call('wipe', 'recommended'),
    permitting('wipe', 'write'),
    'looser',
    'block',
  ],
  ['what was recommended still is', call('wipe', 'recommended'), manifests, 'same', 'pass'],
  ['what was denied would be done', call('send', 'denied'), manifests, 'looser', 'block'],
  ['a read that was denied would be made: nothing happens by it', call('find', 'denied'), manifests, 'looser', 'pass'],
  ['the bundle has lost the tool', call('send', 'ok'), bundled(['find']), 'stricter', 'pass'],
  ['the ceiling only lets it read', call('send', 'ok'), permitting('send', 'read'), 'stricter', 'pass'],
  ['the state only reads', call('send', 'ok'), readOnly, 'stricter', 'pass'],
  [
    'what acted is called a read, and nobody is asked any more',
    { ...call('charge', 'approvalRequired', { amount: 500 }), effect: 'write' },
    { ...permitting('charge', 'write'), tools: { ...manifests.tools, charge: tool('read') } },
    'looser',
    'block',
  ],
  ['an effect nobody knows of was permitted', call('send', 'ambiguous'), manifests, 'same', 'pass'],
  ['an expression that cannot be evaluated asks', call('charge', 'ok', {}), manifests, 'stricter', 'pass'],
  ['it never came to a decision', call('send', 'error'), manifests, 'unknown', 'nothing'],
  ['the candidate has no such workflow', call('send', 'ok'), { ...manifests, workflows: {} }, 'unknown', 'nothing'],
  ['the candidate has no such agent', call('send', 'ok'), { ...manifests, agents: {} }, 'unknown', 'nothing'],
])('%s', (_name, told, candidate, change, verdict) => {
  const replayed = replay([stored(told)], candidate);
  expect(replayed.calls.map((one) => one.change)).toEqual([change]);
  expect(replayed.verdict).toBe(verdict);
  expect(replayed.blocking.length > 0).toBe(verdict === 'block');
});

test('a call that a person had approved was asked about, even where its last report says ok', () => {
  const { events } = stored(call('charge', 'approvalRequired', { amount: 500 }), call('charge', 'ok', { amount: 500 }));
  const { calls } = replay([{ run, events }], manifests);
  expect(calls.map(({ recorded, candidate }) => [recorded, candidate])).toEqual([
    ['NeedsApproval', 'NeedsApproval'],
    ['NeedsApproval', 'NeedsApproval'],
  ]);
});

test('arguments that did not fit, and a day’s budget, are not in the record; that a tool said no is', () => {
  const { events } = stored(call('send', 'error'), call('send', 'denied', { n: 1 }), call('send', 'error', { n: 2 }));
  const notes = ['arguments do not fit: n is missing', 'budget: nothing is left', 'out of paper'];
  const told = events.map((event): HistoryEvent => {
    if (event.type !== 'TurnCompleted') return event;
    const note = notes[event.turn.turn - 1] ?? '';
    const results = event.turn.results.map((result) => ({
      ...result,
      result: { error: note },
      receipt: { note } as never,
    }));
    return { ...event, turn: { ...event.turn, results } };
  });
  const { calls, coverage } = replay([{ run, events: told }], manifests);
  expect(calls.map(({ change }) => change)).toEqual(['unknown', 'unknown', 'same']);
  expect(coverage).toBeCloseTo(1 / 3);
});

test('a report that comes again is one decision', () => {
  const { events } = stored(call('send', 'ok'));
  const again = events.flatMap((event): HistoryEvent[] => (event.type === 'TurnCompleted' ? [event, event] : [event]));
  expect(replay([{ run, events: again }], manifests).calls).toHaveLength(1);
});

describe('questions to people', () => {
  /** `asked`: people were called in at once. */
  const said = (text: string, asked: boolean, ...calls: readonly Told[]): StoredRun => {
    const { events } = played([...(asked ? [{ asked: { rule: 'urgent', queue: 'desk' } }] : []), ...calls], 'success');
    return {
      run,
      events: events.map((event) => (event.type === 'RunStarted' ? { ...event, input: { text } } : event)),
    };
  };
  test.each<[string, StoredRun, Manifests, readonly string[], string]>([
    ['are asked as before', said('I have chest pain', true), manifests, ['same'], 'pass'],
    ['are asked by a rule of another name', said('I have chest pain', true), watching(['pain']), ['same'], 'pass'],
    [
      'are asked where they were not',
      said('I feel dizzy', false, call('send', 'ok')),
      watching(['dizzy']),
      ['stricter'],
      'pass',
    ],
    [
      'are no longer asked, and there was an effect',
      said('I have chest pain', true, call('send', 'ok')),
      watching(['stroke']),
      ['looser'],
      'block',
    ],
    [
      'are no longer asked, and only reads were made',
      said('I have chest pain', true, call('find', 'ok')),
      watching(['stroke']),
      ['looser'],
      'pass',
    ],
    ['are not asked, as before', said('Good morning', false, call('send', 'ok')), manifests, [], 'pass'],
  ])('%s', (_name, history, candidate, expected, verdict) => {
    const { questions, verdict: found } = replay([history], candidate);
    expect(questions.map(({ change }) => change)).toEqual(expected);
    expect(found).toBe(verdict);
  });

  test('a result whose confidence is too low for the candidate', () => {
    const done: HistoryEvent = {
      type: 'ActivityCompleted',
      activity,
      attempt: 1,
      result: { answer: 1 },
      verification: { approved: true, rules: [] },
      worker: 'w',
      seq: 9,
      at: 9,
      cause: 'c',
    };
    const promised = { ...manifests.bundles['clerk-1'], policy: { confidenceFrom: 'reported' } } as never;
    const unsure: Manifests = {
      ...manifests,
      bundles: { 'clerk-1': promised },
      policies: {
        policy: {
          ...policy,
          rules: [{ name: 'unsure', signal: 'lowConfidence', below: '0.5', action: 'humanQueue', queue: 'desk' }],
        },
      },
    };
    const { events } = played([{ event: done }], 'success');
    expect(replay([{ run, events }], unsure).questions).toMatchObject([
      { change: 'stricter', signal: 'lowConfidence' },
    ]);
  });
});
