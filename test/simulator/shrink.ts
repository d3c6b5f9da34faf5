// Owns: making a failing schedule small: choices become kind, from the back to the front, in ever smaller pieces, as long as the
// same invariant still breaks.
import type { Outcome } from './simulation.ts';

export type Replay = (choices: readonly number[]) => Outcome;

/** Worlds that shrinking may play. */
const playsMax = 400;

export function shrink(failed: Outcome, replay: Replay): { readonly outcome: Outcome; readonly plays: number } {
  const invariant = failed.violations[0]?.invariant;
  let best = failed;
  let plays = 0;
  const attempt = (choices: readonly number[]): boolean => {
    plays += 1;
    const outcome = replay(choices);
    const same = outcome.violations[0]?.invariant === invariant;
    if (same) best = outcome;
    return same;
  };
  let size = Math.max(1, Math.ceil(best.choices.length / 2));
  while (size >= 1 && plays < playsMax) {
    for (let end = best.choices.length; end > 0 && plays < playsMax; end -= size) {
      const begin = Math.max(0, end - size);
      const now = best.choices;
      if (now.slice(begin, end).every((value) => value === 0)) continue;
      attempt(now.map((value, index) => (index >= begin && index < end ? 0 : value)));
    }
    if (size === 1) break;
    size = Math.ceil(size / 3);
  }
  return { outcome: best, plays };
}

/** Choices that are not kind, in words. */
export function unkind({ choices, labels }: Outcome): readonly string[] {
  return choices.flatMap((value, index) => (value === 0 ? [] : [`${labels[index] ?? index}=${value}`]));
}
