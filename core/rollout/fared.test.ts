import { describe, expect, test } from 'vitest';
import type { CallOutcome, HistoryEvent, NewEvent, Receipt, ToolResult, Turn } from '../../api/messages/history.ts';
import type { Assignment } from '../../api/messages/rollout.ts';
import type { Effect } from '../../api/v1alpha1/tool.ts';
import { foldHistory } from '../workflow/evolve.ts';
import { initialState, type RunState } from '../workflow/state.ts';
import { outcomeOf, roleOf, withBranches } from './fared.ts';

const assignment: Assignment = { rollout: 'u1', arm: 'canary', unit: 'u', first: true, weightBps: 500 };
const assigned = { clerk: assignment };

function folded(events: readonly object[], started: object = { assignments: assigned }): RunState {
  const all = [
    {
      type: 'RunStarted',
      namespace: 'ns',
      workflow: 'wf',
      workflowDigest: 'd',
      input: {},
      requestedBy: 'ann',
      source: 'http',
      pins: { clerk: 'sha256:new' },
      deadline: 9_000,
      ...started,
    },
    scheduled('clerk'),
    ...events,
  ].map((event, at) => ({ ...(event as NewEvent), seq: at + 1, at: 1_000 + at, cause: 'test' }) as HistoryEvent);
  return foldHistory(initialState('Run1'), all);
}

const scheduled = (agent: string) => ({
  type: 'ActivityScheduled',
  activity: 'work.1',
  state: 'work',
  agent,
  bundleDigest: 'sha256:new',
  route: 'primary',
  attempt: 1,
  notBefore: 0,
  deadline: 9_000,
});

const result = (outcome: CallOutcome, more: { effect?: Effect; check?: string; id?: string } = {}): ToolResult => {
  const { id = 'c1', ...of } = more;
  const receipt = { kind: 'tool', outcome, digest: `d-${id}`, ...of } as unknown as Receipt;
  return { id, tool: 'pay', args: {}, outcome, result: null, receipt };
};
const turn = (results: readonly ToolResult[], more: Partial<Turn> = {}): object => ({
  type: 'TurnCompleted',
  activity: 'work.1',
  attempt: 1,
  worker: 'w',
  turn: { turn: 1, role: 'executor', calls: [], results, ...more },
});
const completed = {
  type: 'ActivityCompleted',
  activity: 'work.1',
  attempt: 1,
  result: { satisfaction: 0.75 },
  verification: { approved: true, rules: [] },
  worker: 'w',
};
const asked = (more: object) => ({
  type: 'EscalationOpened',
  escalation: { id: 'run1-1', signal: 'approval', action: 'approval', queue: 'desk', agent: 'clerk', ...more },
});
const decided = (option: string) => ({
  type: 'EscalationDecided',
  id: 'run1-1',
  option,
  by: 'lead',
  reason: '',
  digest: '',
  decision: 'u',
});
const tellOf = (events: readonly object[], started?: object) => outcomeOf(folded(events, started), 'u1');

describe('violations', () => {
  test.each<[string, ToolResult, number, number]>([
    ['an effect outside of the task', result('denied', { effect: 'write', check: 'taskLacksTool' }), 1, 0],
    ['a tool that the bundle lacks', result('denied', { check: 'bundleLacksTool' }), 1, 0],
    ['a tool that the ceiling lacks', result('denied', { effect: 'irreversible', check: 'ceilingLacksTool' }), 1, 0],
    [
      'an effect of an agent that may only read',
      result('denied', { effect: 'write', check: 'modeReadForbidsEffect' }),
      1,
      0,
    ],
    ['a read outside of the task', result('denied', { effect: 'read', check: 'taskLacksTool' }), 0, 1],
    ['an effect while the run is read-only', result('denied', { effect: 'write', check: 'runIsReadOnly' }), 0, 1],
    ['a denial of before there were checks in receipts', result('denied'), 0, 1],
    ['an effect that nobody knows of', result('ambiguous', { effect: 'write' }), 0, 1],
    ['an error', result('error', { effect: 'write' }), 0, 0],
    ['a call that waits for a person', result('approvalRequired', { effect: 'write' }), 0, 0],
  ])('%s', (_, found, critical, minor) => {
    expect(tellOf([turn([found])])?.violations).toEqual({ critical, minor });
  });

  test('a turn that is told again counts once; what is new in it counts', () => {
    const denied = result('denied', { effect: 'write', check: 'taskLacksTool' });
    const other = result('denied', { effect: 'write', check: 'taskLacksTool', id: 'c2' });
    const proposed = { ...turn([denied]), type: 'TurnProposed' };
    expect(tellOf([proposed, turn([denied]), turn([denied, other])])?.violations.critical).toBe(2);
  });

  test('what another agent of the run does is not counted', () => {
    const denied = result('denied', { effect: 'write', check: 'taskLacksTool' });
    expect(tellOf([scheduled('helper'), turn([denied])])?.violations.critical).toBe(0);
  });

  test('a call that a person rejects is a minor one; a question without a call is none', () => {
    const proposal = { tool: 'pay', args: {} };
    expect(tellOf([asked({ proposal }), decided('reject')])?.violations).toEqual({ critical: 0, minor: 1 });
    expect(tellOf([asked({ proposal }), decided('approve')])?.violations.minor).toBe(0);
    expect(tellOf([asked({}), decided('reject')])?.violations.minor).toBe(0);
  });
});

test('results and calls with an effect that were proposed, and what the verifier rejected of them', () => {
  const calls = [
    result('ok', { effect: 'write' }),
    result('rejected', { effect: 'write', id: 'c2' }),
    result('ok', { effect: 'read', id: 'c3' }),
  ];
  const no = turn([], { turn: 2, role: 'verifier', feedback: 'no' });
  expect(tellOf([turn(calls), no, no, completed])).toMatchObject({ proposed: 4, rejected: 2 });
});

test.each<[string, readonly object[], boolean]>([
  ['a rule says so', [{ type: 'SignalObserved', rule: 'r', signal: 'budget', evidence: [] }], true],
  ['a person is asked for it', [asked({ signal: 'budget' })], true],
  ['a call is denied for it', [turn([result('denied', { check: 'budgetIsSpent' })])], true],
  ['another rule', [{ type: 'SignalObserved', rule: 'r', signal: 'loop', evidence: [] }], false],
])('over budget: %s', (_, events, over) => {
  expect(tellOf(events)?.overBudget).toBe(over);
});

test.each([
  ['ann', true],
  ['run Parent1', false],
  ['schedule:nightly', false],
])('cancelled by %s', (by, byUser) => {
  const closing = { type: 'RunClosed', outcome: 'cancelled', state: 'work', message: '' };
  expect(tellOf([{ type: 'CancelRequested', by, reason: '' }, closing])).toMatchObject({
    outcome: 'cancelled',
    cancelledByUser: byUser,
    closedAt: 1_003,
  });
});

test('a run that has ended, whole', () => {
  const closing = { type: 'RunClosed', outcome: 'success', state: 'done', message: '' };
  expect(tellOf([completed, closing])).toEqual({
    rollout: 'u1',
    arm: 'canary',
    unit: 'u',
    first: true,
    weightBps: 500,
    run: 'Run1',
    agent: 'clerk',
    assignedAt: 1_000,
    closedAt: 1_003,
    outcome: 'success',
    cancelledByUser: false,
    escalations: 0,
    violations: { critical: 0, minor: 0 },
    proposed: 1,
    rejected: 0,
    costMicros: 0,
    overBudget: false,
    satisfaction: 0.75,
  });
});

test('a branch says whose it is, and leaves its cost to it', () => {
  const branch = {
    assignments: { clerk: { ...assignment, first: undefined } },
    first: 'count',
    parent: { run: 'P', reason: '', child: 'c', depth: 1 },
  };
  expect(tellOf([], branch)).toMatchObject({ branchOf: 'P', costMicros: 0 });
});

test('O2: a run without an assignment counts nothing, and is no outcome', () => {
  const state = folded([turn([result('denied', { effect: 'write', check: 'taskLacksTool' })])], {});
  expect(state.fared).toBeUndefined();
  expect(outcomeOf(state, 'u1')).toBeUndefined();
  expect(tellOf([], { assignments: { clerk: { ...assignment, rollout: 'other' } } })).toBeUndefined();
});

test('what a run counts for', () => {
  expect(
    [assignment, { ...assignment, first: false }, { ...assignment, arm: 'stable', excluded: true }].map((one) =>
      roleOf(one as Assignment),
    ),
  ).toEqual(['canary/first', 'canary', 'excluded']);
});

test('a run with its branches is one run: what they did is its own, how it ended and what it cost is its own already', () => {
  const told = outcomeOf(folded([]), 'u1');
  if (told === undefined) throw new Error('it is a run of the rollout');
  const branch = (run: string, branchOf: string) => ({
    ...told,
    run,
    branchOf,
    outcome: 'failed',
    escalations: 1,
    violations: { critical: 1, minor: 2 },
    proposed: 3,
    rejected: 1,
    overBudget: true,
  });
  const alone = { ...told, run: 'Run2' };
  const branches = [branch('B1', 'Run1'), branch('B2', 'B1'), branch('B3', 'Unknown')];
  expect(withBranches([branches[1] as typeof told, told, alone, ...branches.toSpliced(1, 1)])).toEqual([
    {
      ...told,
      escalations: 2,
      violations: { critical: 2, minor: 4 },
      proposed: 6,
      rejected: 2,
      overBudget: true,
    },
    alone,
  ]);
});
