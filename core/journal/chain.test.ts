import { describe, expect, test } from 'vitest';
import { isSignalboxError } from '../../api/errors.ts';
import { assertReaches, type ChainEnd, type ChainRecord, chainStart, follow } from './chain.ts';

const record = (seq: number, prev?: string): ChainRecord => ({
  seq,
  digest: `d${seq}`,
  record: prev === undefined ? {} : { prev },
});
const end = (records: readonly ChainRecord[]): ChainEnd =>
  records.reduce((at, next) => follow(0, at, next), chainStart);

describe('a chain', () => {
  test.each([
    ['linked from the first', [record(1, ''), record(2, 'd1'), record(3, 'd2')], true],
    ['of before the chain', [record(1), record(2)], false],
    ['that begins later', [record(1), record(2), record(3, 'd2'), record(4, 'd3')], true],
    ['that is empty', [], false],
  ] as const)('%s holds', (_name, records, linked) => {
    const last = records.length;
    expect(end(records)).toEqual({ seq: last, digest: last === 0 ? '' : `d${last}`, linked });
  });

  test.each([
    ['the first is missing', [record(2, 'd1')], /record 1 is missing before record 2/],
    ['one is missing', [record(1, ''), record(3, 'd2')], /record 2 is missing before record 3/],
    ['several are missing', [record(1), record(5)], /records 2 to 4 are missing before record 5/],
    ['one comes twice', [record(1, ''), record(1, '')], /missing before record 1/],
    ['one was changed', [record(1, ''), record(2, 'other')], /another record 1/],
    ['a link is gone', [record(1, ''), record(2)], /record 2 names no record before it/],
  ] as const)('%s: a loud stop', (_name, records, message) => {
    expect(() => end(records)).toThrow(message);
  });

  test('it must reach to the end that the store counts', () => {
    assertReaches(3, { seq: 7, digest: 'd7', linked: true }, 7);
    let thrown: unknown;
    try {
      assertReaches(3, { seq: 5, digest: 'd5', linked: true }, 7);
    } catch (error) {
      thrown = error;
    }
    expect(isSignalboxError(thrown, 'JOURNAL_CORRUPT')).toBe(true);
    expect(String(thrown)).toContain('partition 3: the store counts 7 records, but after record 5 none can be read');
  });
});
