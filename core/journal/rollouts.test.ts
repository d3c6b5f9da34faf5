import { describe, expect, test } from 'vitest';
import { Rollouts, type RunRoles } from './rollouts.ts';

const first: RunRoles = [['u1', 'canary/first']];
const stable: RunRoles = [['u1', 'stable/first']];

describe('runs of a rollout', () => {
  test('the oldest change first, in parts, none left out and none twice', () => {
    const rollouts = new Rollouts();
    for (const [at, run] of ['a', 'b', 'c', 'd', 'e'].entries()) rollouts.changed(run, stable, at < 3 ? 7 : 8);
    rollouts.changed('b', stable, 9);
    const told: string[] = [];
    let [cursor, more] = [0, true];
    while (more) {
      const part = rollouts.after('u1', cursor, 2);
      told.push(...part.runs);
      ({ cursor, more } = part);
    }
    expect(told).toEqual(['a', 'c', 'd', 'e', 'b']);
    expect(rollouts.after('u1', cursor, 2)).toEqual({ runs: [], cursor, more: false });
    rollouts.changed('a', stable, 10);
    expect(rollouts.after('u1', cursor, 2).runs).toEqual(['a']);
  });

  test('a place lies above the record before, and not above its own: who begins at a checkpoint tells all of it again', () => {
    const rollouts = new Rollouts();
    for (const run of ['a', 'b']) rollouts.changed(run, first, 100);
    expect(rollouts.after('u1', 99, 9).runs).toEqual(['a', 'b']);
    expect(rollouts.after('u1', 100, 9).runs).toEqual([]);
  });

  test('keys are counted once, by the first run of each, and not when it is forgotten', () => {
    const rollouts = new Rollouts();
    rollouts.changed('a', first, 1);
    rollouts.changed('a', first, 2);
    rollouts.changed('b', [['u1', 'canary']], 3);
    rollouts.changed('c', stable, 3);
    rollouts.changed(
      'd',
      [
        ['u1', 'excluded'],
        ['u2', 'stable/first'],
      ],
      4,
    );
    expect(rollouts.keys('u1')).toEqual({ stable: 1, canary: 1, excluded: 1 });
    expect(rollouts.keys('u2')).toEqual({ stable: 1, canary: 0, excluded: 0 });
    rollouts.dropped('a', first);
    expect(rollouts.keys('u1')).toEqual({ stable: 1, canary: 0, excluded: 1 });
    expect(rollouts.runs('u1')).toBe(3);
    expect(rollouts.keys('u3')).toEqual({ stable: 0, canary: 0, excluded: 0 });
  });

  test('a run of no rollout takes no place', () => {
    const rollouts = new Rollouts();
    rollouts.changed('a', [], 1);
    expect(rollouts.after('u1', 0, 9).runs).toEqual([]);
  });
});
