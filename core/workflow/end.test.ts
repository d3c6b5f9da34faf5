import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { Play, rule, run, type Setting, started, taskState } from '../../test/support/play.ts';
import { foldHistory } from './evolve.ts';
import { goalOf } from './schedule.ts';
import { initialState } from './state.ts';
import { summaryOf } from './summary.ts';

const undo = (goal: string): WorkflowState => ({
  type: 'compensation',
  agent: 'clerk',
  goal,
  timeout: '60s',
  retry: { max: 0 },
  backup: 'none',
});
const saga = (more: Partial<Setting> = {}): Setting => ({
  states: {
    work: { ...taskState, compensation: 'unbook' },
    pay: { ...taskState, compensation: 'refund' },
    ship: taskState,
    unbook: undo('Give back slot ${facts.slot}.'),
    refund: undo('Pay back ${facts.paid}.'),
    sorry: { type: 'terminal', outcome: 'refused', compensate: true },
  },
  transitions: [
    { from: 'work', to: 'pay' },
    { from: 'pay', when: 'facts.paid > 100', to: 'sorry' },
    { from: 'pay', to: 'ship' },
    { from: 'ship', to: 'done' },
  ],
  ...more,
});
/** Slot booked, money paid, at work on shipping. */
const shipping = (setting = saga()): Play => {
  const play = started(setting);
  play.complete({ slot: 's1' });
  play.complete({ paid: 30 });
  return play;
};
const goal = (play: Play) =>
  goalOf(play.state, play.definition.workflow.spec.states[play.state.state] as WorkflowState).text;

describe('compensation', () => {
  test('a cancel undoes what was done, the last first, then the run is closed', () => {
    const play = shipping();
    expect(play.cancel()).toEqual({ ok: true, result: { message: 'cancelled; 2 tasks are still to be undone' } });
    expect([play.state.state, goal(play)]).toEqual(['refund', 'Pay back 30.']);
    expect(summaryOf(play.state)).toMatchObject({
      status: 'Running',
      ending: { outcome: 'cancelled', compensations: 2 },
    });
    play.complete({});
    expect([play.state.state, goal(play)]).toEqual(['unbook', 'Give back slot s1.']);
    play.complete({});
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'cancelled', owed: [] });
    expect(play.events.at(-1)).toMatchObject({ type: 'RunClosed', state: 'ship' });
    expect(play.types().filter((type) => type === 'CompensationCompleted')).toHaveLength(2);
  });

  test('a cancel while it is undone is answered and changes nothing', () => {
    const play = shipping();
    play.cancel();
    const before = play.events.length;
    expect(play.cancel()).toMatchObject({
      ok: true,
      result: { message: 'already ending with cancelled; 2 tasks are still to be undone' },
    });
    expect(play.events).toHaveLength(before);
  });

  test.each([
    [
      'a terminal state with compensate',
      (play: Play) => [play.complete({ slot: 's1' }), play.complete({ paid: 200 })],
      'refused',
      2,
    ],
    ['the deadline of the run', (play: Play) => [play.complete({ slot: 's1' }), play.wait(3_600_000)], 'timedOut', 1],
    [
      'a failure without an exit',
      (play: Play) => [play.complete({ slot: 's1' }), play.complete({ paid: 'much' })],
      'failed',
      2,
    ],
  ])('%s undoes too', (_, causes, outcome, count) => {
    const spec = { timeout: '1h' };
    const states = { ...saga().states, pay: { ...taskState, timeout: '2h', compensation: 'refund', exits: {} } };
    const play = started(saga({ spec, states }));
    causes(play);
    expect(play.state.ending).toMatchObject({ outcome, compensate: true });
    for (let left = count; left > 0; left -= 1) {
      expect(play.state.owed).toHaveLength(left);
      play.complete({});
    }
    expect(play.state).toMatchObject({ status: 'Closed', outcome });
  });

  test.each([
    ['a terminal state without it', (play: Play) => play.complete({}), 'success'],
    ['handing over', (play: Play) => play.turn(play.said(1, { text: 'a lawyer' })), 'handedOver'],
  ])('%s undoes nothing', (_, cause, outcome) => {
    const rules = [rule({ signal: 'redFlag', patterns: ['lawyer'], action: 'fallbackWorkflow', workflow: 'legal' })];
    const play = shipping(saga({ rules }));
    cause(play);
    expect(play.state).toMatchObject({ status: 'Closed', outcome });
  });

  test('nothing was done: a cancel closes at once', () => {
    const play = started(saga());
    play.cancel();
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'cancelled' });
  });

  test.each([
    ['had an effect', (play: Play) => play.turn(play.called(1, 'pay', 'ok')), ['ship', 'refund']],
    [
      'is ambiguous',
      (play: Play) => [play.turn(play.called(1, 'pay', 'ambiguous')), play.decide()],
      ['ship', 'refund'],
    ],
    [
      'was proposed',
      (play: Play) => play.turn({ ...play.called(1, 'pay', 'ok'), results: [] }, true),
      ['ship', 'refund'],
    ],
    [
      'had an effect in an earlier attempt',
      (play: Play) => [play.turn(play.called(1, 'pay', 'ok')), play.fail()],
      ['ship', 'refund'],
    ],
    ['only read', (play: Play) => play.turn(play.called(1, 'find', 'error')), ['refund']],
  ])('a task that is cut off after a call that %s', (_, cause, first) => {
    const base = saga();
    const play = shipping(saga({ states: { ...base.states, ship: { ...taskState, compensation: 'unbook' } } }));
    cause(play);
    play.cancel();
    expect(play.state.owed.map(({ activity }) => activity)).toEqual(
      first[0] === 'ship' ? ['work.1', 'pay.1', 'ship.1'] : ['work.1', 'pay.1'],
    );
    expect(play.state.state).toBe(first[0] === 'ship' ? 'unbook' : 'refund');
  });
});

test.each<[string, (play: Play) => unknown]>([
  ['a cancel', (play) => play.cancel()],
  ['the deadline of the run', (play) => play.wait(86_400_000)],
  ['a no, by its exit', (play) => play.decide('reject')],
])('a task whose result is in doubt was done: %s undoes it, with what it gave', (_, cause) => {
  const { states, transitions } = saga();
  const work: WorkflowState = { ...taskState, compensation: 'unbook', exits: { rejected: 'sorry' } };
  const play = started({
    states: { ...states, work },
    transitions,
    rules: [rule({ signal: 'lowConfidence', below: '0.5', action: 'humanQueue' })],
    queues: [{ name: 'desk', deadline: '48h' }],
    bundle: { policy: { confidenceFrom: 'reported' } },
  });
  play.turn(play.called(1, 'book', 'ok'));
  play.complete({ slot: 's1', confidence: 0.1 });
  expect(play.state.status).toBe('Waiting');
  cause(play);
  expect([play.state.state, goal(play)]).toEqual(['unbook', 'Give back slot s1.']);
  play.complete({ confidence: 1 });
  expect(play.state).toMatchObject({ status: 'Closed', owed: [] });
});

describe('a compensation that fails', () => {
  const failing = (): Play => {
    const play = shipping();
    play.cancel();
    play.fail(false);
    return play;
  };

  test('asks a person; a yes tries the same activity again, with the whole time', () => {
    const play = failing();
    expect(play.state.escalation?.facts).toMatchObject({ signal: 'compensation', action: 'humanQueue' });
    expect(play.state.escalation?.facts.question).toContain('pay.1 is not undone: refund failed');
    play.now += 3_000_000;
    play.decide('approve');
    expect(play.state.activity).toMatchObject({ id: 'refund.1', attempt: 2, deadline: play.now + 60_000 });
    play.complete({});
    play.complete({});
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'cancelled' });
  });

  test('a no gives it up with a reason, and the next is undone', () => {
    const play = failing();
    play.decide('reject', { reason: 'paid back by hand' });
    expect(play.events.findLast((event) => event.type === 'CompensationAbandoned')).toMatchObject({
      of: 'pay.1',
      by: 'bob',
      reason: 'paid back by hand',
    });
    expect(play.state.state).toBe('unbook');
  });

  test('a goal that cannot be filled in is a failure too: a person is asked', () => {
    const play = started(saga());
    play.complete({ other: 1 });
    play.cancel();
    expect(play.state.escalation?.facts.question).toContain('its goal cannot be filled in');
    play.decide('approve');
    play.decide('reject');
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'cancelled' });
  });

  test('nobody answers: it is asked again, never given up', () => {
    const play = failing();
    for (let day = 0; day < 5; day += 1) play.wait();
    expect(play.state).toMatchObject({ status: 'Waiting', owed: [{}, {}] });
    play.decide('approve');
    expect(play.state.activity?.id).toBe('refund.1');
  });

  test('its time is over: the same', () => {
    const play = shipping();
    play.cancel();
    play.wait();
    expect(play.state.escalation?.facts.signal).toBe('compensation');
  });

  test('a person who refuses one of its calls is asked whether it is given up', () => {
    const play = shipping();
    play.cancel();
    play.turn(play.called(1, 'pay', 'approvalRequired'));
    play.decide('reject');
    expect(play.state.escalation?.facts.signal).toBe('compensation');
    expect(play.state.status).toBe('Waiting');
  });

  test('no other workflow takes over what a run owes', () => {
    const rules = [rule({ signal: 'redFlag', patterns: ['lawyer'], action: 'fallbackWorkflow', workflow: 'legal' })];
    const play = shipping(saga({ rules }));
    play.cancel();
    play.turn(play.said(1, { text: 'a lawyer' }));
    expect(play.state).toMatchObject({ status: 'Waiting', owed: [{}, {}] });
  });
});

test('a branch leaves what it owes to its parent, which undoes it', () => {
  const base = saga();
  const setting = saga({
    states: {
      ...base.states,
      fork: {
        type: 'parallel',
        branches: { one: { start: 'work' } },
        timeout: '1h',
        exits: { error: 'sorry', timeout: 'sorry' },
      },
      rest: taskState,
    },
    transitions: [...base.transitions, { from: 'fork', to: 'rest' }, { from: 'rest', to: 'done' }],
    spec: { start: 'fork' },
  });
  const branch = new Play(setting);
  branch.start(
    {},
    {
      source: 'parent',
      parent: { run: 'P', reason: 'x', child: 'one', depth: 1 },
      branch: { workflowDigest: 'sha256:wf', pins: { clerk: 'sha256:b' }, first: 'ship', facts: {} },
    },
  );
  expect(branch.state.state).toBe('ship');
  const play = started(setting);
  const owed = [{ activity: 'work.1', state: 'unbook', facts: { slot: 's9' } }];
  play.child('one', 'success', { owed });
  play.cancel();
  expect([play.state.state, goal(play)]).toEqual(['unbook', 'Give back slot s9.']);
});

test('branches that owe under the same name are each undone once, the last first', () => {
  const base = saga();
  const branches = { one: { start: 'work' }, two: { start: 'work' } };
  const fork: WorkflowState = {
    type: 'parallel',
    branches,
    timeout: '1h',
    exits: { error: 'sorry', timeout: 'sorry' },
  };
  const play = started(
    saga({
      states: { ...base.states, fork, rest: taskState },
      transitions: [...base.transitions, { from: 'fork', to: 'rest' }, { from: 'rest', to: 'done' }],
      spec: { start: 'fork' },
    }),
  );
  for (const [name, slot] of [
    ['one', 's1'],
    ['two', 's2'],
  ] as const) {
    play.child(name, 'success', { owed: [{ activity: 'work.1', state: 'unbook', facts: { slot } }] });
  }
  play.cancel();
  expect(goal(play)).toBe('Give back slot s2.');
  play.complete({});
  expect(goal(play)).toBe('Give back slot s1.');
  play.complete({});
  expect(play.state).toMatchObject({ status: 'Closed', outcome: 'cancelled' });
});

test('any causes in any order: what is owed is undone or given up by a person, once, and the run closes once', () => {
  const causes: Readonly<Record<string, (play: Play) => unknown>> = {
    complete: (play) => play.complete({ slot: 's', paid: 30 }),
    completeAgain: (play) => play.complete({ slot: 's', paid: 30 }, { activity: 'work.1', attempt: 1 }),
    act: (play) => play.turn(play.called((play.state.activity?.turns.at(-1)?.turn ?? 0) + 1, 'pay', 'ok')),
    fail: (play) => play.fail(),
    failHard: (play) => play.fail(false),
    approve: (play) => play.decide('approve'),
    reject: (play) => play.decide('reject'),
    cancel: (play) => play.cancel(),
    due: (play) => play.wait(),
    freeze: (play) => play.freeze(),
    freezeParent: (play) => play.freeze('parent'),
    resume: (play) => play.resume(),
    resumeParent: (play) => play.resume('parent'),
    child: (play) => play.child('a'),
    childFails: (play) => play.child('b', 'failed'),
    childCancelled: (play) => [play.child('a', 'cancelled'), play.child('b', 'cancelled')],
  };
  const base = saga();
  const setting = saga({
    states: {
      ...base.states,
      fork: {
        type: 'parallel',
        branches: { a: { workflow: 'x' }, b: { workflow: 'y' } },
        join: 'any',
        timeout: '1h',
        exits: { error: 'sorry', timeout: 'late' },
      },
    },
    transitions: [
      ...base.transitions.slice(0, 2),
      { from: 'pay', to: 'fork' },
      { from: 'fork', to: 'ship' },
      { from: 'ship', to: 'done' },
    ],
    limits: { continueAfter: 12 },
  });
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...Object.keys(causes)), { minLength: 5, maxLength: 60 }), (names) => {
      const play = started(setting);
      for (const name of names) causes[name]?.(play);
      // Heal: nothing is frozen, people and agents answer, children end.
      for (let rounds = 0; play.state.status !== 'Closed' && rounds < 60; rounds += 1) {
        const answer = rounds < 30 ? 'approve' : 'reject';
        for (const name of ['resume', 'resumeParent', answer, 'childCancelled', 'complete', 'cancel'])
          causes[name]?.(play);
      }
      expect(play.state.status).toBe('Closed');
      for (const type of play.types()) seen.add(type);
      expect(play.types().filter((type) => type === 'RunClosed')).toHaveLength(1);
      expect(play.types().at(-1)).toBe('RunClosed');
      expect(foldHistory(initialState(run), play.events)).toEqual(play.state);
      checkDebts(play);
      const from = play.events.findLastIndex((event) => event.type === 'HistoryContinued');
      if (from >= 0) expect(foldHistory(initialState(run), play.events.slice(from))).toEqual(play.state);
    }),
    { numRuns: 250 },
  );
  for (const type of [
    'CompensationCompleted',
    'CompensationAbandoned',
    'HistoryContinued',
    'ChildrenJoined',
    'RunResumed',
  ]) {
    expect([...seen]).toContain(type);
  }

  function checkDebts(play: Play): void {
    const open: string[] = [];
    for (const event of play.events) {
      if (event.type === 'CompensationOwed') open.push(event.activity);
      if (event.type === 'CompensationStarted') expect(event.of).toBe(open.at(-1));
      if (event.type === 'CompensationCompleted' || event.type === 'CompensationAbandoned')
        expect(open.pop()).toBe(event.of);
    }
    const end = play.events.findLast((event) => event.type === 'RunEnding');
    if (end?.compensate === true) expect(open).toEqual([]);
    if (play.state.outcome === 'cancelled' || play.state.outcome === 'timedOut') expect(open).toEqual([]);
  }
}, 60_000);
