import { describe, expect, test } from 'vitest';
import { isSignalboxError } from '../../api/errors.ts';
import { assertNotBehind, assertSame, newest, type Witness } from './witness.ts';

const at = (seq: number, digest = `d${seq}`): Witness => ({ seq, digest });
const codeOf = (check: () => void): string => {
  try {
    check();
  } catch (error) {
    return isSignalboxError(error) ? error.code : String(error);
  }
  return 'fine';
};

describe('a witness', () => {
  test.each([
    ['the journal goes further', [at(5)], 9, 'fine'],
    ['the journal ends there', [at(5)], 5, 'fine'],
    ['the journal ends before', [at(3), at(5)], 4, 'JOURNAL_ROLLED_BACK'],
    ['the journal is empty', [at(1)], 0, 'JOURNAL_ROLLED_BACK'],
    ['nobody knows anything', [], 0, 'fine'],
  ])('%s', (_name, witnesses, lastSeq, code) => {
    expect(codeOf(() => assertNotBehind(1, witnesses, lastSeq))).toBe(code);
  });

  test.each([
    ['the same record', at(5), 'fine'],
    ['another record', at(5, 'x'), 'JOURNAL_CORRUPT'],
    ['a record that it did not see', at(6, 'x'), 'fine'],
    ['no digest', at(5, ''), 'fine'],
  ])('%s', (_name, found, code) => {
    expect(codeOf(() => assertSame(1, [at(5)], found))).toBe(code);
  });

  test('of two the newer counts', () => {
    expect(newest(at(2), at(3))).toEqual(at(3));
    expect(newest(at(3), at(2))).toEqual(at(3));
    expect(newest(undefined, at(2))).toEqual(at(2));
    expect(newest(at(2), undefined)).toEqual(at(2));
  });
});
