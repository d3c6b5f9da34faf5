// What the crash sweep and the soak count as a lost run: one that was there, and did not get on.
import { expect, test } from 'vitest';
import { brokenOff } from './crash/lanes.ts';

test.each([
  ['waited 90000 ms: run Soak7 is closed', 1],
  ['run Soak7 did not get there: {"status":"Running"}', 1],
  ['waited 90000 ms: workflow picky-soak7 is published', 0],
  ['TIMEOUT: nobody answered', 0],
  ['waited 90000 ms: the event is published', 0],
])('%s', (message, lostRuns) => {
  expect(brokenOff(new Error(message))).toEqual({ wrong: [message], duplicates: 0, ambiguous: 0, lostRuns });
});
