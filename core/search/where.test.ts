import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { byPlace, conditionsMax, cursorOf, holds, type Place, placeOf, readWhere } from './where.ts';

const attributes = { kind: 'visit', amount: 120, urgent: true, due: '2026-03-29T01:00:00Z', note: 'a, b' };
const finds = (where: string): boolean => {
  const read = readWhere(where);
  if (!read.ok) throw new Error(read.message);
  return holds(attributes, read.conditions);
};

describe('where', () => {
  test.each([
    ['kind=visit', true],
    ['kind=call', false],
    ['kind!=call', true],
    ['amount>100,amount<=120', true],
    ['amount>=121', false],
    ['amount=120.0', true],
    ['amount=lots', false],
    ['amount!=lots', true],
    ['urgent=true', true],
    ['urgent=false', false],
    ['due>=2026-03-29', true],
    ['due<2026-03-29T03:00:00+02:00', false],
    ['due=2026-03-29T03:00:00+02:00', true],
    ['note="a, b",kind=visit', true],
    ['missing=1', false],
    ['missing!=1', false],
    ['', true],
  ])('%s: %s', (where, expected) => {
    expect(finds(where)).toBe(expected);
  });

  test.each([
    ['amount', 'where: found "amount"; allowed: NAME, one of = != > >= < <=, and a value, joined by commas'],
    ['kind=visit,>3', 'where: found ">3"'],
    [Array.from({ length: conditionsMax + 1 }, () => 'a=1').join(','), 'allowed are at most 16'],
  ])('%s is refused', (where, message) => {
    const read = readWhere(where);
    expect(read.ok ? '' : read.message).toContain(message);
  });
});

const places = fc.uniqueArray(fc.record({ startedAt: fc.nat(5), run: fc.stringMatching(/^[0-9A-Za-z]{3}$/) }), {
  selector: ({ run }) => run,
});

test('pages over partitions, with runs that start meanwhile: every run that was there comes once, in order', () => {
  fc.assert(
    fc.property(places, places, fc.integer({ min: 1, max: 4 }), (there, later, limit) => {
      const known = new Set(there.map(({ run }) => run));
      const all: Place[] = [...there];
      const seen: Place[] = [];
      let after: Place | undefined;
      for (;;) {
        const page = [0, 1]
          .flatMap((partition) =>
            all
              .filter(({ run }) => run.charCodeAt(0) % 2 === partition)
              .filter((place) => after === undefined || byPlace(after, place) < 0)
              .toSorted(byPlace)
              .slice(0, limit),
          )
          .toSorted(byPlace)
          .slice(0, limit);
        seen.push(...page);
        const last = page.at(-1);
        if (page.length < limit || last === undefined) break;
        after = placeOf(cursorOf(last));
        const fresh = later.pop();
        if (fresh !== undefined && !known.has(fresh.run)) all.push({ ...fresh, startedAt: 9 });
      }
      expect(seen.filter(({ run }) => known.has(run))).toEqual(there.toSorted(byPlace));
    }),
  );
});
