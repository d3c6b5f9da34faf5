// A letter that changes while a person decides it: what they are told is what became of it.
import { expect, test } from 'vitest';
import type { DeadLetter } from '../../api/messages/dead-letter.ts';
import { decideLetter, type LetterOptions } from './dead-letters.ts';

const letter = {
  id: 'l1',
  namespace: 'clinic',
  reason: 'projection',
  origin: { kind: 'projection', name: 'runs', item: 'r1', run: 'r1' },
  state: 'Open',
  attempts: 1,
} as unknown as DeadLetter;

/** Given up again between the look and the decision. */
function changing(): LetterOptions {
  let reads = 0;
  const deadLetters = {
    read: () => Promise.resolve({ letter: { ...letter, attempts: (reads += 1) }, revision: reads }),
    decide: () => Promise.resolve(false),
  };
  const owners = { ask: () => Promise.resolve({ ok: true, result: {} }) };
  return {
    ports: { deadLetters, clock: { now: () => 0 }, log: { info: () => undefined } },
    owners,
  } as unknown as LetterOptions;
}

test('one that was given up again meanwhile is not said to be dropped', async () => {
  const drop = decideLetter(changing(), letter, { what: 'drop', by: 'ann', reason: 'x' });
  await expect(drop).rejects.toMatchObject({ code: 'STALE', message: expect.stringContaining('was not dropped') });
});

test('one that was tried again and given up again is shown open, as it is', async () => {
  const retried = await decideLetter(changing(), letter, { what: 'retry', by: 'ann', reason: 'x' });
  expect(retried).toMatchObject({ state: 'Open', attempts: 2 });
});
