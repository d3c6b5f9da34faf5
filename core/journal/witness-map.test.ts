import { describe, expect, test } from 'vitest';
import { readKept } from './witness-map.ts';

const witness = { seq: 3, digest: 'd3' };
const lost = { ends: 2, committed: 3 };
const accepted = { ...lost, id: 'a1', reason: 'no copy', by: 'ann' };

test('each part is read of its own partition', () => {
  const entries = {
    p1: JSON.stringify(witness),
    'p1.lost': JSON.stringify(lost),
    'p1.accepted': JSON.stringify(accepted),
    p2: JSON.stringify({ seq: 9, digest: '' }),
  };
  expect(readKept(entries, 1)).toEqual({ witness, lost, accepted });
  expect(readKept(entries, 2)).toEqual({ witness: { seq: 9, digest: '' } });
  expect(readKept(entries, 3)).toEqual({});
});

describe('what cannot be read is said and never taken for nothing', () => {
  test.each([
    [{ p1: '' }, 'p1: seq must be a number'],
    [{ p1: '{"seq":-1,"digest":""}' }, 'p1: seq must be a number'],
    [{ p1: '{"seq":1}' }, 'p1: digest must be a string'],
    [{ 'p1.lost': 'null' }, 'p1.lost: ends must be a number'],
    [{ 'p1.accepted': JSON.stringify(lost) }, 'p1.accepted: id must be a string'],
  ])('%j', (entries, message) => {
    expect(() => readKept(entries, 1)).toThrow(message);
  });
});
