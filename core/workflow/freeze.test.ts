import { describe, expect, test } from 'vitest';
import { type Play, rule, run, type Setting, simple, started, taskState } from '../../test/support/play.ts';
import { awaited, deliverEvent } from './deliver.ts';
import { nextDue } from './due.ts';
import { plan } from './plan.ts';
import { summaryOf } from './summary.ts';

const waiting = simple({ states: { work: { type: 'wait', for: { duration: '10m' } } } });
const asking = simple({
  states: {
    work: {
      type: 'approval',
      queue: 'desk',
      question: 'May it?',
      timeout: '1h',
      exits: { rejected: 'refused', expired: 'late' },
    },
  },
  rules: [],
});

describe('a frozen run', () => {
  test('gives out no task, tells its worker to stop and refuses its calls', () => {
    const play = started();
    const before = plan(play).map(({ kind }) => kind);
    expect(play.freeze()).toEqual({ ok: true, result: { message: 'frozen' } });
    expect(before).toEqual(['DispatchTask', 'WakeAt']);
    expect(plan(play)).toEqual([]);
    expect(play.complete({})).toEqual({ kind: 'Stop', message: 'the run is frozen by ann: stop' });
    expect(play.turn(play.said(1))).toMatchObject({ kind: 'Stop' });
    expect(play.authorize('pay', {})).toMatchObject({ kind: 'Refused', code: 'STALE' });
    expect(summaryOf(play.state)).toMatchObject({
      status: 'Frozen',
      message: 'Frozen by ann: stop.',
      frozen: [{ by: 'ann' }],
    });
  });

  test('fires no timer, not that of the whole run either', () => {
    const play = started(waiting);
    play.freeze();
    expect(nextDue(play)).toBeUndefined();
    play.wait(10 * 86_400_000);
    expect(play.state.status).toBe('Frozen');
  });

  test.each<[string, () => Play, (play: Play) => number | undefined]>([
    ['a task', () => started(), (play) => play.state.activity?.deadline],
    ['a wait', () => started(waiting), (play) => nextDue(play)],
    ['a question', () => started(asking), (play) => play.state.escalation?.facts.deadline],
    ['the run', () => started(), (play) => play.state.deadline],
  ])('Z1: the time it was frozen is added to the deadline of %s', (_, begin, deadline) => {
    const play = begin();
    const before = deadline(play) ?? 0;
    play.now += 1_000;
    play.freeze();
    play.now += 500_000;
    play.resume();
    expect(deadline(play)).toBe(before + 500_000);
  });

  test('a question that was open is answered later, and its pause is not counted twice', () => {
    const play = started(simple({ rules: [rule({ signal: 'loop', atLeast: 1, action: 'humanQueue' })] }));
    const before = play.state.activity?.deadline ?? 0;
    play.turn(play.called(1, 'find', 'ok'));
    play.now += 1_000;
    play.freeze();
    expect(play.decide()).toMatchObject({
      ok: false,
      code: 'FROZEN',
      message: expect.stringContaining('resume it first'),
    });
    play.now += 60_000;
    play.resume();
    expect(play.state.status).toBe('Waiting');
    play.now += 1_000;
    play.decide();
    expect(play.state.activity?.deadline).toBe(before + 62_000);
  });

  test('an event that comes meanwhile counts: the moment from which the run looks back is not moved', () => {
    const states: Setting['states'] = {
      work: { type: 'wait', for: { event: 'paid', by: 'run.id', lookBack: '1m' }, timeout: '1h' },
    };
    const play = started(simple({ states }));
    const since = awaited(play)?.since;
    play.freeze();
    play.now += 600_000;
    const at = play.now;
    play.now += 600_000;
    play.resume();
    expect(awaited(play)?.since).toBe(since);
    const event = { namespace: 'ns', id: 'e', subject: 'paid', key: run, payload: {}, at };
    expect(play.react((given) => deliverEvent(given, event))).toEqual({ taken: true });
    expect(play.state.outcome).toBe('success');
  });

  test('goes on where it was', () => {
    const play = started();
    play.freeze();
    expect(play.resume()).toEqual({ ok: true, result: { message: 'resumed' } });
    play.complete({});
    expect(play.state.outcome).toBe('success');
  });

  test('Z2: a freeze is lifted as it was set, and the run goes on with the last', () => {
    const play = started();
    play.freeze('object');
    expect(play.resume()).toMatchObject({ ok: false, code: 'STALE' });
    play.freeze('person');
    expect(play.resume('person')).toEqual({
      ok: true,
      result: { message: 'still frozen by ann (stop): set spec.suspend of its WorkflowRun to false' },
    });
    expect(play.state.status).toBe('Frozen');
    play.resume('object');
    expect(play.state.status).toBe('Running');
  });

  test('may be cancelled; what it owes is undone when it is resumed', () => {
    const undo = { type: 'compensation', agent: 'clerk', goal: 'Undo.', timeout: '60s', backup: 'none' } as const;
    const play = started({
      states: { work: { ...taskState, compensation: 'undo' }, more: taskState, undo },
      transitions: [
        { from: 'work', to: 'more' },
        { from: 'more', to: 'done' },
      ],
    });
    play.complete({});
    play.freeze();
    expect(play.cancel()).toMatchObject({
      ok: true,
      result: {
        message: 'cancelled; the run is frozen and goes on when it is resumed, 1 tasks are still to be undone',
      },
    });
    expect(plan(play)).toEqual([]);
    play.resume();
    expect(play.state.state).toBe('undo');
    const closed = started();
    closed.freeze();
    closed.cancel();
    expect(closed.state).toMatchObject({ status: 'Closed', outcome: 'cancelled' });
  });

  test('the same again makes no event; a closed run is refused', () => {
    const play = started();
    play.freeze();
    const before = play.events.length;
    expect(play.freeze()).toMatchObject({ ok: true, result: { message: 'already frozen' } });
    expect(play.events).toHaveLength(before);
    play.resume();
    expect(play.resume()).toMatchObject({ ok: true, result: { message: 'not frozen' } });
    play.cancel();
    for (const reply of [play.freeze(), play.resume(), play.readOnly(true)]) {
      expect(reply).toMatchObject({ ok: false, code: 'STALE' });
    }
  });
});

test('a run that a rule has frozen says how it goes on', () => {
  const play = started(simple({ rules: [rule({ signal: 'loop', atLeast: 1, action: 'freeze' })] }));
  play.turn(play.called(1, 'find', 'ok'));
  expect(play.state.status).toBe('Frozen');
  const id = play.state.escalation?.facts.id ?? '';
  expect(play.resume()).toEqual({
    ok: true,
    result: { message: `not frozen: it goes on when escalation ${id} in queue desk is decided` },
  });
});

test('read-only: set and lifted by people, told to worker and gateway', () => {
  const play = started();
  play.readOnly(true);
  expect(play.authorize('pay', {})).toMatchObject({ kind: 'Allowed', readOnly: true });
  expect(play.readOnly(true)).toMatchObject({ ok: true, result: { message: expect.stringContaining('already') } });
  play.readOnly(false);
  expect(play.authorize('pay', {})).toMatchObject({ kind: 'Allowed', readOnly: false });
  expect(play.types().filter((type) => type === 'ReadOnlyChanged')).toHaveLength(2);
});

test('what a rule made read-only, somebody other than who asked for the run lifts', () => {
  const play = started(simple({ rules: [rule({ signal: 'loop', atLeast: 1, action: 'readOnly' })] }));
  play.turn(play.called(1, 'find', 'ok'));
  expect(play.state.readOnly).toBe(true);
  const denied = { ok: false, code: 'DENIED', message: expect.stringContaining('started it and may not lift that') };
  expect(play.readOnly(false, 'ann')).toMatchObject(denied);
  // Said again, it is still the rule's.
  expect(play.readOnly(true, 'ann')).toMatchObject({ ok: true });
  expect(play.readOnly(false, 'ann')).toMatchObject(denied);
  expect(play.authorize('pay', {})).toMatchObject({ readOnly: true });
  expect(play.readOnly(false, 'bob')).toMatchObject({ ok: true });
  expect(play.authorize('pay', {})).toMatchObject({ readOnly: false });
});
