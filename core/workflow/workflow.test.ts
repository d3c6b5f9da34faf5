import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { HistoryEvent, Turn } from '../../api/messages/history.ts';
import type { EscalationRule } from '../../api/v1alpha1/escalation-policy.ts';
import { Play, run, type Setting, taskState } from '../../test/support/play.ts';
import { digest } from '../canonical/canonical.ts';
import { evolve, foldHistory } from './evolve.ts';
import { partitionOf, runIdFor } from './partition.ts';
import { plan } from './plan.ts';
import { initialState } from './state.ts';
import { escalationsOf, summaryOf } from './summary.ts';

const simple = (more: Partial<Setting> = {}): Setting => ({
  states: { work: taskState },
  transitions: [{ from: 'work', to: 'done' }],
  ...more,
});
const started = (setting: Setting = simple(), input = {}): Play => {
  const play = new Play(setting);
  play.start(input);
  return play;
};
const rule = (fields: Partial<EscalationRule> & Pick<EscalationRule, 'signal' | 'action'>): EscalationRule => ({
  name: 'rule',
  queue: 'desk',
  ...fields,
});

describe('moving through states', () => {
  test('decisions follow each other in one commit; every guard that was looked at is recorded', () => {
    const play = started({
      states: { work: taskState, first: { type: 'decision' }, second: { type: 'decision' } },
      transitions: [
        { from: 'work', to: 'first' },
        { from: 'first', when: 'facts.n > 5', to: 'failed' },
        { from: 'first', when: 'result.n == 3', to: 'second' },
        { from: 'first', to: 'failed' },
        { from: 'second', to: 'done' },
      ],
    });
    expect(play.complete({ n: 3 })).toEqual({ kind: 'Go' });
    const moved = play.events.filter((event) => event.type === 'Transitioned');
    expect(moved.map((event) => [event.from, event.to, event.guards])).toEqual([
      ['work', 'first', []],
      [
        'first',
        'second',
        [
          { when: 'facts.n > 5', value: false },
          { when: 'result.n == 3', value: true },
        ],
      ],
      ['second', 'done', []],
    ]);
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'success', facts: { n: 3 } });
  });

  test.each([
    ['takes exits.error when there is one', { exits: { error: 'refused' } }, 'refused'],
    ['fails the run when there is none', {}, 'failed'],
  ])('W1: a guard that cannot be evaluated %s', (_, more, outcome) => {
    const play = started({
      states: { work: taskState, choose: { type: 'decision', ...more } },
      transitions: [
        { from: 'work', to: 'choose' },
        { from: 'choose', when: 'facts.missing == 1', to: 'done' },
        { from: 'choose', to: 'done' },
      ],
    });
    play.complete({});
    expect(play.state.outcome).toBe(outcome);
  });

  test('W2: a circle of decisions ends', () => {
    const play = started({
      states: { work: { type: 'decision' }, back: { type: 'decision' } },
      transitions: [
        { from: 'work', to: 'back' },
        { from: 'back', to: 'work' },
      ],
    });
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'failed' });
    expect(play.events.length).toBeLessThan(250);
  });

  test('a second visit is an activity of its own', () => {
    const play = started({
      states: { work: taskState, again: { type: 'decision' } },
      transitions: [
        { from: 'work', to: 'again' },
        { from: 'again', when: 'facts.ok', to: 'done' },
        { from: 'again', to: 'work' },
      ],
    });
    play.complete({ ok: false });
    expect(play.state.activity).toMatchObject({ id: 'work.2', attempt: 1 });
    play.complete({ ok: true });
    expect(play.state.outcome).toBe('success');
  });
});

describe('attempts', () => {
  test('retry with back-off, then backup with its own retry, then the exit error', () => {
    const play = started();
    const seen: unknown[] = [];
    while (play.state.status === 'Running') {
      const { route, attempt, notBefore } = play.state.activity ?? {};
      seen.push([route, attempt, (notBefore ?? 0) > play.now]);
      play.now = Math.max(play.now, notBefore ?? 0);
      play.fail();
    }
    expect(seen).toEqual([
      ['primary', 1, false],
      ['primary', 2, true],
      ['backup', 3, false],
      ['backup', 4, true],
    ]);
    expect(play.state).toMatchObject({ outcome: 'failed', attempts: 4 });
  });

  test('what cannot be retried goes straight to the backup; none: straight to the exit', () => {
    const play = started();
    play.fail(false);
    expect(play.state.activity).toMatchObject({ route: 'backup', attempt: 2, agent: 'helper' });
    const without = started(simple({ states: { work: { ...taskState, backup: 'none' } } }));
    without.fail(false);
    expect(without.state.outcome).toBe('failed');
  });

  test('back-off is the same on every machine, doubles and is bounded', () => {
    const waits = (): number[] => {
      const retry = { max: 8, backoff: '1s', maxBackoff: '10s' };
      const play = started(simple({ states: { work: { ...taskState, retry, timeout: '1h' } } }));
      return Array.from({ length: 8 }, () => {
        play.fail();
        const wait = (play.state.activity?.notBefore ?? 0) - play.now;
        play.now += wait;
        return wait;
      });
    };
    expect(waits()).toEqual(waits());
    for (const [index, wait] of waits().entries()) {
      const plain = Math.min(10_000, 1_000 * 2 ** index);
      expect(wait).toBeGreaterThanOrEqual(plain * 0.8);
      expect(wait).toBeLessThanOrEqual(plain * 1.2);
    }
  });

  test('the deadline is of the whole visit, over all attempts', () => {
    const play = started();
    play.now += 59_000;
    play.fail();
    play.wait();
    expect(play.types()).toContain('ActivityTimedOut');
    expect(play.state.state).toBe('late');
  });

  test('a report of an old attempt is told to stop and changes nothing', () => {
    const play = started();
    play.fail();
    const before = play.events.length;
    expect(play.complete({}, { attempt: 1 })).toMatchObject({ kind: 'Stop' });
    expect(play.turn(play.said(1), false, { attempt: 1 })).toMatchObject({ kind: 'Stop' });
    expect(play.fail(true, { attempt: 1 })).toMatchObject({ kind: 'Stop' });
    expect(play.events.length).toBe(before);
  });
});

describe('turns', () => {
  test('T1: in order, once; a repeated report gets the same answer without an event', () => {
    const play = started();
    expect(play.turn(play.said(1))).toEqual({ kind: 'Go' });
    expect(play.turn(play.said(1))).toEqual({ kind: 'Go' });
    expect(play.turn(play.said(3))).toMatchObject({ kind: 'Error', code: 'STALE' });
    const call = { id: 'c', tool: 'pay', args: {} };
    expect(play.turn(play.said(2, { calls: [call] }), true)).toEqual({ kind: 'Go' });
    expect(play.turn(play.said(2, { calls: [call] }), true)).toEqual({ kind: 'Go' });
    expect(play.turn(play.said(3))).toMatchObject({ kind: 'Error', code: 'STALE' });
    expect(play.turn(play.called(2, 'pay', 'ok'))).toEqual({ kind: 'Go' });
    expect(play.types().filter((type) => type.startsWith('Turn'))).toEqual([
      'TurnCompleted',
      'TurnProposed',
      'TurnCompleted',
    ]);
    expect(play.state).toMatchObject({ costMicros: 20, effects: 1 });
  });

  describe('F3: an effect counts once', () => {
    const stored = (play: Play, turn: number): Turn => {
      const called = play.called(turn, 'pay', 'ok');
      const results = called.results.map(({ receipt, ...result }) => ({
        ...result,
        ...(receipt === undefined ? {} : { receipt: { ...receipt, committed: false } }),
      }));
      return { ...called, results };
    };
    test('that the first attempt made and only the second could report', () => {
      const play = started();
      play.turn(play.said(1, { calls: [{ id: 'c1', tool: 'pay', args: {} }] }), true);
      play.fail();
      play.now = play.state.activity?.notBefore ?? 0;
      expect(play.turn(stored(play, 1))).toEqual({ kind: 'Go' });
      expect(play.state).toMatchObject({ effects: 1, activity: { attempt: 2 } });
    });
    test('that is reported again, by this attempt or the next', () => {
      const play = started();
      play.turn(play.called(1, 'pay', 'ok'));
      play.turn(stored(play, 2));
      play.fail();
      play.now = play.state.activity?.notBefore ?? 0;
      play.turn(stored(play, 1));
      expect(play.state.effects).toBe(1);
    });
    test('each of two calls, no read, nothing that was refused', () => {
      const play = started();
      play.turn(play.called(1, 'pay', 'ok', { args: { cents: 1 } }));
      play.turn(play.called(2, 'pay', 'ok', { args: { cents: 2 } }));
      play.turn(play.called(3, 'pay', 'error', { args: { cents: 3 } }));
      expect(play.state.effects).toBe(2);
      play.complete({});
      expect(play.state).toMatchObject({ status: 'Closed', effects: 2, effectDigests: [] });
    });
  });

  test.each([
    [
      'a turn without a model receipt',
      (play: Play) => ({ ...play.said(1), receipt: play.receipt({ kind: 'tool', name: 'x' }) }),
    ],
    [
      'a receipt of another run',
      (play: Play) => play.said(1, { receipt: play.receipt({ kind: 'model', name: 'm', run: 'other' }) }),
    ],
    ['a result better than its receipt', (play: Play) => play.called(1, 'pay', 'denied', { outcome: 'ok' })],
    [
      'a result with another tool’s receipt',
      (play: Play) => play.called(1, 'pay', 'ok', { receipt: play.receipt({ kind: 'tool', name: 'find' }) }),
    ],
    [
      'a result with the receipt of other arguments',
      (play: Play) => {
        const [paid] = play.called(1, 'pay', 'ok', { args: { cents: 1 } }).results;
        return play.called(1, 'pay', 'ok', { args: { cents: 2 }, ...(paid?.receipt ? { receipt: paid.receipt } : {}) });
      },
    ],
    [
      'another result than the gateway handed over',
      (play: Play) => {
        const turn = play.called(1, 'find', 'ok', { result: { found: false } });
        return { ...turn, results: turn.results.map((result) => ({ ...result, result: { found: true } })) };
      },
    ],
  ])('T2: %s is refused', (_, turnOf) => {
    const play = started();
    expect(play.turn(turnOf(play))).toMatchObject({ kind: 'Error', code: 'DENIED' });
    expect(play.state.activity?.turns).toEqual([]);
  });

  test('T2: a result may be left out for its size, and says so', () => {
    const play = started();
    const turn = play.called(1, 'find', 'ok', { result: { text: 'long' } });
    const results = turn.results.map((result) => ({ ...result, result: { truncated: true, bytes: 15 } }));
    expect(play.turn({ ...turn, results })).toEqual({ kind: 'Go' });
  });
});

describe('verification', () => {
  const verified = simple({
    bundle: {
      verifier: { rules: [{ name: 'small', cel: 'result.n < facts.n', message: 'too large' }] },
      policy: { maxRepairs: 1 },
    },
  });

  test('R1: a rule that fails or cannot be evaluated is a repair, too many are a failure that is not retried', () => {
    const play = started(
      simple({ bundle: { verifier: { rules: [{ name: 'r', cel: 'result.n < 5', message: 'too large' }] } } }),
    );
    expect(play.complete({ n: 9 })).toEqual({ kind: 'Repair', feedback: 'r: too large' });
    expect(play.complete({}, {}, '/n is required')).toMatchObject({ kind: 'Repair' });
    expect(play.complete({ n: 4 })).toEqual({ kind: 'Go' });
    expect(play.state).toMatchObject({ outcome: 'success', repairs: 2 });
    const stubborn = started(verified);
    expect(stubborn.complete({ n: 1 })).toMatchObject({ kind: 'Repair' });
    expect(stubborn.complete({ n: 1 })).toMatchObject({ kind: 'Stop' });
    expect(stubborn.state.activity).toMatchObject({ route: 'backup' });
    expect(stubborn.types()).not.toContain('ActivityCompleted');
  });

  test('R1: with a verifier model the receipt must be for exactly this result', () => {
    const setting = simple({ bundle: { verifier: { model: 'judge' } } });
    const approval = (play: Play, of: unknown, outcome: 'ok' | 'rejected' = 'ok') => ({
      approved: true,
      rules: [],
      model: {
        approved: true,
        reason: 'fine',
        receipt: play.receipt({ kind: 'verify', name: 'judge', digest: digest(of), outcome, costMicros: 7 }),
      },
    });
    const play = started(setting);
    expect(play.complete({ n: 1 })).toMatchObject({ kind: 'Repair' });
    expect(play.complete({ n: 1 }, { verification: approval(play, { n: 2 }) })).toMatchObject({ kind: 'Repair' });
    const other = started(setting);
    expect(other.complete({ n: 1 }, { verification: approval(other, { n: 1 }, 'rejected') })).toMatchObject({
      kind: 'Repair',
    });
    expect(other.complete({ n: 1 }, { verification: approval(other, { n: 1 }) })).toEqual({ kind: 'Go' });
    expect(other.state).toMatchObject({ outcome: 'success', costMicros: 7 });
  });
});

describe('escalation: every action, at the moment its signal is seen', () => {
  const red = (action: EscalationRule['action'], more: Partial<EscalationRule> = {}): EscalationRule =>
    rule({ signal: 'redFlag', patterns: ['danger'], action, ...more });

  test.each(['humanQueue', 'approval', 'freeze'] as const)(
    '%s before anything acts; a yes goes on, a no hands over',
    (action) => {
      const play = started(simple({ rules: [red(action)] }), { text: 'Danger!' });
      expect(play.types()).toEqual(['RunStarted', 'EscalationOpened']);
      expect(play.state.status).toBe(action === 'freeze' ? 'Frozen' : 'Waiting');
      expect(plan(play).some((command) => command.kind === 'DispatchTask')).toBe(false);
      play.decide();
      expect(play.state).toMatchObject({ status: 'Running', activity: { id: 'work.1', phase: 'Scheduled' } });
      play.turn(play.said(1, { text: 'there is danger' }));
      expect(play.state.status).toBe('Running');
      const no = started(simple({ rules: [red(action)] }), { text: 'Danger!' });
      no.decide('reject');
      expect(no.state).toMatchObject({ status: 'Closed', outcome: 'handedOver', attempts: 0 });
    },
  );

  test('readOnly goes on without effects', () => {
    const play = started(simple({ rules: [red('readOnly')] }), { text: 'danger' });
    expect(play.state).toMatchObject({ readOnly: true, status: 'Running' });
    expect(play.authorize('find', {})).toMatchObject({ kind: 'Allowed', readOnly: true });
  });

  test('fallbackWorkflow: another workflow gets the case, under a name that never changes', () => {
    const play = started(simple({ rules: [red('fallbackWorkflow', { workflow: 'call-back' })] }), { text: 'danger' });
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'handedOver' });
    const commands = plan(play).filter((command) => command.kind === 'StartFallback');
    expect(commands).toMatchObject([
      {
        workflow: 'call-back',
        run: runIdFor('ns', 'call-back', `fallback/${run}`),
        input: { run, workflow: 'wf', input: { text: 'danger' } },
      },
    ]);
  });

  test.each([
    ['backupRoute', {}, 'helper', 'backup'],
    ['specialist', { agent: 'expert' }, 'expert', 'specialist'],
  ] as const)('%s: another agent has the task; once it was used, a person is asked', (action, more, agent, route) => {
    for (const text of ['danger', 'calm']) {
      const play = started(simple({ rules: [red(action, more)] }), { text });
      if (text === 'calm') expect(play.turn(play.said(1, { text: 'danger' }))).toMatchObject({ kind: 'Stop' });
      expect(play.state.activity).toMatchObject({ agent, route, attempt: 2 });
    }
    const unsure = started(
      simple({
        rules: [rule({ signal: 'lowConfidence', below: '0.5', action, ...more })],
        bundle: { policy: { confidenceFrom: 'reported' } },
      }),
    );
    unsure.complete({ confidence: 0.1 });
    expect(unsure.state.activity).toMatchObject({ agent, route });
    expect(unsure.types()).not.toContain('ActivityCompleted');
    unsure.complete({ confidence: 0.1 });
    expect(unsure.state).toMatchObject({ status: 'Waiting' });
    unsure.decide();
    expect(unsure.state).toMatchObject({ outcome: 'success', facts: { confidence: 0.1 } });
  });

  test('a doubtful result waits, verified and bound by its digest; a yes moves on without asking the agent again', () => {
    const play = started(
      simple({
        rules: [rule({ signal: 'lowConfidence', below: '0.5', action: 'humanQueue' })],
        bundle: { policy: { confidenceFrom: 'reported' } },
      }),
    );
    expect(play.complete({ answer: 1 })).toEqual({ kind: 'Go' });
    expect(play.state).toMatchObject({ status: 'Waiting', escalation: { facts: { signal: 'lowConfidence' } } });
    expect(play.complete({ answer: 1 })).toEqual({ kind: 'Go' });
    play.decide();
    expect(play.state).toMatchObject({ outcome: 'success', attempts: 1 });
  });

  test('observe only takes a note, once per activity', () => {
    const play = started(simple({ rules: [rule({ signal: 'loop', atLeast: 1, action: 'freeze', mode: 'observe' })] }));
    play.turn(play.called(1, 'find', 'ok'));
    play.turn(play.called(2, 'find', 'ok'));
    expect(play.types().filter((type) => type === 'SignalObserved')).toHaveLength(1);
    expect(play.state.status).toBe('Running');
  });

  test.each<[string, EscalationRule, (play: Play) => unknown]>([
    [
      'redFlag in arguments',
      rule({ signal: 'redFlag', patterns: ['danger'], action: 'freeze' }),
      (play) => play.turn(play.said(1, { calls: [{ id: 'c', tool: 'say', args: { text: 'Danger' } }] }), true),
    ],
    [
      'redFlag in a result',
      rule({ signal: 'redFlag', patterns: ['danger'], action: 'freeze' }),
      (play) => play.complete({ text: 'danger' }),
    ],
    [
      'userFrustration',
      rule({ signal: 'userFrustration', patterns: ['angry'], action: 'freeze' }),
      (play) => play.turn(play.said(1, { text: 'the user is angry' })),
    ],
    [
      'permissionDenied',
      rule({ signal: 'permissionDenied', action: 'freeze' }),
      (play) => play.turn(play.called(1, 'pay', 'denied')),
    ],
    [
      'loop',
      rule({ signal: 'loop', atLeast: 2, action: 'freeze' }),
      (play) => [1, 2].map((turn) => play.turn(play.called(turn, 'find', 'ok'))),
    ],
    [
      'conflictingOutputs',
      rule({ signal: 'conflictingOutputs', fields: ['id'], action: 'freeze' }),
      (play) => [
        play.turn(play.called(1, 'a', 'ok', { result: { id: 1 } })),
        play.turn(play.called(2, 'b', 'ok', { result: { id: 2 } })),
      ],
    ],
    [
      'repeatedRetries',
      rule({ signal: 'repeatedRetries', atLeast: 2, action: 'freeze' }),
      (play) => [play.fail(), play.fail()],
    ],
    ['verifierReject', rule({ signal: 'verifierReject', action: 'freeze' }), (play) => play.complete({}, {}, 'wrong')],
    ['abnormalLatency', rule({ signal: 'abnormalLatency', above: '5s', action: 'freeze' }), (play) => play.wait()],
    ['budget', rule({ signal: 'budget', percent: 50, action: 'freeze' }), (play) => play.turn(play.said(1))],
    [
      'ambiguousEffect',
      rule({ signal: 'ambiguousEffect', action: 'freeze' }),
      (play) => play.turn(play.called(1, 'pay', 'ambiguous')),
    ],
    [
      'lowConfidence',
      rule({ signal: 'lowConfidence', below: '1', action: 'freeze' }),
      (play) => play.complete({ confidence: 0.9 }),
    ],
  ])('the signal %s freezes a running activity; a yes lets it go on', (_, one, cause) => {
    const play = started(simple({ rules: [one], spec: { budget: { perRunMicros: 20 } } }));
    cause(play);
    expect(play.state).toMatchObject({
      status: 'Frozen',
      escalation: { facts: { rule: 'rule', action: 'freeze', queue: 'desk' } },
    });
    play.now += 10_000;
    play.decide();
    expect(play.state.status === 'Frozen').toBe(false);
  });

  test('time that people take is not the agent’s', () => {
    const play = started(simple({ rules: [rule({ signal: 'permissionDenied', action: 'humanQueue' })] }));
    play.turn(play.called(1, 'pay', 'denied'));
    play.now += 600_000;
    play.decide();
    expect(play.state.activity?.deadline).toBe(1_000_000 + 60_000 + 600_000);
  });

  test('without any rule an effect that nobody knows of goes to a person, each one', () => {
    const play = started();
    play.turn(play.called(1, 'pay', 'ambiguous'));
    expect(play.state).toMatchObject({
      status: 'Waiting',
      escalation: { facts: { signal: 'ambiguousEffect', queue: 'default' } },
    });
    play.decide();
    play.turn(play.called(2, 'refund', 'ambiguous'));
    expect(play.state).toMatchObject({ status: 'Waiting', escalations: [{}, {}] });
  });

  test('the bundle’s own floor stops a result where no rule speaks of confidence', () => {
    const play = started(simple({ bundle: { policy: { confidenceFloor: '0.7', confidenceFrom: 'reported' } } }));
    play.complete({ confidence: 0.65 });
    expect(play.state).toMatchObject({ status: 'Waiting', escalation: { facts: { signal: 'lowConfidence' } } });
  });
});

describe('decisions', () => {
  const approval = simple({
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

  test.each([
    ['an unknown escalation', { escalation: 'other-1' }, 'NOT_FOUND'],
    ['another digest', { digest: 'sha256:other' }, 'DENIED'],
    ['another queue', { queue: 'night' }, 'DENIED'],
    ['by who asked for the run', { by: 'ann' }, 'DENIED'],
  ])('D2: %s is refused', (_, more, code) => {
    const play = started(approval);
    expect(play.decide('approve', more)).toMatchObject({ ok: false, code });
    expect(play.state.status).toBe('Waiting');
  });

  test('D1: once; the same decision again is the same answer, another one is refused', () => {
    const play = started(approval);
    const { id = '', digest: bound = '' } = play.state.escalation?.facts ?? {};
    expect(play.decide('reject')).toMatchObject({ ok: true });
    expect(play.decide('reject', { escalation: id, digest: bound, decision: `uid-${id}` })).toMatchObject({ ok: true });
    expect(play.decide('approve', { escalation: id, digest: bound, decision: 'other' })).toMatchObject({
      ok: false,
      code: 'STALE',
    });
    expect(play.state.outcome).toBe('refused');
  });

  test('too late is refused; nobody: the exit expired', () => {
    const play = started(approval);
    play.now += 900_000;
    expect(play.decide()).toMatchObject({ ok: false, code: 'STALE' });
    play.wait(0);
    expect(play.state).toMatchObject({ outcome: 'handedOver', state: 'late' });
    expect(escalationsOf(play.state)).toMatchObject([{ status: 'Expired' }]);
  });

  test('a queue that does not answer passes on to the next, then rejects', () => {
    const play = started(
      simple({ rules: [rule({ signal: 'redFlag', patterns: ['x'], action: 'humanQueue', queue: 'emergency' })] }),
      { t: 'x' },
    );
    play.wait();
    expect(play.state).toMatchObject({ status: 'Waiting', escalation: { facts: { queue: 'desk' } } });
    play.wait();
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'handedOver' });
    expect(play.types()).toEqual([
      'RunStarted',
      'EscalationOpened',
      'EscalationMoved',
      'EscalationExpired',
      'RunClosed',
    ]);
  });

  test('or to a fallback workflow', () => {
    const play = started(
      simple({ rules: [rule({ signal: 'redFlag', patterns: ['x'], action: 'humanQueue', queue: 'night' })] }),
      { t: 'x' },
    );
    play.wait();
    expect(play.state).toMatchObject({ outcome: 'handedOver', fallback: { workflow: 'call-back' } });
  });

  test('a call that waits for a person: consumed once, a no takes the exit', () => {
    const play = started(simple({ rules: [] }));
    expect(play.turn(play.called(1, 'pay', 'approvalRequired', { args: { n: 1 } }))).toMatchObject({ kind: 'Stop' });
    expect(play.state.escalation?.facts).toMatchObject({
      signal: 'approval',
      proposal: { tool: 'pay', args: { n: 1 } },
    });
    expect(play.authorize('pay', { n: 1 }, { approvalNeeded: true })).toMatchObject({ kind: 'Refused' });
    play.decide();
    expect(play.authorize('pay', { n: 2 }, { approvalNeeded: true })).toMatchObject({ approval: 'absent' });
    expect(play.authorize('pay', { n: 2 }, { effectful: true })).toMatchObject({ kind: 'Refused', code: 'DENIED' });
    for (let times = 0; times < 3; times += 1) {
      expect(play.authorize('pay', { n: 1 }, { approvalNeeded: true, effectful: true })).toMatchObject({
        approval: 'consumed',
      });
    }
    expect(play.types().filter((type) => type === 'ApprovalConsumed')).toHaveLength(1);
    expect(play.turn(play.called(1, 'pay', 'ok', { args: { n: 1 } }))).toEqual({ kind: 'Go' });
    expect(play.turn(play.called(1, 'pay', 'ok', { args: { n: 1 } }))).toEqual({ kind: 'Go' });
    expect(play.state.effects).toBe(1);
    const no = started(simple({ rules: [] }));
    no.turn(no.called(1, 'pay', 'approvalRequired'));
    no.decide('reject');
    expect(no.state).toMatchObject({ status: 'Closed', outcome: 'failed' });
  });

  test('several calls of one turn are asked about one after the other', () => {
    const play = started(simple({ rules: [] }));
    const first = play.called(1, 'pay', 'approvalRequired', { args: { n: 1 } });
    const second = play.called(2, 'pay', 'approvalRequired', { args: { n: 2 } });
    play.turn({ ...first, calls: [...first.calls, ...second.calls], results: [...first.results, ...second.results] });
    play.decide();
    expect(play.state).toMatchObject({ status: 'Waiting', escalation: { facts: { proposal: { args: { n: 2 } } } } });
    play.decide();
    expect(play.state).toMatchObject({ status: 'Running', activity: { answers: [{}, {}] } });
  });
});

describe('waiting and ending', () => {
  const waiting = simple({
    states: {
      work: { type: 'wait', for: { event: 'a.b', by: 'input.id' }, timeout: '1h', exits: { timeout: 'late' } },
    },
  });

  test('only its own subject and key wake a run, and an event only once', () => {
    const play = started(waiting, { id: 'x' });
    expect([play.event('a.c', 'x'), play.event('a.b', 'y'), play.event('a.b', 'x'), play.event('a.b', 'x')]).toEqual([
      { taken: false },
      { taken: false },
      { taken: true },
      { taken: true },
    ]);
    expect(play.state.outcome).toBe('success');
    expect(play.types().filter((type) => type === 'BusEventReceived')).toHaveLength(1);
  });

  test('time over: exit timeout; a duration that is over: received', () => {
    const play = started(waiting, { id: 'x' });
    play.wait();
    expect(play.state.state).toBe('late');
    const pause = started(simple({ states: { work: { type: 'wait', for: { duration: '5m' } } } }));
    pause.wait(299_999);
    expect(pause.state.status).toBe('Running');
    pause.wait(1);
    expect(pause.state.outcome).toBe('success');
  });

  test('the whole run has a deadline, also while people are asked', () => {
    const play = started(
      simple({ spec: { timeout: '30s' }, rules: [rule({ signal: 'redFlag', patterns: ['x'], action: 'freeze' })] }),
      { t: 'x' },
    );
    play.wait();
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'timedOut' });
    expect(escalationsOf(play.state)).toMatchObject([{ status: 'Closed' }]);
  });

  test('cancel closes at once, and again is the same', () => {
    const play = started();
    expect(play.cancel()).toMatchObject({ ok: true });
    const before = play.events.length;
    expect(play.cancel()).toMatchObject({ ok: true });
    expect(play.complete({})).toMatchObject({ kind: 'Stop' });
    expect(play.events.length).toBe(before);
    expect(summaryOf(play.state)).toMatchObject({ outcome: 'cancelled', status: 'Closed' });
  });

  test('F1: an event of an unknown type parks the run', () => {
    const play = started();
    const stranger = { type: 'Invented', seq: 4, at: 1, cause: 'x' } as unknown as HistoryEvent;
    play.state = evolve(play.state, stranger);
    expect(plan(play)).toEqual([]);
    expect(play.complete({})).toMatchObject({ kind: 'Stop' });
    expect(summaryOf(play.state).message).toContain('Invented');
  });
});

describe('names', () => {
  test('run ids and partitions are the same on every machine', () => {
    expect(runIdFor('clinic', 'patient-call', 'c-1')).toMatchInlineSnapshot(`"5GQvUOz1nFcSgVRowxcCfH"`);
    expect(runIdFor('clinic', 'patient-call', 'c-2')).not.toBe(runIdFor('clinic', 'patient-call', 'c-1'));
    expect(partitionOf('r1', 4)).toMatchInlineSnapshot(`2`);
    const counts = [0, 0, 0, 0];
    for (let n = 0; n < 4_000; n += 1) counts[partitionOf(`run${n}`, 4)] = (counts[partitionOf(`run${n}`, 4)] ?? 0) + 1;
    for (const count of counts) expect(count).toBeGreaterThan(800);
  });
});

describe('any causes in any order, repeated, keep the invariants', () => {
  const setting: Setting = {
    states: {
      work: taskState,
      ask: { type: 'approval', queue: 'desk', timeout: '1h', exits: { rejected: 'refused', expired: 'late' } },
      wait: { type: 'wait', for: { event: 'go', by: 'input.id' }, timeout: '10m', exits: { timeout: 'late' } },
      choose: { type: 'decision' },
    },
    transitions: [
      { from: 'work', to: 'ask' },
      { from: 'ask', to: 'wait' },
      { from: 'wait', to: 'choose' },
      { from: 'choose', when: 'facts.again', to: 'work' },
      { from: 'choose', to: 'done' },
    ],
    rules: [
      rule({ name: 'loop', signal: 'loop', atLeast: 2, action: 'humanQueue' }),
      rule({ name: 'slow', signal: 'abnormalLatency', above: '20s', action: 'backupRoute' }),
      rule({ name: 'stuck', signal: 'repeatedRetries', atLeast: 3, action: 'fallbackWorkflow', workflow: 'call-back' }),
      rule({ name: 'unsure', signal: 'lowConfidence', below: '0.5', action: 'approval' }),
    ],
    bundle: { policy: { confidenceFrom: 'reported' } },
  };
  const causes: Readonly<Record<string, (play: Play) => unknown>> = {
    turn: (play) => play.turn(play.called((play.state.activity?.turns.at(-1)?.turn ?? 0) + 1, 'find', 'ok')),
    repeatTurn: (play) => play.turn(play.called(play.state.activity?.turns.at(-1)?.turn ?? 1, 'find', 'ok')),
    askCall: (play) =>
      play.turn(play.called((play.state.activity?.turns.at(-1)?.turn ?? 0) + 1, 'pay', 'approvalRequired')),
    payAgain: (play) => play.turn(play.called(play.state.activity?.turns.at(-1)?.turn ?? 1, 'pay', 'ok')),
    authorize: (play) => [1, 2].map(() => play.authorize('pay', {}, { approvalNeeded: true })),
    approvedCall: (play) => [causes['askCall']?.(play), play.decide('approve'), causes['authorize']?.(play)],
    doubt: (play) => play.turn(play.called((play.state.activity?.turns.at(-1)?.turn ?? 0) + 1, 'pay', 'ambiguous')),
    complete: (play) => play.complete({ confidence: 0.9, again: true }),
    finish: (play) => play.complete({ confidence: 0.9, again: false }),
    unsure: (play) => play.complete({ again: false }),
    fail: (play) => play.fail(),
    failHard: (play) => play.fail(false),
    approve: (play) => play.decide('approve'),
    reject: (play) => play.decide('reject'),
    secondDecision: (play) => play.decide('approve', { decision: 'second' }),
    event: (play) => play.event('go', 'x', {}, `e${play.events.length}`),
    eventAgain: (play) => play.event('go', 'x', {}, 'same'),
    due: (play) => play.wait(),
    tick: (play) => play.wait(7_000),
    cancel: (play) => play.cancel(),
  };
  const likely = Object.keys(causes).filter((name) => name !== 'cancel');

  test('seq gapless, one open escalation decided once, nothing after the end, an approval consumed once, refold is equal', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...likely, ...likely, 'cancel'), { minLength: 5, maxLength: 60 }),
        (names) => {
          const play = new Play(setting);
          play.start({ id: 'x' });
          for (const name of names) causes[name]?.(play);
          for (const type of play.types()) seen.add(type);
          checkHistory(play.events);
          expect(foldHistory(initialState(run), play.events)).toEqual(play.state);
          const open = escalationsOf(play.state).filter((escalation) => escalation.status === 'Open');
          expect(open.length).toBe(play.state.escalation === undefined ? 0 : 1);
          if (play.state.status === 'Running') expect(plan(play).length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 400 },
    );
    // A search that never got anywhere proves nothing.
    for (const type of [
      'EscalationDecided',
      'ApprovalConsumed',
      'BusEventReceived',
      'ActivityCompleted',
      'FallbackRequested',
      'RunClosed',
    ]) {
      expect([...seen]).toContain(type);
    }
  });

  function checkHistory(events: readonly HistoryEvent[]): void {
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
    const closedAt = events.findIndex((event) => event.type === 'RunClosed');
    if (closedAt >= 0) expect(closedAt).toBe(events.length - 1);
    let open: string | undefined;
    const ended = new Set<string>();
    const consumed = new Set<string>();
    for (const event of events) {
      if (event.type === 'EscalationOpened') {
        expect(open).toBeUndefined();
        open = event.escalation.id;
      }
      if (event.type === 'EscalationDecided' || event.type === 'EscalationExpired') {
        expect(event.id).toBe(open);
        expect(ended.has(event.id)).toBe(false);
        ended.add(event.id);
        open = undefined;
      }
      if (event.type === 'ApprovalConsumed') {
        expect(consumed.has(event.id)).toBe(false);
        expect(ended.has(event.id)).toBe(true);
        consumed.add(event.id);
      }
      if (event.type === 'ActivityScheduled' || event.type === 'ActivityCompleted') expect(open).toBeUndefined();
    }
  }
});
