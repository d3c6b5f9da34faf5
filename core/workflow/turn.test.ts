import { describe, expect, test } from 'vitest';
import type { Turn } from '../../api/messages/history.ts';
import { Play, simple, started } from '../../test/support/play.ts';
import { digest } from '../canonical/canonical.ts';

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
