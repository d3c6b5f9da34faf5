import fc from 'fast-check';
import { expect, test } from 'vitest';
import { recordWith } from './record-search.ts';

test('the search finds where a walk from the beginning would, in a few looks', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), fc.nat(), async (sizes, wish) => {
      const firsts: number[] = [];
      let next = 1;
      for (const size of sizes) {
        firsts.push(next);
        next += size;
      }
      const after = wish % next;
      let looks = 0;
      const found = await recordWith([...firsts.keys()], after, (seq) => {
        looks += 1;
        return Promise.resolve(firsts[seq]);
      });
      expect(found).toBe(firsts.findLastIndex((first) => first <= after + 1));
      expect(looks).toBeLessThanOrEqual(Math.ceil(Math.log2(sizes.length + 1)));
    }),
  );
});

test('a record that has left the journal: nothing is said', async () => {
  expect(await recordWith([1, 2, 3], 5, () => Promise.resolve(undefined))).toBeUndefined();
  expect(await recordWith([], 5, () => Promise.resolve(undefined))).toBe(0);
});
