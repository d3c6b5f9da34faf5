// Owns: what must hold of answers that change nothing: they know what was in the journal when they were asked for, but for the
// time that a lease is believed in; a no knows all of it.
//   I1: no lost run: nobody is told that a run is not there, or not yet so far, when it is.
import type { Checker, Report, Rules } from './facts.ts';

/** Each answer is about some moment since it was asked for; what is told of a run that is known, about one up to `staleMs` before. */
export function answersAreTrue(report: Report, { staleMs = Number.POSITIVE_INFINITY }: Rules): Checker {
  /** When each event of a run became a fact. */
  const facts = new Map<string, number[]>();
  return {
    see(fact) {
      if (fact.kind === 'Appended') {
        for (const { run, events } of fact.record.runs) {
          const times = facts.get(run) ?? [];
          facts.set(run, times);
          for (const _event of events) times.push(fact.at);
        }
      }
      if (fact.kind !== 'Told') return;
      const { run, seq, askedAt } = fact;
      const age = askedAt - (facts.get(run)?.[seq] ?? Number.POSITIVE_INFINITY);
      if (seq === 0 && age > 0) {
        report({
          invariant: 'I1',
          run,
          sentence: `was told not to exist, ${age} ms after its start was in the journal`,
        });
      } else if (age > staleMs) {
        const sentence = `was told without event ${seq + 1}, which had been in the journal for ${age} ms`;
        report({ invariant: 'I1', run, sentence: `${sentence}; allowed are ${staleMs}` });
      }
    },
  };
}
