// Owns: what must hold of answers that change nothing: they are not older than a lease, and a no is never old.
//   I1: no lost run: nobody is told that a run is not there, or not yet so far, when it is.
import type { Checker, Report, Rules } from './facts.ts';

/** A no is true when it is asked for; what is told of a run that is known may be as old as a lease that is believed in. */
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
      const { run, seq, askedAt, at } = fact;
      const since = facts.get(run)?.[seq] ?? Number.POSITIVE_INFINITY;
      if (seq === 0 && since < askedAt) {
        const sentence = `was told not to exist, ${askedAt - since} ms after its start was in the journal`;
        report({ invariant: 'I1', run, sentence });
      } else if (at - since > staleMs) {
        const sentence = `was told without event ${seq + 1}, which has been in the journal for ${at - since} ms`;
        report({ invariant: 'I1', run, sentence: `${sentence}; allowed are ${staleMs}` });
      }
    },
  };
}
