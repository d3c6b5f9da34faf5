import { expect, test } from 'vitest';
import { logText } from './log-line.ts';

const line = (entry: object): string =>
  logText(JSON.stringify({ time: '2026-11-23T06:54:41.781Z', name: 'engine', ...entry }));

test.each([
  [
    'a sentence with fields',
    { level: 'info', message: 'serving a partition', partition: 3 },
    '06:54:41 serving a partition partition=3',
  ],
  [
    'an error without its stack',
    {
      level: 'warn',
      message: 'ask failed',
      error: { name: 'SignalboxError', code: 'BUS_UNREACHABLE', message: 'no answer', stack: 'at x' },
    },
    '06:54:41 warn ask failed error="BUS_UNREACHABLE: no answer"',
  ],
  ['no control characters', { level: 'info', message: 'a\u001b[2Jb', who: 'x y' }, '06:54:41 a\\u001b[2Jb who="x y"'],
])('a log line reads: %s', (_what, entry, text) => expect(line(entry)).toBe(text));

test('what is no structured line stays as it is', () => {
  expect(logText('plain {text}')).toBe('plain {text}');
  expect(logText('{"a": 1}')).toBe('{"a": 1}');
  expect(logText('{broken')).toBe('{broken');
});
