// What needs more than one changed step: several runs and writers, time, frozen runs, and a check that saw too little.
import { describe, expect, test } from 'vitest';
import type { NewEvent } from '../../api/messages/history.ts';
import { acted, activity, events, found, run, story, told } from '../../test/support/story.ts';
import { digest } from '../canonical/canonical.ts';
import { foldHistory } from '../workflow/evolve.ts';
import { initialState } from '../workflow/state.ts';
import type { Fact, FactOf } from './facts.ts';
import { coverageOf, vacuous } from './vacuity.ts';

describe('each violation is seen, by its invariant', () => {
  test('a second run with the same business key', () => {
    const facts = story({});
    const [first] = facts as [FactOf<'Appended'>];
    const record = { ...first.record, id: 'other', runs: [{ ...first.record.runs[0], run: 'Run2' }] };
    expect(found([...facts, { ...first, seq: 12, record } as Fact])).toContain('I1');
  });

  test('an owner that was followed by another writes again; a record is stored twice; a run is in two partitions', () => {
    const facts = story({});
    const records = facts.filter((fact) => fact.kind === 'Appended');
    const with2 = (change: (fact: FactOf<'Appended'>, index: number) => FactOf<'Appended'>): readonly Fact[] =>
      records.map(change);
    const taken = with2((fact, index) => ({
      ...fact,
      record: { ...fact.record, owner: index === 2 ? 'e2' : 'e1', epoch: index === 2 ? 2 : 0 },
    }));
    const handedOver = with2((fact, index) => ({
      ...fact,
      record: { ...fact.record, owner: index < 2 ? 'e1' : 'e2', epoch: index < 2 ? 0 : 2 },
    }));
    const blind = with2((fact, index) => ({
      ...fact,
      record: { ...fact.record, owner: index < 2 ? 'e1' : 'e2', epoch: index < 2 ? 0 : 1 },
    }));
    const twice = with2((fact) => ({ ...fact, record: { ...fact.record, id: 'same' } }));
    const moved = with2((fact, index) =>
      index < 5 ? fact : { ...fact, partition: 1, seq: index - 4, record: { ...fact.record, epoch: 0 } },
    );
    expect([taken, blind, twice, moved].map((history) => found(history).includes('I9'))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(found(handedOver)).not.toContain('I9');
  });

  test('another state in memory than the journal folds to; a write at rest', () => {
    const facts = story({});
    const history = facts.flatMap((fact) => (fact.kind === 'Appended' ? (fact.record.runs[0]?.events ?? []) : []));
    const state = foldHistory(initialState(run), history);
    const folded = (of: unknown): Fact => ({ kind: 'Folded', at: 0, run, seq: state.seq, digest: digest(of) });
    expect(found([...facts, folded(state)])).toEqual([]);
    expect(found([...facts, folded({ ...state, facts: {} })])).toContain('I10');
    const last = facts.findLast((fact) => fact.kind === 'Appended');
    const rested = facts.filter((fact) => fact !== last);
    expect(found([...rested, { kind: 'Rested', at: 0 }, ...(last === undefined ? [] : [last])])).toContain('I10');
  });
});

test('what an attempt that is over says counts for nothing: a turn, and a failure', () => {
  const stale = { ...events.reported, attempt: 2 };
  expect(found(story({ reported: [stale] }))).toContain('I3');
  const failed = {
    type: 'ActivityFailed',
    activity,
    attempt: 1,
    failure: { code: 'X', message: 'x' },
    retryable: true,
  } as const;
  const by = (cause: string) => ({ ...failed, cause }) as NewEvent;
  expect(found(story({ completed: [by(`fail/${activity}/1`)], closed: [events.closed] }))).not.toContain('I3');
  expect(found(story({ completed: [by(`fail/${activity}/0`)], closed: [events.closed] }))).toContain('I3');
});

test('a frozen run that goes on, and one that begins before its time', () => {
  const frozen = { type: 'RunFrozen', source: 'person', by: 'ann', reason: 'wait' } as const;
  const resumed = { ...frozen, type: 'RunResumed' } as const;
  expect(found(story({ entered: [frozen, resumed, events.entered] }))).toEqual([]);
  expect(found(story({ entered: [frozen, events.entered] }))).toContain('I5');
  expect(found(story({ started: [{ ...events.started, startAt: 500 }] }))).toContain('I1');
  const signal = { type: 'SignalReceived', signal: 's', id: 'once', payload: {}, by: 'ann' } as const;
  expect(found(story({ entered: [signal, signal, events.entered] }))).toContain('I10');
});

test('a run that waits for a person need not end, and before the world is healed no run need', () => {
  const cut = story({
    answered: [],
    decided: [],
    decisionTold: [],
    consumed: [],
    open: [],
    acted: [],
    done: [],
    reported: [],
    completed: [],
    closed: [],
    listed: [],
  });
  expect(found(cut)).toEqual([]);
  expect(found(story({ closed: [] }), false)).toEqual([]);
});

describe('a check that saw too little fails as vacuous', () => {
  const faulted: Fact = { kind: 'Faulted', at: 0, fault: 'crash' };
  const recovered: Fact = { kind: 'Recovered', at: 0, after: 'crash' };
  test.each<readonly [string, readonly Fact[], RegExp]>([
    ['no operation', [faulted, recovered, acted], /0 acknowledged operations/],
    ['no effect', [faulted, recovered, told('start', 0)], /0 effects/],
    ['no fault', [recovered, acted, told('start', 0)], /0 faults/],
    ['no recovery', [faulted, acted, told('start', 0)], /0 recoveries/],
    ['not the wanted fault', [...story({}), faulted, recovered], /fault pause never/],
    ['not the wanted event', [...story({}), faulted, recovered], /event WaitElapsed never/],
  ])('%s', (_what, facts, sentence) => {
    const problems = vacuous(coverageOf(facts), { faults: ['pause'], events: ['WaitElapsed'] });
    expect(problems.join('\n')).toMatch(sentence);
  });
  test('enough is enough', () => {
    expect(
      vacuous(coverageOf([...story({}), faulted, recovered]), { faults: ['crash'], events: ['RunClosed'] }),
    ).toEqual([]);
  });
});
