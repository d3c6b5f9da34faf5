import { expect, test } from 'vitest';
import type { DeadLetter } from '../../api/messages/dead-letter.ts';
import { testHost } from '../../test/support/cli-host.ts';
import { type Answer, printAnswer } from './answer.ts';
import { letterText } from './dead-letter.ts';
import { noteMore } from './listing.ts';

const hostile = 'wait\u001b[2J\u001b[1;1Happroved\nby ann\u202e';
const answer: Answer = {
  value: { run: 'r1', reason: hostile },
  name: 'r1',
  sentence: `frozen (${hostile})`,
  next: 'x',
};

test.each([
  ['table', /^frozen \(wait\\u001b\[2J.*by ann\\u202e\)\n$/, 'next: x\n'],
  ['json', /^\{\n {2}"run": "r1"/, ''],
  ['yaml', /^run: r1\n/, ''],
  ['name', /^r1\n$/, ''],
] as const)(
  '%s: only that is on standard output, and no word of others moves the cursor',
  async (format, out, error) => {
    const shown = testHost();
    await printAnswer(shown.host.screen, answer, format);
    expect(shown.out()).toMatch(out);
    expect(shown.error()).toBe(error);
    expect(shown.out()).not.toContain('\u001b');
  },
);

test('a dead letter is shown without what a terminal would obey', () => {
  const letter: DeadLetter = {
    id: 'l1',
    namespace: 'clinic',
    reason: 'malformed',
    origin: { kind: 'event', name: 'calls', item: hostile },
    cause: { code: 'INVALID_INPUT', message: hostile },
    group: 'g1',
    state: 'Open',
    attempts: 1,
    firstAt: 0,
    lastAt: 0,
  };
  const text = letterText(letter, 1_000, 80);
  for (const obeyed of ['\u001b', '\u202e']) expect(text).not.toContain(obeyed);
});

test.each([
  [50, 'table', 'These are the newest 50; there may be more: --limit 100\n'],
  [49, 'table', ''],
  [50, 'json', ''],
] as const)('a list of %s of 50 as %s says whether it was cut', (shown, output, words) => {
  const { host, error } = testHost();
  noteMore(host.screen, shown, { limit: 50, max: 1_000, output });
  expect(error()).toBe(words);
});
