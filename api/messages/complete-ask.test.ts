import fc from 'fast-check';
import { expect, test } from 'vitest';
import { completeAsk } from './asks.ts';
import { readCompleteAsk } from './complete-ask.ts';

/** What comes over the wire: JSON, whatever else it is. */
const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value) ?? 'null');

/** As text, since a name such as `constructor` means something to whoever compares objects. */
const outcome = (read: (payload: unknown) => unknown, payload: unknown): string => {
  try {
    return JSON.stringify(read(payload));
  } catch (error) {
    return `refused: ${String(error)}`;
  }
};

const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(null, '', 0, -1, 1.5, 1e21, true, [], {}, 'x'.repeat(300), { ['k'.repeat(257)]: 1 }),
);
const result = fc.dictionary(
  fc.oneof(fc.string(), fc.constantFrom('constructor', 'toString', 'k'.repeat(256), 'k'.repeat(257))),
  fc.jsonValue({ maxDepth: 3 }),
);
const good = {
  run: fc.stringMatching(/^[0-9A-Za-z]{1,64}$/),
  activity: fc.string({ minLength: 1, maxLength: 80 }),
  attempt: fc.integer({ min: 1, max: 1_000 }),
  worker: fc.string({ maxLength: 253 }),
  free: fc.option(fc.integer({ min: 0, max: 10_000 }), { nil: undefined }),
  present: fc.option(fc.boolean(), { nil: undefined }),
  more: fc.option(fc.boolean(), { nil: undefined }),
  result,
  confidence: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
  verification: fc.record({ approved: fc.boolean(), rules: fc.constant([]) }),
};
const mixed = fc.record(
  Object.fromEntries(
    Object.entries(good).map(([name, fits]) => [name, fc.oneof({ weight: 12, arbitrary: fits }, anything)]),
  ),
  { requiredKeys: [] },
);
const stranger = fc.record({ ...good, unknown: fc.jsonValue({ maxDepth: 3 }) });

test('what is read by hand is what the schema reads, and what it refuses', () => {
  let [read, refused] = [0, 0];
  const asks = fc.oneof(fc.record(good), mixed, stranger, anything).map(overTheWire);
  fc.assert(
    fc.property(asks, (payload) => {
      const wanted = outcome((value) => completeAsk.parse(value), payload);
      expect(outcome(readCompleteAsk, payload)).toBe(wanted);
      if (wanted.startsWith('refused')) refused += 1;
      else read += 1;
    }),
    { numRuns: 1_000 },
  );
  expect(read).toBeGreaterThan(150);
  expect(refused).toBeGreaterThan(150);
}, 60_000);

test.each([
  '{"__proto__": {"a": 1}}',
  '{"a": {"__proto__": 1}}',
  `{"${'k'.repeat(257)}": 1}`,
  '{"deep": [[[[{"a": [null, true, 1e400]}]]]]}',
  '[]',
  'null',
])('a result %s', (text) => {
  const ask = { run: 'r', activity: 'a', attempt: 1, worker: 'w', verification: { approved: true, rules: [] } };
  const payload: unknown = JSON.parse(
    JSON.stringify(ask)
      .replace(/}$/, `,"result":${text}}`)
      .replace(/}},"result"/, '},"result"'),
  );
  expect(outcome(readCompleteAsk, payload)).toBe(outcome((value) => completeAsk.parse(value), payload));
});
