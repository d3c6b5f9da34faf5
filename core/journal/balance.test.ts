import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { balance } from './balance.ts';

const holding = (held: Readonly<Record<number, string>>): ReadonlyMap<number, string> =>
  new Map(Object.entries(held).map(([partition, engine]) => [Number(partition), engine]));

describe('what an engine does next', () => {
  test.each([
    ['alone it takes everything', 4, {}, ['a'], { take: [0, 1, 2, 3], expecting: false }],
    ['it keeps what it has', 2, { 0: 'a', 1: 'b' }, ['a', 'b'], { take: [], expecting: false }],
    ['it lets go of one, not of all', 4, { 0: 'a', 1: 'a', 2: 'a', 3: 'a' }, ['a', 'b'], { letGo: 3 }],
    ['who joins waits for its share', 4, { 0: 'b', 1: 'b', 2: 'b', 3: 'b' }, ['a', 'b'], { take: [], expecting: true }],
    ['what was let go is its own', 4, { 0: 'b', 1: 'b', 2: 'b' }, ['a', 'b'], { take: [3], expecting: true }],
    ['a spread as even as can be stays', 3, { 0: 'a', 1: 'a', 2: 'b' }, ['a', 'b'], { take: [], expecting: false }],
    ['more engines than partitions', 2, { 0: 'b', 1: 'c' }, ['a', 'b', 'c'], { take: [], expecting: false }],
    ['the partitions of a dead one', 4, { 0: 'a', 1: 'a' }, ['a'], { take: [2, 3], expecting: false }],
    ['two share what a dead one had', 4, { 0: 'a', 1: 'b' }, ['a', 'b'], { take: [2], expecting: false }],
    ['a holder that does not say that it lives', 2, { 0: 'b', 1: 'b' }, ['a'], { take: [], expecting: true }],
    ['it need not be in the list itself', 2, {}, [], { take: [0, 1], expecting: false }],
  ] as const)('%s', (_name, partitions, held, engines, expected) => {
    expect(balance('a', { partitions, holders: holding(held), engines })).toMatchObject(expected);
    const { letGo } = balance('a', { partitions, holders: holding(held), engines });
    expect(letGo).toBe('letGo' in expected ? expected.letGo : undefined);
  });
});

const situation = fc.record({
  partitions: fc.integer({ min: 1, max: 12 }),
  engines: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 }),
  held: fc.array(fc.option(fc.nat(), { nil: undefined }), { maxLength: 12 }),
  turns: fc.array(fc.nat(), { minLength: 0, maxLength: 30 }),
});

/** One engine looks and acts; says how many partitions it moved. */
function turn(me: string, holders: Map<number, string>, partitions: number, engines: readonly string[]): number {
  const { take, letGo } = balance(me, { partitions, holders, engines });
  for (const partition of take) {
    expect(holders.has(partition)).toBe(false);
    holders.set(partition, me);
  }
  if (letGo === undefined) return take.length;
  expect(holders.get(letGo)).toBe(me);
  holders.delete(letGo);
  return take.length + 1;
}

test('from any spread, in any order of turns: all are held, evenly, and then nothing moves', () => {
  fc.assert(
    fc.property(situation, ({ partitions, engines, held, turns }) => {
      const holders = new Map<number, string>();
      for (const [partition, which] of held.slice(0, partitions).entries()) {
        const engine = which === undefined ? undefined : engines[which % engines.length];
        if (engine !== undefined) holders.set(partition, engine);
      }
      let moved = 0;
      const free = partitions - holders.size;
      for (const which of turns) moved += turn(engines[which % engines.length] ?? '', holders, partitions, engines);
      for (let round = 0; round < partitions * 2; round += 1) {
        for (const engine of engines) moved += turn(engine, holders, partitions, engines);
      }
      const sizes = engines.map((engine) => [...holders.values()].filter((holder) => holder === engine).length);
      expect(holders.size).toBe(partitions);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(Math.ceil(partitions / engines.length));
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      // A partition that was held is let go once and taken once at most.
      expect(moved).toBeLessThanOrEqual(free + 2 * (partitions - free));
      for (const engine of engines) expect(turn(engine, holders, partitions, engines)).toBe(0);
    }),
  );
});

test('all see the same: what they take is all that is free and theirs, and no two take the same', () => {
  fc.assert(
    fc.property(situation, ({ partitions, engines, held }) => {
      const holders = new Map<number, string>();
      for (const [partition, which] of held.slice(0, partitions).entries()) {
        const engine = which === undefined ? undefined : engines[which % engines.length];
        if (engine !== undefined) holders.set(partition, engine);
      }
      const taken = engines.flatMap((engine) => balance(engine, { partitions, holders, engines }).take);
      expect(new Set(taken).size).toBe(taken.length);
      expect(taken.length + holders.size).toBe(partitions);
    }),
  );
});
