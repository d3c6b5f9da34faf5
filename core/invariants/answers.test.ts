import { expect, test } from 'vitest';
import type { HistoryEvent, RunSummary } from '../../api/messages/history.ts';
import type { Fact } from './facts.ts';
import { checkInvariants } from './watch.ts';

const run = 'Run1';
const event = (seq: number, at: number, more: object): Fact => {
  const events = [{ seq, at, cause: `c${seq}`, ...more } as HistoryEvent];
  const record = { v: 1 as const, id: `r${seq}`, owner: 'e1', epoch: 0, runs: [{ run, events }] };
  return { kind: 'Appended', at, partition: 0, seq, record };
};
const started = event(1, 100, { type: 'RunStarted', namespace: 'ns', workflow: 'wf', pins: {} });
const signalled = event(2, 200, { type: 'SignalReceived', signal: 's', id: 'x', payload: {} });
const told = (seq: number, askedAt: number): Fact => ({ kind: 'Told', at: 9_000, run, seq, askedAt });
const problems = (...facts: readonly Fact[]): readonly string[] =>
  checkInvariants(facts, { staleMs: 50 }, false).map(({ invariant, sentence }) => `${invariant} ${sentence}`);

test('a look may miss what came after it was asked for, and be as old as a lease', () => {
  expect(problems(told(0, 90), started, signalled, told(0, 100), told(1, 250), told(2, 900))).toEqual([]);
});

test('a no that was not true when it was asked for', () => {
  expect(problems(started, told(0, 101))).toEqual([
    'I1 was told not to exist, 1 ms after its start was in the journal',
  ]);
});

test('a look that is older than a lease', () => {
  expect(problems(started, signalled, told(1, 251))).toEqual([
    'I1 was told without event 2, which had been in the journal for 51 ms; allowed are 50',
  ]);
});

test('a list with another cost than the receipts and the children have', () => {
  const receipt = { kind: 'model', costMicros: 10 };
  const turn = { turn: 1, role: 'executor', calls: [], results: [], receipt };
  const scheduled = event(2, 200, { type: 'ActivityScheduled', activity: 'work.1', attempt: 1, route: 'primary' });
  const reported = event(3, 300, { type: 'TurnCompleted', activity: 'work.1', attempt: 1, turn });
  const child = event(4, 400, { type: 'ChildClosed', costMicros: 5, effects: 0, owed: [] });
  const listed = (costMicros: number): Fact => ({
    kind: 'Listed',
    at: 500,
    escalations: [],
    runs: [{ run, costMicros } as unknown as RunSummary],
  });
  const costs = (micros: number) =>
    problems(started, scheduled, reported, child, listed(micros)).filter((text) => text.startsWith('I16'));
  expect(costs(15)).toEqual([]);
  expect(costs(5)).toEqual(['I16 is listed with 5 micros, its receipts and children have 15']);
});
