// An expression that cannot be evaluated denies or takes the error exit, wherever it stands: never the happy path.
import { describe, expect, test } from 'vitest';
import { ends, started, taskState } from './support/play.ts';
import type { WorkflowSpec } from '../api/v1alpha1/workflow.ts';
import { checkRules } from '../core/agent/rules.ts';
import { scriptedAnswer } from '../core/agent/script.ts';
import { decide, type Proposal } from '../core/permission/decide.ts';
import { startRequest } from '../runtime/engine/start.ts';

const failing = ['facts.missing == 1', '1 / 0 == 1', 'facts', "'a'.matches('(')"];
const oneState = (state: WorkflowSpec['states'][string]) => ({
  states: { work: state },
  transitions: [{ from: 'work', to: 'done' }],
});

describe.each(failing)('%s', (broken) => {
  test('as a guard: exits.error, and without one the run fails', () => {
    const transitions = [
      { from: 'work', when: broken, to: 'done' },
      { from: 'work', to: 'done' },
    ];
    const exits = { error: 'refused' };
    expect(started({ states: { work: { type: 'decision', exits } }, transitions }).state.outcome).toBe('refused');
    expect(started({ states: { work: { type: 'decision' } }, transitions }).state.outcome).toBe('failed');
  });

  test('as the key of an awaited event: exits.error, and without one the run fails', () => {
    const wait = { type: 'wait', for: { event: 'calls.done', by: broken }, timeout: '1h' } as const;
    const reached = (more: object) => started(oneState({ ...wait, exits: { timeout: 'late', ...more } })).state;
    expect(reached({ error: 'refused' }).outcome).toBe('refused');
    expect(reached({})).toMatchObject({ outcome: 'failed', closing: expect.stringContaining('cannot be evaluated') });
  });

  test('as a rule of the verifier: rejected', () => {
    const given = { result: {}, facts: {}, input: {}, run: {}, turns: [] };
    expect(checkRules([{ name: 'r', cel: broken }], given)).toMatchObject([{ name: 'r', passed: false }]);
  });

  test('as approveWhen: a person is asked', () => {
    expect(decide(proposalWith(broken))).toMatchObject({ kind: 'NeedsApproval' });
  });

  test('as `when` of a scripted reply: the reply is not given', () => {
    const bindings = { facts: {}, role: 'executor', agent: 'a', turn: 1 };
    expect(scriptedAnswer([{ when: broken, text: 'yes' }], bindings)).toMatchObject({ kind: 'None' });
  });
});

const unfilled = ['Book ${facts.missing}.', 'Book ${1 / 0}.'];

describe.each(unfilled)('%s', (broken) => {
  test('as the goal of a task: exits.error before any agent is asked', () => {
    const play = started(oneState({ ...taskState, goal: broken, exits: { error: 'refused', timeout: 'late' } }));
    expect(play.state.outcome).toBe('refused');
    expect(play.events.some(({ type }) => type === 'ActivityScheduled')).toBe(false);
  });

  test('as the question to a person: exits.rejected, and nobody is asked', () => {
    const exits = { rejected: 'refused', expired: 'late' };
    const play = started(oneState({ type: 'approval', queue: 'desk', timeout: '1h', question: broken, exits }));
    expect(play.state.outcome).toBe('refused');
    expect(play.events.some(({ type }) => type === 'EscalationOpened')).toBe(false);
  });

  test('as the text of a scripted reply: no answer', () => {
    const bindings = { facts: {}, role: 'executor', agent: 'a', turn: 1 };
    expect(scriptedAnswer([{ text: broken }], bindings)).toMatchObject({ kind: 'None' });
  });
});

test.each(['input.missing', '1 / 0', 'input', 'true'])('%s as the business key: the start is refused', (key) => {
  const spec = { input: {}, start: 'done', states: ends, transitions: [], key } as unknown as WorkflowSpec;
  const workflow = { namespace: 'ns', name: 'wf', digest: 'sha256:wf', agents: [], spec };
  const wish = {
    namespace: 'ns',
    workflow: 'wf',
    input: {},
    requestedBy: 'ann',
    source: 'http',
    otherwise: 'x',
  } as const;
  expect(() => startRequest(workflow, wish)).toThrow(/^the key "/);
});

function proposalWith(approveWhen: string): Proposal {
  const permissions = [{ tool: 'charge', mode: 'write', approveWhen, queue: 'desk' }];
  return {
    agent: { name: 'clerk', permissions },
    bundle: {
      agent: 'clerk',
      name: 'clerk-1',
      spec: { tools: ['charge'] },
      tools: { charge: { spec: { effect: 'write' } } },
    },
    task: { readOnly: false },
    tool: 'charge',
    args: {},
    input: {},
    facts: {},
    run: {},
    state: 'work',
  } as unknown as Proposal;
}
