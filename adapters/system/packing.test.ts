import { expect, test } from 'vitest';
import { initialState, type RunState } from '../../core/workflow/state.ts';
import { statePacking } from './packing.ts';

const waiting = (number: number): RunState => ({
  ...initialState(`Run${number}`),
  seq: 3,
  namespace: 'clinic',
  workflow: 'reminder',
  workflowDigest: `sha256:${'ab12'.repeat(16)}`,
  input: { id: `order-${number}`, note: `${number} ☎` },
  state: 'wait',
  startedAt: 1_764_100_000_000 + number * 37,
  deadline: 1_764_200_000_000 + number * 37,
});

test('a state is the same after packing, also with the dictionaries of another process', () => {
  const packing = statePacking();
  const packed = Array.from({ length: 50 }, (_, number) => packing.pack(waiting(number)));
  const other = statePacking();
  other.restore(JSON.parse(JSON.stringify(packing.dictionaries())) as string[]);
  for (const [number, bytes] of packed.entries()) {
    expect(packing.unpack(`Run${number}`, bytes)).toEqual(waiting(number));
    expect(other.unpack(`Run${number}`, bytes)).toEqual(waiting(number));
  }
  // Further runs of the same workflow take the same dictionary.
  expect(other.pack(waiting(60))).toEqual(packing.pack(waiting(60)));
  expect(other.dictionaries()).toHaveLength(1);
});

test('runs of one workflow take few bytes', () => {
  const packing = statePacking();
  packing.pack(waiting(0));
  expect(packing.pack(waiting(7)).length).toBeLessThan(120);
});

test('a state that is longer than a dictionary may be, and more workflows than dictionaries', () => {
  const packing = statePacking();
  const long = { ...waiting(1), facts: { text: 'x1'.repeat(20_000) } };
  expect(packing.unpack('Run1', packing.pack(long))).toEqual(long);
  for (let number = 0; number < 300; number += 1) {
    const state = { ...waiting(number), workflowDigest: `sha256:${number}` };
    expect(packing.unpack(`Run${number}`, packing.pack(state))).toEqual(state);
  }
  expect(packing.dictionaries().length).toBeLessThanOrEqual(255);
  const other = statePacking();
  other.restore(packing.dictionaries());
  expect(other.unpack('Run1', packing.pack(long))).toEqual(long);
});

test('members that newer code knows are there with their first value', () => {
  const packing = statePacking();
  const { repairs: _repairs, ...older } = waiting(1);
  expect(packing.unpack('Run1', packing.pack(older as RunState))).toEqual(waiting(1));
});

test('bytes that were changed are refused', () => {
  const packing = statePacking();
  const bytes = packing.pack(waiting(1));
  expect(() => packing.unpack('Run1', bytes.slice(0, -3))).toThrow(/cannot be read/);
});
