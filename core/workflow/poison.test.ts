import { describe, expect, test } from 'vitest';
import { simple, started, taskState } from '../../test/support/play.ts';
import { isPoison, lostMax, loseWorker } from './poison.ts';

const lost = { activity: 'work.1', attempt: 1, worker: 'w' };

describe('an activity that kills its workers', () => {
  test('is given to others until the bound, then fails as poison, once, and the backup takes over', () => {
    const play = started(simple());
    for (let n = 1; n < lostMax; n += 1) {
      expect(isPoison(play.state, lost)).toBe(false);
      play.react((given) => loseWorker(given, lost));
      expect(play.state.activity).toMatchObject({ phase: 'Scheduled', attempt: 1, lost: n });
    }
    expect(isPoison(play.state, lost)).toBe(true);
    play.react((given) => loseWorker(given, lost));
    expect(play.events.filter(({ type }) => type === 'ActivityFailed')).toMatchObject([
      { failure: { code: 'POISON' }, retryable: false },
    ]);
    expect(play.state.activity).toMatchObject({ route: 'backup', attempt: 2 });
    expect(play.state.activity?.lost).toBeUndefined();
  });

  test('a turn of progress starts the count anew', () => {
    const play = started(simple());
    for (let n = 1; n < lostMax; n += 1) play.react((given) => loseWorker(given, lost));
    play.turn(play.said(1, { calls: [{ id: 'c', tool: 't', args: {} }] }), true);
    expect(play.state.activity?.lost).toBe(lostMax - 1);
    expect(play.turn(play.said(1, { calls: [{ id: 'c', tool: 't', args: {} }] }))).toEqual({ kind: 'Go' });
    play.react((given) => loseWorker(given, lost));
    expect(play.state.activity).toMatchObject({ phase: 'Scheduled', lost: 1 });
  });

  test('without a backup the run takes exits.error', () => {
    const play = started({ ...simple(), states: { work: { ...taskState, backup: 'none' } } });
    for (let n = 1; n <= lostMax; n += 1) play.react((given) => loseWorker(given, lost));
    expect(play.state.outcome).toBe('failed');
  });

  test.each([
    ['another attempt', { ...lost, attempt: 2 }],
    ['another activity', { ...lost, activity: 'work.2' }],
  ])('a loss of %s changes nothing', (_, other) => {
    const play = started(simple());
    const before = play.events.length;
    play.react((given) => loseWorker(given, other));
    expect(play.events.length).toBe(before);
  });
});
