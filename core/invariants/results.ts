// Owns: what must hold of results and money.
//   I3: nothing committed unverified.   I16: budget overshoot is at most the calls in flight.   I14: planted secrets are nowhere.
import type { HistoryEvent } from '../../api/messages/history.ts';
import { digest } from '../canonical/canonical.ts';
import type { Checker, Report, Rules } from './facts.ts';
import type { RunTrace } from './trace.ts';

type Completed = Extract<HistoryEvent, { readonly type: 'ActivityCompleted' }>;

export function nothingUnverified(report: Report, rules: Rules): Checker {
  return {
    event(trace, event) {
      if (event.type !== 'ActivityCompleted') return;
      for (const sentence of unverified(trace, event, rules)) {
        report({ invariant: 'I3', run: trace.run, sentence: `${event.activity} was committed, but ${sentence}` });
      }
    },
  };
}

function unverified(trace: RunTrace, event: Completed, rules: Rules): readonly string[] {
  const { activity } = trace;
  const { approved, rules: judged } = event.verification;
  const found = judged.filter(({ passed }) => !passed).map(({ name }) => `rule ${name} does not hold`);
  if (!approved) found.push('it is not approved');
  if (activity?.activity !== event.activity || activity.attempt !== event.attempt) {
    const now = activity === undefined ? 'none' : `${activity.activity}, attempt ${activity.attempt}`;
    found.push(`attempt ${event.attempt} is not current (${now})`);
  }
  const wanted = rules.bundles?.[activity?.bundleDigest ?? ''];
  const missing = wanted?.rules.filter((name) => !judged.some((rule) => rule.name === name)) ?? [];
  if (missing.length > 0) found.push(`rule ${missing.join(', ')} was not judged`);
  return [...found, ...notApprovedByModel(trace.run, event, wanted?.verifierModel === true)];
}

function notApprovedByModel(
  run: string,
  { activity, result, verification }: Completed,
  must: boolean,
): readonly string[] {
  if (verification.model === undefined) return must ? ['the verifier was not asked'] : [];
  const { kind, outcome, ...receipt } = verification.model.receipt;
  const about = receipt.run === run && receipt.activity === activity && receipt.digest === digest(result);
  return kind === 'verify' && outcome === 'ok' && about ? [] : ['the verifier approved something else'];
}

/** What is told of an attempt that is over counts for nothing. */
export function onlyTheCurrentAttempt(report: Report): Checker {
  return {
    event({ run, activity }, event) {
      const current = `fail/${activity?.activity ?? ''}/${activity?.attempt ?? 0}`;
      if (event.type === 'ActivityFailed' && event.cause.startsWith('fail/') && event.cause !== current) {
        report({ invariant: 'I3', run, sentence: `an attempt was failed by ${event.cause}; current is ${current}` });
      }
      if (event.type !== 'TurnProposed' && event.type !== 'TurnCompleted') return;
      if (activity?.activity === event.activity && activity.attempt === event.attempt) return;
      const now = activity === undefined ? 'none' : `${activity.activity}, attempt ${activity.attempt}`;
      const sentence = `turn ${event.turn.turn} of ${event.activity}, attempt ${event.attempt}, was committed; current is ${now}`;
      report({ invariant: 'I3', run, sentence });
    },
  };
}

/** Once the budget is spent no call begins; those in flight may end. */
export function budgetHolds(report: Report, rules: Rules): Checker {
  const over = new Map<string, number>();
  return {
    event(trace, event) {
      if (event.type !== 'TurnProposed' && event.type !== 'TurnCompleted') return;
      const limit = rules.budgets?.[trace.started?.workflow ?? ''];
      const fresh = !trace.turns.has(event.turn.turn) && event.turn.receipt?.kind === 'model';
      if (limit === undefined || !fresh || trace.costMicros < limit) return;
      const calls = (over.get(trace.run) ?? 0) + 1;
      over.set(trace.run, calls);
      if (calls < (rules.callsInFlight ?? 1)) return;
      const sentence = `turn ${event.turn.turn} was paid after ${trace.costMicros} of ${limit} micros were spent`;
      report({ invariant: 'I16', run: trace.run, sentence });
    },
  };
}

/** What a list says that a run has cost is what its receipts and its children's say. */
export function costIsTold(report: Report): Checker {
  const runs = new Map<string, RunTrace>();
  return {
    event(trace) {
      runs.set(trace.run, trace);
    },
    see(fact) {
      if (fact.kind !== 'Listed') return;
      for (const { run, costMicros } of fact.runs ?? []) {
        const trace = runs.get(run);
        if (trace?.started === undefined) continue;
        const cost = trace.costMicros + trace.childrenMicros;
        if (cost === costMicros) continue;
        const sentence = `is listed with ${costMicros} micros, its receipts and children have ${cost}`;
        report({ invariant: 'I16', run, sentence });
      }
    },
  };
}

export function secretsStayAway(report: Report, rules: Rules): Checker {
  const secrets = rules.secrets ?? [];
  if (secrets.length === 0) return {};
  return {
    see(fact) {
      if (fact.kind !== 'Appended' && fact.kind !== 'Listed') return;
      const text = JSON.stringify(fact);
      const found = secrets.find((secret) => text.includes(secret));
      if (found !== undefined)
        report({
          invariant: 'I14',
          sentence: `a planted secret is in ${fact.kind === 'Appended' ? `record ${fact.seq} of partition ${fact.partition}` : 'a list'}`,
        });
    },
  };
}
