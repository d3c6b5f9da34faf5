import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Heap } from './heap.ts';

test('gives the smallest first, equal ones in the order they came, also after a sweep', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9)), (ranks) => {
      const heap = new Heap<{ rank: number; place: number }>(({ rank }) => rank);
      const all = ranks.map((rank, place) => ({ rank, place }));
      for (const entry of all) heap.push(entry);
      heap.keep(({ place }) => place % 3 !== 0);
      const expected = all.filter(({ place }) => place % 3 !== 0).toSorted((a, b) => a.rank - b.rank);
      expect(expected.map(() => heap.pop())).toEqual(expected);
      expect(heap.pop()).toBeUndefined();
      expect(heap.size).toBe(0);
    }),
  );
});
