import { expect, test } from 'vitest';
import { testHost } from '../test/support/cli-host.ts';
import { run } from './program.ts';

test.each([
  'run cancel r1',
  'run freeze r1',
  'run resume r1',
  'run readonly r1',
  'schedule pause nightly',
  'decide r1-1 approve',
  'deadletters retry l1',
  'deadletters drop l1 --yes',
  'journal accept-loss 3',
])('%s is not done for no reason: nobody is asked', async (line) => {
  const { host, error } = testHost();
  expect(await run(host, [...line.split(' '), '--reason', ' '])).toBe(2);
  expect(error()).toContain('--reason must say why, found an empty text');
});
