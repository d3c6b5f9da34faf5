// Owns: what must hold of histories as such.
//   I1: no lost run.   I9: no append by a stale owner.   I10: the same end, whoever folds; no writes at rest.   I7: one bundle.
import type { HistoryEvent, RunSummary } from '../../api/messages/history.ts';
import { canonicalJson, digest } from '../canonical/canonical.ts';
import { evolve } from '../workflow/evolve.ts';
import { initialState, type RunState } from '../workflow/state.ts';
import { summaryOf } from '../workflow/summary.ts';
import type { Checker, FactOf, Report, Rules } from './facts.ts';
import type { RunTrace } from './trace.ts';

/** Every acknowledged run is in the journal as far as was acknowledged, and ends or is with a person. */
export function noLostRun(report: Report): Checker {
  const runs = new Map<string, RunTrace>();
  const told = new Map<string, FactOf<'Acknowledged'>>();
  const keys = new Map<string, string>();
  const causes = new Set<string>();
  const cancelled = new Set<string>();
  const fallbacks = new Map<string, string>();
  const lost = (run: string, sentence: string): void => report({ invariant: 'I1', run, sentence });
  return {
    event(trace, event) {
      const { run, seq } = trace;
      runs.set(run, trace);
      if (event.seq !== seq + 1) lost(run, `event ${event.seq} (${event.type}) follows event ${seq}`);
      if ((event.type === 'RunStarted') !== (trace.started === undefined))
        lost(run, `event ${event.seq} is ${event.type}`);
      if (trace.closed !== undefined) lost(run, `${event.type} after the run was closed`);
      for (const sentence of beganEarly(trace, event)) lost(run, sentence);
      causes.add(`${run} ${event.cause}`);
      if (event.type === 'TurnProposed' || event.type === 'TurnCompleted') {
        causes.add(`${run} turn/${event.activity}/${event.attempt}/${event.turn.turn}`);
      }
      if (event.type === 'FallbackRequested') fallbacks.set(event.run, run);
      // A branch has the key of the run that it is part of.
      if (event.type !== 'RunStarted' || event.key === undefined || event.source === 'parent') return;
      const key = JSON.stringify([event.namespace, event.workflow, event.key]);
      const other = keys.get(key) ?? run;
      if (other !== run) lost(run, `business key ${event.key} has a second run: ${other}`);
      keys.set(key, run);
    },
    see(fact) {
      if (fact.kind !== 'Acknowledged') return;
      if (fact.what === 'cancel') cancelled.add(fact.run);
      const known = runs.get(fact.run)?.seq ?? 0;
      if (known < fact.seq) {
        lost(fact.run, `${fact.what} was acknowledged on ${fact.seq} events, but the journal has ${known} of the run`);
      }
      if (fact.cause !== undefined && !causes.has(`${fact.run} ${fact.cause}`)) {
        lost(fact.run, `${fact.cause} was acknowledged, but is not in the journal`);
      }
      if ((told.get(fact.run)?.seq ?? -1) < fact.seq) told.set(fact.run, fact);
    },
    end(healed) {
      if (!healed) return;
      for (const run of told.keys()) {
        const sentence = unfinished(runs.get(run), cancelled.has(run));
        if (sentence !== undefined) lost(run, sentence);
      }
      for (const [run, by] of fallbacks)
        if (!runs.has(run)) lost(run, `was to take over from ${by}, and never started`);
    },
  };
}

function beganEarly({ started }: RunTrace, { type, at }: HistoryEvent): readonly string[] {
  const startAt = started?.startAt ?? 0;
  return type === 'StateEntered' && at < startAt ? [`began at ${at}, before its time ${startAt}`] : [];
}

/** What is missing from a run when everything has had its time. */
function unfinished(trace: RunTrace | undefined, cancelled: boolean): string | undefined {
  const { closed, openEscalation } = trace ?? {};
  if (closed === undefined && openEscalation === undefined) return 'is neither closed nor with a person';
  if (!cancelled || closed?.outcome === 'cancelled') return undefined;
  return `the cancel was acknowledged, the run ended as ${closed?.outcome ?? 'nothing'}`;
}

interface Written {
  readonly owner: string;
  readonly epoch: number;
  readonly seq: number;
}

/** Within a partition an owner that was followed by another never writes again, and no record is stored twice. */
export function onlyTheOwnerWrites(report: Report, { fromTheMiddle = false }: Rules = {}): Checker {
  const partitions = new Map<number, Written>();
  const ids = new Set<string>();
  const homes = new Map<string, number>();
  return {
    see(fact) {
      if (fact.kind !== 'Appended') return;
      const { partition, seq, record } = fact;
      const stale = (sentence: string): void =>
        report({ invariant: 'I9', sentence: `partition ${partition}: ${sentence}` });
      const last = partitions.get(partition);
      const first = fromTheMiddle && last === undefined;
      const sentence = first ? undefined : staleWrite(last, { seq, owner: record.owner, epoch: record.epoch });
      if (sentence !== undefined) stale(sentence);
      if (ids.has(record.id)) stale(`record ${record.id} is stored twice`);
      ids.add(record.id);
      partitions.set(partition, { owner: record.owner, epoch: record.epoch, seq });
      for (const { run } of record.runs) {
        const home = homes.get(run) ?? partition;
        if (home !== partition) stale(`has events of run ${run}, which lives in partition ${home}`);
        homes.set(run, home);
      }
    },
  };
}

/** An owner's epoch is the end of the journal as it found it: it may write right after that, and then after itself. */
function staleWrite(last: Written | undefined, now: Written): string | undefined {
  const who = `${now.owner} wrote record ${now.seq} in epoch ${now.epoch}`;
  const end = last?.seq ?? 0;
  if (now.seq !== end + 1) return `${who}, the last one was ${end}`;
  if (now.owner === last?.owner && now.epoch === last.epoch) return undefined;
  return now.epoch === end ? undefined : `${who}, although ${last?.owner ?? 'nobody'} had written record ${end} since`;
}

/** Whoever has a run in memory has what the journal folds to. */
export function sameEverywhere(report: Report): Checker {
  const states = new Map<string, RunState>();
  const digests = new Map<string, string>();
  const taken = new Set<string>();
  let atRest = false;
  return {
    event({ run }, event) {
      if (event.type === 'BusEventReceived') {
        if (taken.has(`${run} ${event.id}`))
          report({ invariant: 'I10', run, sentence: `took bus event ${event.id} twice` });
        taken.add(`${run} ${event.id}`);
      }
      if (event.type === 'SignalReceived') {
        if (taken.has(`${run} signal ${event.id}`))
          report({ invariant: 'I10', run, sentence: `took signal ${event.id} twice` });
        taken.add(`${run} signal ${event.id}`);
      }
      states.set(run, evolve(states.get(run) ?? initialState(run), event));
      digests.delete(run);
    },
    see(fact) {
      if (fact.kind === 'Rested') atRest = true;
      if (fact.kind === 'Listed') {
        for (const { run, state } of listedOtherwise(fact.runs ?? [], states)) {
          report({ invariant: 'I11', run, sentence: `is listed in state ${state}, its history says otherwise` });
        }
      }
      if (fact.kind === 'Appended' && atRest) {
        const sentence = `record ${fact.seq} of partition ${fact.partition} was written although nothing was under way`;
        report({ invariant: 'I10', sentence });
      }
      if (fact.kind !== 'Folded') return;
      const state = states.get(fact.run) ?? initialState(fact.run);
      if (state.seq !== fact.seq) return;
      const known = digests.get(fact.run) ?? digest(state);
      digests.set(fact.run, known);
      if (known !== fact.digest) {
        report({
          invariant: 'I10',
          run: fact.run,
          sentence: `is another state in memory than its ${fact.seq} events fold to`,
        });
      }
    },
  };
}

/** A route that was left is not taken again, and has no more attempts than the workflow grants. */
export function routesOnce(report: Report, rules: Rules): Checker {
  const left = new Set<string>();
  const attempts = new Map<string, number>();
  return {
    event({ run, activity, started }, event) {
      if (event.type !== 'ActivityScheduled') return;
      const of = (route: string): string => `${run} ${event.activity} ${route}`;
      if (activity?.activity === event.activity && activity.route !== event.route) left.add(of(activity.route));
      const count = (attempts.get(of(event.route)) ?? 0) + 1;
      attempts.set(of(event.route), count);
      const most = rules.attempts?.[`${started?.workflow ?? ''}/${event.state}`] ?? Number.POSITIVE_INFINITY;
      if (!left.has(of(event.route)) && count <= most) return;
      const sentence = `${event.activity} has attempt ${count} on route ${event.route}, after all of them were used`;
      report({ invariant: 'I4', run, sentence });
    },
  };
}

/** A run keeps the bundle it pinned for an agent. */
export function oneBundle(report: Report): Checker {
  return {
    event({ run, started }, event) {
      if (event.type !== 'ActivityScheduled') return;
      const pinned = started?.pins[event.agent];
      if (pinned === event.bundleDigest) return;
      const sentence = `${event.activity} was given to ${event.agent} at ${event.bundleDigest}, pinned is ${pinned ?? 'none'}`;
      report({ invariant: 'I7', run, sentence });
    },
  };
}

/** Runs that a list shows otherwise than their history. */
function listedOtherwise(
  runs: readonly RunSummary[],
  states: ReadonlyMap<string, RunState>,
): readonly { readonly run: string; readonly state: string }[] {
  return runs.filter((summary) => {
    const state = states.get(summary.run);
    return state === undefined || canonicalJson(summaryOf(state)) !== canonicalJson(summary);
  });
}
