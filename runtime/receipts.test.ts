import { expect, test } from 'vitest';
import type { Receipt } from '../api/messages/history.ts';
import { isGenuine, signReceipt } from './receipts.ts';

const key = new Uint8Array(32).fill(7);
const plain: Omit<Receipt, 'mac'> = {
  kind: 'tool',
  run: 'r1',
  activity: 'book.1',
  attempt: 1,
  turn: 2,
  name: 'book-appointment',
  outcome: 'ok',
  digest: 'sha256:ab',
  at: 5,
  elapsedMs: 3,
  costMicros: 10,
};

test('a signed receipt is genuine, also after a trip over the wire', () => {
  const receipt = signReceipt(key, plain);
  expect(isGenuine(key, receipt)).toBe(true);
  expect(isGenuine(key, JSON.parse(JSON.stringify(receipt)) as Receipt)).toBe(true);
});

test.each([
  ['a changed cost', { ...signReceipt(key, plain), costMicros: 0 }],
  ['an added field', { ...signReceipt(key, plain), committed: true }],
  ['another key', signReceipt(new Uint8Array(32), plain)],
  ['no mac', { ...plain, mac: '' }],
  ['a mac that is no text', { ...plain, mac: 5 } as unknown as Receipt],
  ['a value JSON cannot carry', { ...signReceipt(key, plain), at: Number.NaN }],
])('%s is not genuine', (_, receipt) => {
  expect(isGenuine(key, receipt as Receipt)).toBe(false);
});
