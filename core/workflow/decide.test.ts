import { describe, expect, test } from 'vitest';
import { rule, simple, started } from '../../test/support/play.ts';
import { escalationsOf } from './summary.ts';

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

  test('a call that waits is asked about also when a rule has stopped the run first', () => {
    const play = started(simple({ rules: [rule({ signal: 'loop', atLeast: 1, action: 'humanQueue' })] }));
    play.turn(play.called(1, 'pay', 'approvalRequired'));
    expect(play.state.escalation?.facts.signal).toBe('loop');
    play.decide();
    expect(play.state).toMatchObject({ status: 'Waiting', escalation: { facts: { proposal: { tool: 'pay' } } } });
    play.decide();
    expect(play.state).toMatchObject({ status: 'Running', approvals: [{ consumed: false }] });
  });
});
