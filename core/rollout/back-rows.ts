// Owns: the rows of the way back: weight 0 everywhere, then the runs under way, then what their effects need, then it is over.
//   B1: nothing of the bad bundle is needed: neither its workers nor its evidence.
//   B2: it is tried for ever, and says what it waits for; there is no phase in which a rollback has failed.
import type { RolloutReason, RolloutStatus } from '../../api/v1alpha1/rollout.ts';
import { type Move, percent, type Row, stay } from './move.ts';
import type { CanaryRuns, RolloutAct, RolloutSeen } from './seen.ts';
import { defaults } from './stages.ts';
import { bundleName, observedBps } from './steps.ts';

/** Nobody can get the canary any more. */
function isRoutedBack({ route, spec, status }: RolloutSeen): boolean {
  // Without a bundle before it only the promotion offers it to anybody, and from there is no way back.
  if (status.weight === undefined || spec.from === undefined) return true;
  return route?.told === true && route.canaryBps === 0 && route.stable === spec.from.digest;
}

const routesBack = (seen: RolloutSeen): Move =>
  stay(seen, {
    what: `New keys go back from ${bundleName(seen)}`,
    why: `not every partition goes by it yet; ${percent(observedBps(seen.status))} was the last weight`,
    next: 'when all do, what is under way is taken care of',
  });

export function aborting(seen: RolloutSeen): Move {
  if (!isRoutedBack(seen)) return routesBack(seen);
  return {
    phase: 'RollingBack',
    reason: triggerOf(seen.status),
    what: `No new key gets ${bundleName(seen)}`,
    why: 'all partitions go by weight 0',
    next: 'what is under way is taken care of',
  };
}

const triggerOf = ({ rollback, reason }: RolloutStatus): RolloutReason =>
  (rollback?.trigger ?? reason) as RolloutReason;

const nothing: CanaryRuns = { open: [], cancelled: 0, withEffects: [], compensated: [] };

export function rollingBack(seen: RolloutSeen): ReturnType<Row> {
  if (!isRoutedBack(seen)) return routesBack(seen);
  const { spec, status } = seen;
  const { inFlight = defaults.inFlight, compensate } = spec.release.rollback ?? {};
  const isNeeded = inFlight === 'cancelEscalate' || compensate !== undefined;
  const runs = status.weight === undefined || !isNeeded ? (seen.runs ?? nothing) : seen.runs;
  if (runs === undefined) return drains(seen, { why: 'not every engine has told its runs', next: 'all have told' });
  const { open, compensated } = runs;
  const cancels = inFlight === 'cancelEscalate' ? open : [];
  const set = { rollback: { ...begun(status), cancelled: runs.cancelled, compensated: compensated.length } };
  if (cancels.length > 0) {
    const acts = cancels.map((run): RolloutAct => ({ kind: 'cancel', key: `${seen.uid}/cancel/${run}`, run }));
    const why = `${open.length} runs keep to it and are cancelled`;
    return { ...drains(seen, { why, next: 'they have ended' }), set, acts };
  }
  const due = compensate === undefined ? [] : dueOf(runs);
  if (compensate !== undefined && due.length > 0) {
    const why = `${due.length} runs had effects that Workflow ${compensate.name} is to undo`;
    const acts = due.filter((run) => !open.includes(run)).map((run) => compensation(seen.uid, run, compensate.name));
    return { ...drains(seen, { why, next: 'it is started for each of them that has ended' }), set, acts };
  }
  return over(seen, open.length, set);
}

const dueOf = ({ withEffects, compensated }: CanaryRuns): readonly string[] =>
  withEffects.filter((run) => !compensated.includes(run));

const compensation = (uid: string, run: string, workflow: string): RolloutAct => ({
  kind: 'compensate',
  key: `${uid}/compensate/${run}`,
  run,
  workflow,
});

const drains = (seen: RolloutSeen, said: { readonly why: string; readonly next: string }): Move =>
  stay(seen, { reason: 'DrainPending', what: `No new key gets ${bundleName(seen)}`, ...said });

const begun = (status: RolloutStatus): Pick<NonNullable<RolloutStatus['rollback']>, 'trigger' | 'at'> => ({
  trigger: triggerOf(status),
  at: status.rollback?.at ?? status.phaseSince ?? '',
});

function over(seen: RolloutSeen, open: number, set: Partial<RolloutStatus>): Move {
  const { status } = seen;
  const because = status.quarantined ?? `the cause was ${triggerOf(status)}`;
  const why = open === 0 ? 'no run that is known keeps to it' : `${open} runs that keep to it end with it`;
  return {
    phase: 'RolledBack',
    reason: triggerOf(status),
    what: `No key gets ${bundleName(seen)}`,
    why: `${because}; ${why}`,
    next: 'a better bundle, or the same one after retry',
    set,
  };
}
