import { describe, expect, test } from 'vitest';
import type { Kept } from '../../core/journal/witness-map.ts';
import { decide, type Found, lossText, type Step } from './plan.ts';

const at = (seq: number, digest = `d${seq}`) => ({ seq, digest });
const lost = { ends: 9, committed: 15 };
const accepted = { ...lost, id: 'a1', reason: 'no newer copy', by: 'ann' };
const nothing: Step = { kind: 'Nothing' };

describe('what the operator makes of a journal', () => {
  const cases: readonly (readonly [string, Kept, Found, Step])[] = [
    ['an empty store that nobody knew', {}, { end: 0 }, nothing],
    ['the first witness', {}, { stored: at(3), end: 3 }, { kind: 'Keep', witness: at(3) }],
    ['forward', { witness: at(3) }, { stored: at(8), end: 9, record: at(3) }, { kind: 'Keep', witness: at(8) }],
    ['at rest', { witness: at(8) }, { stored: at(8), end: 8, record: at(8) }, nothing],
    [
      'never backwards: an old engine wrote late',
      { witness: at(8) },
      { stored: at(5), end: 9, record: at(8) },
      nothing,
    ],
    ['no bucket entry, a whole journal', { witness: at(8) }, { end: 9, record: at(8) }, nothing],
    ['purged beyond it', { witness: at(8) }, { stored: at(90), end: 90 }, { kind: 'Keep', witness: at(90) }],
    ['the whole store is older', { witness: at(15) }, { stored: at(9), end: 9 }, { kind: 'Lost', lost, told: at(15) }],
    [
      'the store is empty',
      { witness: at(15) },
      { end: 0 },
      { kind: 'Lost', lost: { ends: 0, committed: 15 }, told: at(15) },
    ],
    [
      'the end was cut off, the bucket not',
      { witness: at(7) },
      { stored: at(15), end: 9, record: at(7) },
      { kind: 'Lost', lost, told: at(15) },
    ],
    [
      'an older store that was written to',
      { witness: at(15) },
      { stored: at(20, 'x'), end: 20, record: at(15, 'other') },
      { kind: 'Lost', lost: { ends: 20, committed: 15 }, told: at(15) },
    ],
    ['known already', { witness: at(15), lost }, { stored: at(9), told: at(15), end: 9 }, nothing],
    [
      'known, but engines were not told',
      { witness: at(15), lost },
      { stored: at(9), end: 9 },
      { kind: 'Lost', lost, told: at(15) },
    ],
    [
      'the newer store is back',
      { witness: at(15), lost },
      { stored: at(15), end: 16, record: at(15) },
      { kind: 'Whole' },
    ],
    [
      'accepted',
      { witness: at(15), lost, accepted },
      { stored: at(9), told: at(15), end: 9 },
      { kind: 'Accept', acceptance: accepted, lowered: false },
    ],
    [
      'accepted and told, then the operator died',
      { witness: at(15), lost, accepted },
      { stored: at(11, 'x'), told: { ...at(9, ''), accepted: 'a1' }, end: 12 },
      { kind: 'Accept', acceptance: accepted, lowered: true },
    ],
    [
      'accepted, but another store is there now',
      { witness: at(15), lost, accepted },
      { stored: at(12), told: at(15), end: 12 },
      { kind: 'Lost', lost: { ends: 12, committed: 15 }, told: at(15) },
    ],
    [
      'an acceptance of another loss',
      { witness: at(30), lost: { ends: 9, committed: 30 }, accepted },
      { stored: at(9), told: at(30), end: 9 },
      nothing,
    ],
    [
      'an old acceptance does not cover the next loss',
      { witness: at(30), accepted },
      { stored: at(9), told: { ...at(9, ''), accepted: 'a1' }, end: 9 },
      { kind: 'Lost', lost: { ends: 9, committed: 30 }, told: at(30) },
    ],
    [
      'after an acceptance',
      { witness: at(9, ''), accepted },
      { stored: at(11), end: 11, record: at(9) },
      { kind: 'Keep', witness: at(11) },
    ],
  ];
  test.each(cases)('%s', (_name, kept, found, step) => {
    expect(decide(kept, found)).toEqual(step);
  });
});

test('a loss is told with what to do', () => {
  expect(lossText(2, lost)).toContain('ends at record 9, but record 15 was committed');
  expect(lossText(2, { ends: 20, committed: 15 })).toContain('another record 15');
  for (const loss of [lost, { ends: 20, committed: 15 }]) {
    expect(lossText(2, loss)).toContain('signalbox journal accept-loss 2');
  }
});
