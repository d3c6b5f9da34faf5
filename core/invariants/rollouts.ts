// Owns: what must hold of a rollout's assignments, counted from the histories alone.
//   I7: the canary's share is never above its weight, in any prefix; a key has one arm; no canary starts after the abort was observed.
import type { EventOf, HistoryEvent } from '../../api/messages/history.ts';
import type { Assignment } from '../../api/messages/rollout.ts';
import type { Checker, FactOf, Report } from './facts.ts';

interface Seen {
  /** Unit → its arm. */
  readonly arms: Map<string, Assignment['arm']>;
  readonly firsts: Set<string>;
  /** Weights of all keys so far less one for each canary, in hundredths of a percent of a key. */
  leftBps: number;
  readonly weights: Set<number>;
  /** Digest; unknown where nobody has told how it was routed. */
  canary?: string;
  aborted: boolean;
}

const wholeBps = 10_000;

/** Undefined where all is well; a new key is counted. */
type Check = (seen: Seen, assignment: Assignment, run: Started) => string | undefined;
type Started = EventOf<'RunStarted'> & { readonly agent: string };

const checks: readonly Check[] = [
  ({ canary }, { arm, rollout, excluded }, { pins, agent }) => {
    const given = pins[agent];
    if (excluded === true && arm !== 'stable') return `is excluded from rollout ${rollout} and has its canary`;
    if (canary === undefined || (arm === 'canary') === (given === canary)) return undefined;
    return `has arm ${arm} of rollout ${rollout} and bundle ${given ?? 'none'}; the canary is ${canary}`;
  },
  ({ aborted }, { arm, rollout }) =>
    aborted && arm === 'canary' ? `got the canary of rollout ${rollout} after its abort was observed` : undefined,
  ({ arms }, { unit, arm, rollout, excluded }) => {
    const known = excluded === true ? arm : (arms.get(unit) ?? arm);
    return known === arm ? undefined : `gives key ${unit} arm ${arm} in rollout ${rollout}; it has ${known}`;
  },
  ({ firsts }, { unit, first, rollout }) => {
    if (first !== true) return undefined;
    if (firsts.has(unit)) return `is the first of key ${unit} in rollout ${rollout}, which had one`;
    firsts.add(unit);
    return undefined;
  },
  (seen, { unit, arm, rollout, excluded, weightBps = 0 }) => {
    if (excluded === true || seen.arms.has(unit)) return undefined;
    seen.arms.set(unit, arm);
    seen.leftBps += weightBps - (arm === 'canary' ? wholeBps : 0);
    if (seen.weights.size > 0 && !seen.weights.has(weightBps)) {
      return `was assigned at weight ${weightBps} of rollout ${rollout}, which never had it`;
    }
    if (arm === 'stable' || seen.leftBps >= 0) return undefined;
    return `is a canary too many of rollout ${rollout}: ${seen.arms.size} keys allow ${-seen.leftBps} hundredths of a percent less`;
  },
];

export function canaryWithinWeight(report: Report): Checker {
  const rollouts = new Map<string, Seen>();
  const started = new Map<string, EventOf<'RunStarted'>>();
  const seenOf = (rollout: string): Seen => {
    const known = rollouts.get(rollout) ?? nothingSeen();
    rollouts.set(rollout, known);
    return known;
  };
  const wrong = (run: string, sentence: string): void => report({ invariant: 'I7', run, sentence });
  return {
    event({ run }, event: HistoryEvent) {
      if (event.type !== 'RunStarted') return;
      started.set(run, event);
      if (event.first !== undefined) {
        const parent = started.get(event.parent?.run ?? '');
        if (parent !== undefined && !samePins(parent, event))
          wrong(run, 'is a branch with other bundles than its parent');
        return;
      }
      for (const [agent, assignment] of Object.entries(event.assignments ?? {})) {
        const seen = seenOf(assignment.rollout);
        for (const check of checks) {
          const sentence = check(seen, assignment, { ...event, agent });
          if (sentence !== undefined) wrong(run, sentence);
        }
      }
      for (const sentence of unassigned(event, rollouts)) wrong(run, sentence);
    },
    see(fact) {
      if (fact.kind === 'Routed') routed(seenOf(fact.rollout), fact);
    },
  };
}

const nothingSeen = (): Seen => ({
  arms: new Map(),
  firsts: new Set(),
  leftBps: 0,
  weights: new Set(),
  aborted: false,
});

function routed(seen: Seen, { canary, weightBps, observed }: FactOf<'Routed'>): void {
  seen.canary = canary;
  if (observed) seen.aborted = weightBps === 0;
  else {
    seen.weights.add(weightBps);
    if (weightBps > 0) seen.aborted = false;
  }
}

/** Nobody has a canary without being assigned to it. */
function unassigned(
  { pins, assignments }: EventOf<'RunStarted'>,
  rollouts: ReadonlyMap<string, Seen>,
): readonly string[] {
  return Object.entries(pins).flatMap(([agent, digest]) => {
    const canaries = [...rollouts].filter(([, { canary }]) => canary === digest).map(([rollout]) => rollout);
    const assigned = canaries.length === 0 || canaries.includes(assignments?.[agent]?.rollout ?? '');
    return assigned
      ? []
      : [`has ${digest} of ${agent}, the canary of rollout ${canaries.join(', ')}, without an assignment`];
  });
}

function samePins(parent: EventOf<'RunStarted'>, branch: EventOf<'RunStarted'>): boolean {
  const agents = new Set([...Object.keys(parent.pins), ...Object.keys(branch.pins)]);
  return [...agents].every((agent) => parent.pins[agent] === branch.pins[agent]);
}
