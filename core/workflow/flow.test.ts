import { describe, expect, test } from 'vitest';
import type { HistoryEvent } from '../../api/messages/history.ts';
import { rule, simple, started, taskState, untilOk } from '../../test/support/play.ts';
import { evolve } from './evolve.ts';
import { partitionOf, runIdFor } from './partition.ts';
import { plan } from './plan.ts';
import { escalationsOf, summaryOf } from './summary.ts';

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
    const play = started(untilOk());
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
      { taken: true, known: true },
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

  test.each([
    [{ agent: {}, bundle: {} }, 'Agent clerk (primary) works on work, attempt 1.'],
    [
      { bundle: {} },
      'In state work, waiting for Agent clerk, which does not exist or is not accepted: apply it again, or',
    ],
    [{ agent: {} }, 'In state work, waiting for the Bundle of Agent clerk that it is pinned to (sha256:'],
  ])(
    'a run that waits for what was deleted says so: %j is there',
    ({ agent, bundle }: Record<string, object>, words) => {
      const { message } = summaryOf(started().state, { agent: () => agent, bundle: () => bundle });
      expect(message).toContain(words);
    },
  );

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
