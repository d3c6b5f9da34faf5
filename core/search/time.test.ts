import { expect, test } from 'vitest';
import { timeMs } from './time.ts';

test.each([
  ['2026-03-29', 1_774_742_400_000],
  ['2026-03-29T01:00:00Z', 1_774_746_000_000],
  ['2026-03-29T03:00:00+02:00', 1_774_746_000_000],
  ['2028-02-29T00:00:00Z', 1_835_395_200_000],
  // Days that no calendar has are no times: they would be some other day.
  ['2026-02-29T00:00:00Z', undefined],
  ['2026-02-30', undefined],
  ['2026-04-31', undefined],
  ['2026-13-01', undefined],
  ['2026-03-29T24:00:00Z', undefined],
  ['tomorrow', undefined],
])('%s', (text, at) => {
  expect(timeMs(text)).toBe(at);
});
