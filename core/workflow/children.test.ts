import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import {
  branches,
  forked as forkedWithoutInput,
  Play,
  rule,
  type Setting,
  simple,
  started,
  taskState,
} from '../../test/support/play.ts';
import { plan } from './plan.ts';
import { summaryOf } from './summary.ts';

const credit = { ...branches.credit, input: { customer: '${input.customer}', days: 30 } };
const forked = (more: Partial<WorkflowState> = {}, rest: Partial<Setting> = {}): Setting =>
  forkedWithoutInput({ branches: { ...branches, credit }, ...more }, rest);
const children = (play: Play) =>
  plan(play)
    .filter((command) => 'request' in command)
    .map(({ kind, request }) => `${kind} ${request.start.parent?.child}`);

describe('asking', () => {
  test('one child per branch, with a name that follows from the parent; input filled in', () => {
    const play = started(forked(), { customer: 'c-7' });
    const asked = play.events.filter((event) => event.type === 'ChildAsked');
    expect(asked.map(({ child, workflow, start, input }) => [child, workflow, start, input])).toEqual([
      ['address', 'address-check', undefined, { customer: 'c-7' }],
      ['credit', 'credit-check', undefined, { customer: 'c-7', days: 30 }],
      ['stock', 'wf', 'count', { customer: 'c-7' }],
    ]);
    expect(new Set(asked.map(({ run }) => run)).size).toBe(3);
    expect(started(forked(), { customer: 'c-7' }).state.children).toEqual(play.state.children);
    expect(children(play)).toEqual(['StartChild address', 'StartChild credit', 'StartChild stock']);
  });

  test('a branch of the same workflow has its version, bundles, facts and first state', () => {
    const play = started(forked(), { customer: 'c-7' });
    const branch = plan(play).findLast((command) => 'request' in command)?.request.start;
    expect(branch).toMatchObject({
      source: 'parent',
      requestedBy: 'ann',
      parent: { run: play.state.run, child: 'stock', depth: 1 },
      branch: { workflowDigest: 'sha256:wf', first: 'count', pins: play.state.pins, facts: {} },
    });
    const child = new Play(forked());
    child.start(branch?.input, branch);
    expect(child.types()).toEqual(['RunStarted', 'StateEntered', 'Transitioned', 'StateEntered', 'RunClosed']);
    expect(child.state).toMatchObject({ first: 'count', visits: { count: 1, done: 1 }, outcome: 'success' });
  });

  test('a branch has the key of its parent, every child its priority; what people let pass in the input is not asked again', () => {
    const rules = [rule({ signal: 'redFlag', patterns: ['lawyer'], action: 'humanQueue' })];
    const setting = forked({}, { rules });
    const play = new Play(setting);
    play.start({ customer: 'a lawyer' }, { key: 'o-1', priority: 'high' });
    expect(play.state.status).toBe('Waiting');
    play.decide();
    const asked = plan(play).flatMap((command) => ('request' in command ? [command.request.start] : []));
    expect(asked.map(({ key }) => key)).toEqual([undefined, undefined, 'o-1']);
    expect(asked.map(({ priority }) => priority)).toEqual(['high', 'high', 'high']);
    const child = new Play(setting);
    child.start(asked[2]?.input, asked[2]);
    expect(child.state).toMatchObject({ outcome: 'success', key: 'o-1', asked: 0 });
  });

  test.each([
    ['an input that cannot be filled in', forked(), {}, 'the input of credit'],
    [
      'a run too deep below its first parent',
      forked({}, { limits: { depthMax: 0 } }),
      { customer: 'c' },
      'no run may be deeper',
    ],
  ])('%s takes exits.error', (_, setting, input, words) => {
    const without = { ...setting, states: { ...setting.states, work: { ...setting.states['work'], exits: {} } } };
    expect(started(setting as Setting, input).state.state).toBe('failed');
    expect(started(without as Setting, input).state.closing).toContain(words);
  });

  test('what is left of the budget is shared evenly', () => {
    const play = started(forked({}, { spec: { budget: { perRunMicros: 1_000 } } }), { customer: 'c' });
    expect(play.state.children.map(({ budgetMicros }) => budgetMicros)).toEqual([333, 333, 333]);
  });
});

test('the share of a child that nobody waits for stays its own until it is closed', () => {
  const base = forked({ join: 'any' }, { spec: { budget: { perRunMicros: 900 } } });
  const play = started(
    {
      ...base,
      states: { ...base.states, after: taskState },
      transitions: [
        { from: 'work', to: 'after' },
        { from: 'after', to: 'done' },
        { from: 'count', to: 'done' },
      ],
    },
    { customer: 'c' },
  );
  play.child('stock', 'success', { costMicros: 100 });
  expect(play.authorize('pay', {})).toMatchObject({ budgetLeftMicros: 900 - 100 - 2 * 300 });
  play.child('credit', 'cancelled', { costMicros: 0 });
  play.child('address', 'cancelled', { costMicros: 250 });
  expect(play.authorize('pay', {})).toMatchObject({ budgetLeftMicros: 900 - 100 - 250 });
});

describe('joining', () => {
  type Ends = readonly (readonly ['stock' | 'credit' | 'address', 'success' | 'failed' | 'refused'])[];
  test.each<[string, Partial<WorkflowState>, Ends, string, string]>([
    [
      'all: done with the last',
      {},
      [
        ['stock', 'success'],
        ['credit', 'success'],
        ['address', 'success'],
      ],
      'done',
      '',
    ],
    [
      'all: one that fails settles it',
      {},
      [
        ['stock', 'success'],
        ['credit', 'refused'],
      ],
      'failed',
      'address',
    ],
    [
      'any: the first success',
      { join: 'any' },
      [
        ['stock', 'failed'],
        ['credit', 'success'],
      ],
      'done',
      'address',
    ],
    [
      'any: all have failed',
      { join: 'any' },
      [
        ['stock', 'failed'],
        ['credit', 'failed'],
        ['address', 'failed'],
      ],
      'failed',
      '',
    ],
    [
      'quorum: as many as needed',
      { join: 'quorum', quorum: 2 },
      [
        ['stock', 'success'],
        ['address', 'success'],
      ],
      'done',
      'credit',
    ],
    [
      'quorum: no longer possible',
      { join: 'quorum', quorum: 2 },
      [
        ['stock', 'failed'],
        ['address', 'failed'],
      ],
      'failed',
      'credit',
    ],
  ])('%s', (_, more, ends, state, cancelled) => {
    const play = started(forked(more), { customer: 'c' });
    for (const [child, outcome] of ends) {
      expect(play.state.state).toBe('work');
      play.child(child, outcome);
    }
    expect(play.state.visits[state]).toBe(1);
    expect(children(play)).toEqual(cancelled === '' ? [] : [`CancelChild ${cancelled}`]);
    expect(play.state.status).toBe(cancelled === '' ? 'Closed' : 'Running');
    if (cancelled !== '') play.child(cancelled, 'cancelled');
    expect(play.state.status).toBe('Closed');
    expect(play.state.costMicros).toBe(15);
  });

  test('every branch becomes a fact, also one that nobody waited for', () => {
    const play = started(forked({ join: 'any' }), { customer: 'c' });
    play.child('credit', 'failed', { message: 'no bureau' });
    play.child('stock');
    expect(play.state.facts).toMatchObject({
      credit: { outcome: 'failed', message: 'no bureau' },
      stock: { outcome: 'success', result: { from: 'stock' } },
      address: { outcome: 'cancelled', result: {} },
    });
  });

  test('a state of type workflow: its child is its result, and guards see it', () => {
    const play = started({
      states: {
        work: {
          type: 'workflow',
          workflow: 'credit-check',
          timeout: '1m',
          exits: { error: 'failed', timeout: 'late' },
        },
      },
      transitions: [
        { from: 'work', when: "result.result.grade == 'A' && facts.work.outcome == 'success'", to: 'done' },
        { from: 'work', to: 'refused' },
      ],
    });
    play.child('work', 'success', { result: { grade: 'A' } });
    expect(play.state.outcome).toBe('success');
  });

  test('what failed is said', () => {
    const play = started(forked({ exits: {} }), { customer: 'c' });
    play.child('credit', 'failed', { message: 'no bureau' });
    expect(play.state.ending?.message).toMatch(
      /^state work needs 3 of 3 to succeed: credit \(run \w+\) ended with failed: no bureau$/,
    );
  });

  test('time over: exits.timeout, and the children are cancelled', () => {
    const play = started(forked(), { customer: 'c' });
    play.wait();
    expect(play.state.visits['late']).toBe(1);
    expect(children(play)).toEqual(['CancelChild address', 'CancelChild credit', 'CancelChild stock']);
  });

  test('H2: an end that is heard of twice is one fact, one of a stranger is none', () => {
    const play = started(forked(), { customer: 'c' });
    expect([play.child('credit'), play.child('credit', 'failed'), play.child('other')]).toEqual([
      { known: true },
      { known: true },
      { known: false },
    ]);
    expect(play.types().filter((type) => type === 'ChildClosed')).toHaveLength(1);
  });
});

describe('ending with children', () => {
  test.each([
    ['a cancel', (play: Play) => play.cancel(), 'cancelled'],
    ['the deadline of the run', (play: Play) => play.wait(60_000), 'timedOut'],
  ])('%s waits until they are closed, and counts what they cost', (_, cause, outcome) => {
    const play = started(forked({}, { spec: { timeout: '1m' } }), { customer: 'c' });
    play.child('stock');
    cause(play);
    expect(play.state).toMatchObject({ status: 'Running', ending: { outcome } });
    expect(children(play)).toEqual(['CancelChild address', 'CancelChild credit']);
    play.child('address', 'cancelled');
    expect(play.state.status).toBe('Running');
    play.child('credit', 'cancelled');
    expect(play.state).toMatchObject({ status: 'Closed', outcome, costMicros: 15, effects: 3 });
    expect(play.types().at(-1)).toBe('RunClosed');
  });

  test('a cancel is answered again while children are still open', () => {
    const play = started(forked(), { customer: 'c' });
    expect(play.cancel()).toMatchObject({
      ok: true,
      result: { message: 'cancelled; 3 of its children are still open' },
    });
    const before = play.events.length;
    expect(play.cancel()).toMatchObject({
      ok: true,
      result: { message: 'already ending with cancelled; 3 of its children are still open' },
    });
    expect(play.events).toHaveLength(before);
  });
});

test('a frozen parent freezes its children; what ends meanwhile counts when it is resumed', () => {
  const play = started(forked({ join: 'any' }), { customer: 'c' });
  play.freeze();
  expect(children(play)).toEqual(['FreezeChild address', 'FreezeChild credit', 'FreezeChild stock']);
  play.child('credit');
  expect(play.state).toMatchObject({ state: 'work', status: 'Frozen' });
  play.resume();
  expect(play.state.visits['done']).toBe(1);
  expect(children(play)).toEqual(['CancelChild address', 'CancelChild stock']);
});

test('a summary names parent and children, the open ones first', () => {
  const play = started(forked(), { customer: 'c' });
  play.child('address');
  expect(summaryOf(play.state)).toMatchObject({
    message: expect.stringMatching(/^In state work, waiting for credit \(run \w+\), stock \(run \w+\)\.$/),
    children: [{ child: 'credit' }, { child: 'stock' }, { child: 'address', outcome: 'success' }],
  });
  const child = new Play(simple());
  child.start({}, { source: 'parent', parent: { run: 'P', reason: 'x', child: 'credit', depth: 1 } });
  expect(summaryOf(child.state)).toMatchObject({ source: 'parent', parentRun: 'P' });
});

test('H3: in whatever order the ends are heard of, and however often, the parent gets to the same end', () => {
  const names = ['stock', 'credit', 'address'] as const;
  const outcomes = fc.constantFrom('success', 'failed', 'cancelled' as const);
  const reached = new Set<string>();
  fc.assert(
    fc.property(
      fc.tuple(outcomes, outcomes, outcomes),
      fc.constantFrom({}, { join: 'any' }, { join: 'quorum', quorum: 2 }) as fc.Arbitrary<Partial<WorkflowState>>,
      fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 9 }),
      (ends, join, heard) => {
        const finish = (order: readonly (typeof names)[number][]) => {
          const play = started(forked(join), { customer: 'c' });
          for (const name of order) play.child(name, ends[names.indexOf(name)]);
          return play;
        };
        const play = finish([...heard, ...names]);
        expect(play.state).toMatchObject({ status: 'Closed', costMicros: 15 });
        expect(play.state.outcome).toBe(finish(names).state.outcome);
        expect(play.types().filter((type) => type === 'RunClosed')).toHaveLength(1);
        reached.add(play.state.outcome ?? '');
      },
    ),
  );
  expect([...reached].toSorted()).toEqual(['failed', 'success']);
});
