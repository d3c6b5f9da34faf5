// Owns: what must hold of what the control plane does, and between tenants.
//   I8: a rollback completes from any crash point.   I12: no orphans after delete.   I15: no tenant reads, writes or starves another.
import type { HistoryEvent } from '../../api/messages/history.ts';
import type { Checker, FactOf, Report, Rules } from './facts.ts';
import type { RunTrace } from './trace.ts';

/** Whoever asks for a rollback gets it; once it is done, nobody starts with what was rolled back. */
export function rollbackCompletes(report: Report): Checker {
  const wanted = new Map<string, FactOf<'RolledBack'>>();
  const nameOf = (namespace: string, agent: string): string => `${namespace}/${agent}`;
  const wrong = (sentence: string, run?: string): void =>
    report({ invariant: 'I8', sentence, ...(run === undefined ? {} : { run }) });
  return {
    event({ run }, event) {
      // A branch has the bundles of the run that it is part of.
      if (event.type !== 'RunStarted' || event.source === 'parent') return;
      for (const [agent, digest] of Object.entries(event.pins)) {
        const back = wanted.get(nameOf(event.namespace, agent));
        if (back?.done !== true || back.digest === digest) continue;
        wrong(`was given ${digest} of ${agent} after the rollback to ${back.digest} was done`, run);
      }
    },
    see(fact) {
      if (fact.kind !== 'RolledBack') return;
      const name = nameOf(fact.namespace, fact.agent);
      const asked = wanted.get(name);
      if (fact.done && asked?.digest !== fact.digest) {
        wrong(`agent ${name} was rolled back to ${fact.digest}, asked for was ${asked?.digest ?? 'nothing'}`);
      }
      wanted.set(name, fact);
    },
    end(healed) {
      if (!healed) return;
      for (const [name, { digest, done }] of wanted) {
        if (!done) wrong(`the rollback of agent ${name} to ${digest} was never completed`);
      }
    },
  };
}

/** What belonged to a deleted object is gone when everything has had its time, and no run is started for it. */
export function noOrphans(report: Report): Checker {
  const deleted = new Set<string>();
  let present: FactOf<'Present'>['things'] = [];
  return {
    event({ run }, event) {
      if (event.type !== 'RunStarted' || event.source === 'parent') return;
      const workflow = `Workflow/${event.namespace}/${event.workflow}`;
      if (deleted.has(workflow))
        report({ invariant: 'I12', run, sentence: `was started after ${workflow} was deleted` });
    },
    see(fact) {
      if (fact.kind === 'Deleted') deleted.add(fact.object);
      if (fact.kind === 'Present') present = fact.things;
    },
    end(healed) {
      if (!healed) return;
      for (const { thing, of } of present) {
        if (deleted.has(of))
          report({ invariant: 'I12', sentence: `${thing} is still there, although ${of} was deleted` });
      }
    },
  };
}

interface Waiting {
  readonly namespace: string;
  readonly activity: string;
  /** Activities of others that have begun since. */
  overtaken: number;
}

/** Whoever waits for people, or is over, waits for no worker. */
const noWorker: readonly HistoryEvent['type'][] = ['EscalationOpened', 'RunFrozen', 'RunClosed'];

/** Nothing of one namespace reaches another, and none waits while the others go on and on. */
export function tenantsApart(report: Report, rules: Rules): Checker {
  const runs = new Map<string, RunTrace>();
  const waiting = new Map<string, Waiting>();
  const apart = (run: string, sentence: string): void => report({ invariant: 'I15', run, sentence });
  const begun = (trace: RunTrace): void => {
    const mine = waiting.get(trace.run);
    if (mine === undefined) return;
    waiting.delete(trace.run);
    for (const [run, other] of waiting) {
      if (other.namespace === mine.namespace) continue;
      other.overtaken += 1;
      if (other.overtaken !== (rules.overtakenMax ?? Number.POSITIVE_INFINITY) + 1) continue;
      apart(run, `${other.activity} of ${other.namespace} waits while ${other.overtaken} of other namespaces began`);
    }
  };
  return {
    event(trace, event) {
      const { run } = trace;
      runs.set(run, trace);
      if (event.type === 'RunStarted' && event.parent !== undefined) {
        const parent = runs.get(event.parent.run)?.started?.namespace ?? event.namespace;
        if (parent !== event.namespace) apart(run, `is of ${event.namespace}, started by a run of ${parent}`);
      }
      if (event.type === 'ActivityScheduled') {
        const { activity } = event;
        waiting.set(run, { namespace: trace.started?.namespace ?? '', activity, overtaken: 0 });
      }
      if (event.type === 'TurnProposed' || event.type === 'TurnCompleted') begun(trace);
      if (noWorker.includes(event.type)) waiting.delete(run);
    },
    see(fact) {
      if (fact.kind === 'Crossed' && fact.let) {
        report({ invariant: 'I15', sentence: `${fact.from} was let to ${fact.what} of ${fact.to}` });
      }
      if (fact.kind !== 'Listed') return;
      for (const { namespace, run } of [...fact.escalations, ...(fact.runs ?? [])]) {
        const own = runs.get(run)?.started?.namespace ?? namespace;
        if (own !== namespace) apart(run, `of ${own} is listed in ${namespace}`);
      }
    },
  };
}
