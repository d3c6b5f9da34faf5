// Histories of every release, played by this one: the same end, the same pending commands, the same summary.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventTypes, evolve } from '../core/workflow/evolve.ts';
import { initialState } from '../core/workflow/state.ts';
import { digestOf, type End, type Golden, known, replay } from './golden/history.ts';
import { scenarios } from './golden/scenarios.ts';

const root = join(import.meta.dirname, 'golden', 'histories');
const goldens = readdirSync(root).flatMap((release) =>
  readdirSync(join(root, release)).map((file): [string, Golden] => [
    `${release}/${file}`,
    JSON.parse(readFileSync(join(root, release, file), 'utf8')) as Golden,
  ]),
);

test.each(goldens)('%s ends as it did', (_, golden) => {
  const now = known(golden.end, replay(golden)) as End;
  expect(now).toEqual(golden.end);
  expect(digestOf(now)).toBe(golden.digest);
});

test('every type of event occurs in them: after a new one, add a scenario and run `make golden`', () => {
  const seen = new Set(goldens.flatMap(([, { events }]) => events.map(({ type }) => type)));
  expect(eventTypes.filter((type) => !seen.has(type))).toEqual([]);
});

test('every type of event occurs in the scenarios as this release plays them, so that the next one is recorded whole', () => {
  const seen = new Set(Object.values(scenarios).flatMap((play) => play().events.map(({ type }) => type)));
  expect(eventTypes.filter((type) => !seen.has(type))).toEqual([]);
});

describe('a changed meaning is seen', () => {
  test.each([
    ['a fact of the end', (end: End) => ({ ...end, state: { ...(end.state as object), costMicros: -1 } })],
    ['a member that is gone', (end: End) => ({ ...end, summary: {} })],
    ['a command more', (end: End) => ({ ...end, plan: [...(end.plan as unknown[]), { kind: 'WakeAt' }] })],
  ])('%s', (_, change) => {
    for (const [, golden] of goldens) expect(known(golden.end, change(golden.end))).not.toEqual(golden.end);
  });

  test('a member that a later release adds is none', () => {
    const [, golden] = goldens[0] ?? [];
    if (golden === undefined) throw new Error('no history is recorded');
    const end = { ...golden.end, state: { ...(golden.end.state as object), added: 1 } };
    expect(known(golden.end, end)).toEqual(golden.end);
  });
});

test('an event of a type that this release does not know parks the run, whatever it holds', () => {
  const future = { seq: 1, at: 5, cause: 'x', type: 'FromTheFuture', state: 'elsewhere' } as never;
  const state = evolve(initialState('r'), future);
  expect(state).toMatchObject({ seq: 1, parkedAt: 5, state: '' });
  expect(state.parked).toContain('FromTheFuture');
});
