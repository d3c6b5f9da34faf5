import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dateOf, dayMs, daysOf, timeOf, timeText, weekdayOf } from '../core/schedule/calendar.ts';

test('agrees with the calendar of the platform, back and forth', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 * 3 }), (at) => {
      const date = new Date(at);
      const days = Math.floor(at / dayMs);
      expect(timeText(at)).toBe(date.toISOString().replace(/\.\d+Z/, 'Z'));
      expect(timeOf(timeText(at))).toBe(Math.floor(at / 1_000) * 1_000);
      expect(weekdayOf(days)).toBe(date.getUTCDay());
      expect(daysOf(dateOf(days))).toBe(days);
    }),
    { numRuns: 2_000 },
  );
});
