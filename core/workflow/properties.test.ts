import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { HistoryEvent } from '../../api/messages/history.ts';
import { Play, run, rule, type Setting, taskState } from '../../test/support/play.ts';
import { foldHistory } from './evolve.ts';
import { plan } from './plan.ts';
import { initialState } from './state.ts';
import { escalationsOf } from './summary.ts';

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
      // What chance alone may miss.
      { numRuns: 400, examples: [[['fail', 'fail', 'fail']], [['approvedCall', 'finish', 'approve', 'event']]] },
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
