import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ends, Play, type Setting, taskState } from '../../test/support/play.ts';
import { plan } from './plan.ts';
import { rememberedMax } from './fold-incoming.ts';
import { keptCharactersMax, keptMax } from './signal.ts';
import { summaryOf } from './summary.ts';

const setting: Setting = {
  states: {
    work: taskState,
    pay: { type: 'wait', for: { signal: 'paid' }, timeout: '1h', exits: { timeout: 'late' } },
    ship: { type: 'wait', for: { signal: 'shipped' }, timeout: '1h', exits: { timeout: 'late' } },
  },
  transitions: [
    { from: 'work', to: 'pay' },
    { from: 'pay', when: 'result.amount > 100', to: 'ship' },
    { from: 'pay', to: 'refused' },
    { from: 'ship', to: 'done' },
  ],
};
const waiting = (): Play => {
  const play = new Play(setting);
  play.start();
  play.complete({});
  return play;
};
const outcome = (reply: unknown): string => {
  const answer = reply as { ok: boolean; code?: string; result?: { outcome: string } };
  return answer.ok ? (answer.result?.outcome ?? '') : (answer.code ?? '');
};

describe('a signal', () => {
  test('that the run waits for is taken; its payload is the result that guards see', () => {
    const play = waiting();
    expect(outcome(play.signal('paid', { amount: 120 }))).toBe('taken');
    expect(play.state).toMatchObject({ state: 'ship', result: { amount: 120 }, signals: [] });
  });

  test('sent before the wait is kept, in order, and taken when the state is entered', () => {
    const play = new Play(setting);
    play.start();
    expect(outcome(play.signal('shipped', {}, 'two'))).toBe('kept');
    expect(outcome(play.signal('paid', { amount: 200 }, 'one'))).toBe('kept');
    expect(outcome(play.signal('paid', { amount: 1 }, 'three'))).toBe('kept');
    play.complete({});
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'success', signals: [] });
  });

  test('sent again counts once, also after it was taken and after the end', () => {
    const play = waiting();
    play.signal('paid', { amount: 120 }, 'p');
    expect(outcome(play.signal('paid', { amount: 120 }, 'p'))).toBe('known');
    play.signal('shipped', {}, 's');
    expect(outcome(play.signal('shipped', {}, 's'))).toBe('known');
    expect(outcome(play.signal('shipped', {}, 'new'))).toBe('STALE');
    expect(play.events.filter(({ type }) => type === 'SignalReceived')).toHaveLength(2);
  });

  test.each([
    ['a name that no state waits for', 'lost', {}, undefined, 'INVALID_INPUT', 'allowed: paid, shipped'],
    [
      'data that do not fit',
      'paid',
      {},
      'amount is missing',
      'INVALID_INPUT',
      'the data of signal paid do not fit: amount',
    ],
    ['too much', 'shipped', { text: 'x'.repeat(keptCharactersMax) }, undefined, 'OVERLOADED', 'allowed are 262144'],
  ])('%s is refused', (_name, signal, payload, problem, code, message) => {
    const play = waiting();
    const reply = play.signal(signal, payload, 'x', problem) as unknown as { code: string; message: string };
    expect(reply.code).toBe(code);
    expect(reply.message).toContain(message);
    expect(play.state.signalIds).toEqual([]);
  });

  test('is refused when the run keeps as many as it may, and taken again once there is room', () => {
    const play = waiting();
    for (let number = 0; number < keptMax; number += 1) play.signal('shipped', {}, `s${number}`);
    expect(outcome(play.signal('shipped', {}, 'more'))).toBe('OVERLOADED');
    expect(outcome(play.signal('paid', { amount: 120 }, 'p'))).toBe('taken');
    expect(play.state.outcome).toBe('success');
  });

  test('that came while the run was frozen is taken when it goes on', () => {
    const play = waiting();
    play.freeze();
    expect(outcome(play.signal('paid', { amount: 120 }))).toBe('kept');
    expect(play.state.state).toBe('pay');
    play.resume();
    play.wait(0);
    expect(play.state.state).toBe('ship');
  });
});

test('any order of sending and repeating: each id once, nothing lost, no more remembered than its bound', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('paid', 'shipped'), fc.nat(6), fc.constantFrom('send', 'work', 'wait'))),
      (steps) => {
        const play = new Play(setting);
        play.start();
        const accepted = new Set<string>();
        for (const [signal, number, kind] of steps) {
          if (kind === 'work') play.complete({});
          else if (kind === 'wait') play.wait(0);
          else {
            const id = `${signal}${number}`;
            const before = play.events.length;
            const said = outcome(play.signal(signal, { amount: 50 + 30 * number }, id));
            if (said === 'known') expect(accepted.has(id)).toBe(true);
            if (said === 'known' || said === 'STALE') expect(play.events).toHaveLength(before);
            if (said === 'kept' || said === 'taken') {
              expect(accepted.has(id)).toBe(false);
              accepted.add(id);
            }
          }
          const received = play.events.flatMap((event) => (event.type === 'SignalReceived' ? [event.id] : []));
          const taken = play.events.flatMap((event) => (event.type === 'SignalTaken' ? [event.id] : []));
          expect(new Set(received)).toEqual(accepted);
          expect(new Set(taken).size).toBe(taken.length);
          if (play.state.status !== 'Closed') {
            expect(play.state.signals.map(({ id }) => id)).toEqual(received.filter((id) => !taken.includes(id)));
          }
          expect(play.state.signalIds.length).toBeLessThanOrEqual(rememberedMax);
        }
      },
    ),
  );
});

describe('a run that starts later', () => {
  test('does nothing before its time, keeps signals, and its time to end counts from then', () => {
    const play = new Play({ ...setting, spec: { timeout: '1h' } });
    play.start({}, { startAt: play.now + 600_000 });
    expect(play.state).toMatchObject({ state: '', status: 'Running', deadline: play.now + 600_000 + 3_600_000 });
    expect(play.events.map(({ type }) => type)).toEqual(['RunStarted']);
    expect(summaryOf(play.state).message).toBe('Starts at 1970-01-01T00:26:40Z.');
    play.signal('paid', { amount: 120 }, 'early');
    play.wait(599_999);
    expect(play.state.state).toBe('');
    play.wait(1);
    expect(play.state.state).toBe('work');
    play.complete({});
    expect(play.state.state).toBe('ship');
  });

  test('can be cancelled before; a time that is over starts at once', () => {
    const play = new Play(setting);
    play.start({}, { startAt: play.now + 600_000 });
    play.cancel();
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'cancelled' });
    const late = new Play(setting);
    late.start({}, { startAt: late.now - 5 });
    expect(late.state.state).toBe('work');
  });
});

describe('attributes', () => {
  const found = (attributes: Setting['spec']): Play => {
    const play = new Play({ ...setting, spec: { ...attributes } });
    play.start({ kind: 'visit', due: '2026-03-29T03:00:00+02:00' });
    return play;
  };

  test('are of the type that was said, from the input at once and from facts once they are there', () => {
    const play = found({
      attributes: {
        kind: { value: 'input.kind', type: 'string' },
        due: { value: 'input.due', type: 'time' },
        amount: { value: 'facts.amount', type: 'number' },
        wrong: { value: 'input.kind', type: 'number' },
      },
    });
    expect(play.state.attributes).toEqual({ kind: 'visit', due: '2026-03-29T01:00:00Z' });
    play.complete({ amount: 7 });
    expect(play.state.attributes).toEqual({ kind: 'visit', due: '2026-03-29T01:00:00Z', amount: 7 });
    expect(play.events.filter(({ type }) => type === 'AttributesSet')).toHaveLength(2);
  });

  test('a workflow without them makes no event', () => {
    expect(found({}).events.some(({ type }) => type === 'AttributesSet')).toBe(false);
  });
});

test('a priority comes from the start, else from the workflow, else it is normal', () => {
  const priorityOf = (spec: Setting['spec'], more = {}): unknown => {
    const play = new Play({ ...setting, spec: { ...spec } });
    play.start({}, more);
    return plan(play).find(({ kind }) => kind === 'DispatchTask');
  };
  expect(priorityOf({})).toMatchObject({ priority: 'normal' });
  expect(priorityOf({ priority: 'low' })).toMatchObject({ priority: 'low' });
  expect(priorityOf({ priority: 'low' }, { priority: 'high' })).toMatchObject({ priority: 'high' });
  expect(Object.keys(ends)).toContain('done');
});
