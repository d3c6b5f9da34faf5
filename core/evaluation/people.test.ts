import { describe, expect, test } from 'vitest';
import { isLeft, personFor, type SeenRun } from './people.ts';

const question = { queue: 'desk', rule: 'unsure', proposal: { tool: 'charge', args: {} } };

test.each([
  ['anybody', { decide: 'approve' }, true],
  ['of the queue', { queue: 'desk', decide: 'approve' }, true],
  ['of another queue', { queue: 'nurse', decide: 'approve' }, false],
  ['for the rule', { rule: 'unsure', decide: 'approve' }, true],
  ['for another rule', { rule: 'late', decide: 'approve' }, false],
  ['for the tool', { tool: 'charge', decide: 'approve' }, true],
  ['for another tool', { tool: 'send', decide: 'approve' }, false],
] as const)('a person %s', (_name, person, answers) => {
  expect(personFor([person], question, new Map())).toBe(answers ? 0 : undefined);
});

test('a person answers as often as they may, then the next', () => {
  const people = [{ decide: 'reject', times: 2 }, { decide: 'approve' }] as const;
  expect(personFor(people, question, new Map([[0, 1]]))).toBe(0);
  expect(personFor(people, question, new Map([[0, 2]]))).toBe(1);
});

describe('a trial is left with people', () => {
  const run = (id: string, more: Partial<SeenRun> = {}): SeenRun => ({
    run: id,
    closed: false,
    unanswered: false,
    openChildren: [],
    ...more,
  });
  test.each<[string, readonly SeenRun[], boolean]>([
    ['when nobody answers', [run('a', { unanswered: true })], true],
    ['not while it works', [run('a')], false],
    ['when its children are', [run('a', { openChildren: ['b'] }), run('b', { unanswered: true })], true],
    [
      'not while a child works',
      [run('a', { openChildren: ['b', 'c'] }), run('b', { unanswered: true }), run('c')],
      false,
    ],
    ['not while a child is only asked for', [run('a', { openChildren: ['b'] })], false],
    ['when one has ended and the other is', [run('a', { closed: true }), run('b', { unanswered: true })], true],
    ['not in a circle', [run('a', { openChildren: ['a'] })], false],
  ])('%s', (_name, runs, left) => {
    expect(isLeft(runs)).toBe(left);
  });
});
