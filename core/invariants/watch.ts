// Owns: all checkers over one recording, fact by fact or at once.
import { answersAreTrue } from './answers.ts';
import { Calls } from './calls.ts';
import { effectsAreGranted, effectsHappenOnce, intentThenOutcome } from './effects.ts';
import type { Checker, Fact, Report, Rules, Violation } from './facts.ts';
import { approvedByTheEntitled, escalationsAreKept } from './people.ts';
import { budgetHolds, costIsTold, nothingUnverified, onlyTheCurrentAttempt, secretsStayAway } from './results.ts';
import { canaryWithinWeight } from './rollouts.ts';
import { noLostRun, onlyTheOwnerWrites, oneBundle, routesOnce, sameEverywhere } from './runs.ts';
import { noOrphans, rollbackCompletes, tenantsApart } from './tenants.ts';
import { follow, newTrace, type RunTrace } from './trace.ts';

const checkers: readonly ((report: Report, rules: Rules, calls: Calls) => Checker)[] = [
  noLostRun,
  onlyTheOwnerWrites,
  sameEverywhere,
  answersAreTrue,
  oneBundle,
  canaryWithinWeight,
  routesOnce,
  effectsHappenOnce,
  effectsAreGranted,
  intentThenOutcome,
  escalationsAreKept,
  approvedByTheEntitled,
  nothingUnverified,
  onlyTheCurrentAttempt,
  budgetHolds,
  costIsTold,
  secretsStayAway,
  rollbackCompletes,
  noOrphans,
  tenantsApart,
];

/** Facts that a violation report holds at most: the first ones tell the story. */
const violationsMax = 100;

/** Watches a system: what is wrong is known with the fact that makes it so. */
export class Watch {
  readonly #found: Violation[] = [];
  readonly #checkers: readonly Checker[];
  readonly #runs = new Map<string, RunTrace>();
  readonly #calls = new Calls();

  constructor(rules: Rules = {}) {
    const report = (violation: Violation): void => {
      if (this.#found.length < violationsMax) this.#found.push(violation);
    };
    this.#checkers = checkers.map((checker) => checker(report, rules, this.#calls));
  }

  see(fact: Fact): void {
    if (fact.kind === 'Appended') {
      for (const { run, events } of fact.record.runs) {
        const trace = this.#trace(run, fact.partition);
        for (const event of events) {
          for (const checker of this.#checkers) checker.event?.(trace, event);
          this.#calls.follow(trace, event);
          follow(trace, event);
        }
      }
    }
    for (const checker of this.#checkers) checker.see?.(fact);
    this.#calls.see(fact);
  }

  /** Checks what can only be said at the end. */
  end(healed: boolean): readonly Violation[] {
    for (const checker of this.#checkers) checker.end?.(healed);
    return this.#found;
  }

  get violations(): readonly Violation[] {
    return this.#found;
  }

  runs(): IterableIterator<RunTrace> {
    return this.#runs.values();
  }

  #trace(run: string, partition: number): RunTrace {
    const known = this.#runs.get(run) ?? newTrace(run, partition);
    this.#runs.set(run, known);
    return known;
  }
}

/** Everything that is wrong with a recording. `healed`: it ends after every fault was over and time enough had passed. */
export function checkInvariants(facts: readonly Fact[], rules: Rules, healed: boolean): readonly Violation[] {
  const watch = new Watch(rules);
  for (const fact of facts) watch.see(fact);
  return watch.end(healed);
}
