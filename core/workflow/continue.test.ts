import { describe, expect, test } from 'vitest';
import { run, type Setting, started, taskState } from '../../test/support/play.ts';
import { foldHistory } from './evolve.ts';
import { initialState } from './state.ts';
import { summaryOf } from './summary.ts';

const loop = (more: Partial<Setting> = {}, work = {}): Setting => ({
  states: {
    work: { ...taskState, ...work },
    again: { type: 'decision' },
    enough: { type: 'terminal', outcome: 'refused' },
  },
  transitions: [
    { from: 'work', to: 'again' },
    { from: 'again', when: 'facts.ok', to: 'done' },
    { from: 'again', to: 'work' },
  ],
  ...more,
});

describe('loops', () => {
  test.each([
    ['takes exits.exhausted', { exits: { ...taskState.exits, exhausted: 'enough' } }, 'refused'],
    ['fails the run without one', {}, 'failed'],
  ])('a state entered more often than maxVisits %s', (_, more, outcome) => {
    const play = started(loop({}, { maxVisits: 3, ...more }));
    for (let visit = 1; visit <= 3; visit += 1) {
      expect(play.state.activity?.id).toBe(`work.${visit}`);
      play.complete({ ok: false });
    }
    expect(play.state).toMatchObject({ status: 'Closed', outcome, visits: { work: 3 } });
    if (outcome === 'failed') {
      expect(play.state.closing).toBe(
        'state work was entered 3 times, which is its maxVisits, and has no exit exhausted',
      );
    }
  });

  test('a state that says nothing has the bound of all', () => {
    const play = started(loop({ limits: { maxVisits: 2 } }));
    for (let visit = 0; visit < 2; visit += 1) play.complete({ ok: false });
    expect(play.state.outcome).toBe('failed');
  });

  test('exits that lead to each other when exhausted end', () => {
    const play = started({
      states: {
        work: { type: 'decision', maxVisits: 1, exits: { exhausted: 'other' } },
        other: { type: 'decision', maxVisits: 1, exits: { exhausted: 'work' } },
      },
      transitions: [
        { from: 'work', to: 'other' },
        { from: 'other', to: 'work' },
      ],
    });
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'failed' });
  });
});

describe('long histories', () => {
  test('are continued between two states; folding may begin there', () => {
    const play = started(loop({ limits: { continueAfter: 20 } }));
    for (let visit = 0; visit < 30; visit += 1) play.complete({ ok: false, visit });
    const at = play.events.flatMap((event, index) => (event.type === 'HistoryContinued' ? [index] : []));
    expect(at.length).toBeGreaterThan(3);
    for (const index of at) {
      expect(foldHistory(initialState(run), play.events.slice(index))).toEqual(play.state);
      expect(play.events[index + 1]?.type).toBe('StateEntered');
    }
    expect(play.state).toMatchObject({ visits: { work: 31 }, facts: { visit: 29 }, status: 'Running' });
    play.complete({ ok: true });
    expect(play.state.outcome).toBe('success');
  });

  test('what people were asked long ago is not carried along, and every question has an id of its own', () => {
    const play = started({
      states: {
        work: {
          type: 'approval',
          queue: 'desk',
          question: 'Again?',
          timeout: '1h',
          exits: { rejected: 'refused', expired: 'late' },
        },
      },
      transitions: [{ from: 'work', to: 'work' }],
      rules: [],
      limits: { continueAfter: 20 },
    });
    const ids = new Set<string>();
    for (let visit = 0; visit < 300; visit += 1) {
      ids.add(play.state.escalation?.facts.id ?? '');
      play.decide('approve');
    }
    expect(ids.size).toBe(300);
    expect(play.state.escalations.length).toBeLessThan(130);
    expect(summaryOf(play.state).escalations).toBe(301);
  });

  test('one state that makes too many events stops for a person, and goes on with a yes', () => {
    const play = started(loop({ limits: { historyMax: 10 } }));
    for (let turn = 1; play.state.status === 'Running'; turn += 1) play.turn(play.said(turn));
    expect(play.state.escalation?.facts).toMatchObject({ signal: 'history', action: 'freeze' });
    expect(play.state.status).toBe('Frozen');
    const turns = play.state.activity?.turns.length;
    play.decide('approve');
    expect(play.state).toMatchObject({ status: 'Running', activity: { id: 'work.1', phase: 'Scheduled' } });
    expect(play.state.activity?.turns).toHaveLength(turns ?? 0);
    expect(play.types().at(-1)).toBe('HistoryContinued');
    play.complete({ ok: true });
    expect(play.state.outcome).toBe('success');
  });

  test('a no ends it', () => {
    const play = started(loop({ limits: { historyMax: 3 } }));
    play.fail();
    play.decide('reject');
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'handedOver' });
  });
});
