// Owns: who answers a question in a scenario, and when a trial is left with people.
import type { EscalationFacts } from '../../api/messages/history.ts';
import type { Person } from '../../api/v1alpha1/scenario.ts';

/** The first that fits and has not answered as often as it may; undefined: nobody answers. */
export function personFor(
  people: readonly Person[],
  { queue, rule, proposal }: Pick<EscalationFacts, 'queue' | 'rule' | 'proposal'>,
  answered: ReadonlyMap<number, number>,
): number | undefined {
  const index = people.findIndex(
    (person, position) =>
      (person.queue ?? queue) === queue &&
      (person.rule === undefined || person.rule === rule) &&
      (person.tool === undefined || person.tool === proposal?.tool) &&
      (answered.get(position) ?? 0) < (person.times ?? Infinity),
  );
  return index < 0 ? undefined : index;
}

/** What is seen of one run of a trial. */
export interface SeenRun {
  readonly run: string;
  readonly closed: boolean;
  /** It waits for a person who does not answer. */
  readonly unanswered: boolean;
  readonly openChildren: readonly string[];
}

/** Nothing moves any more: each run has ended, waits for an answer, or for children of which that is true. */
export function isLeft(runs: readonly SeenRun[]): boolean {
  const byId = new Map(runs.map((run) => [run.run, run]));
  const still = (id: string, from: readonly string[] = []): boolean => {
    const run = byId.get(id);
    if (run === undefined || from.includes(id)) return false;
    if (run.closed || run.unanswered) return true;
    return run.openChildren.length > 0 && run.openChildren.every((child) => still(child, [...from, id]));
  };
  return runs.every(({ run }) => still(run));
}
