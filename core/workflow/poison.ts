// Owns: an activity that its workers do not survive. Each loss is a fact; too many in a row, without a turn of progress, and the
// attempt has failed: it is not given to ever more workers.
import { current, type Target } from './current.ts';
import type { Given } from './definition.ts';
import { Draft, type Reaction } from './draft.ts';
import { failAttempt } from './failure.ts';
import type { RunState } from './state.ts';

/** Workers that an activity may cost in a row. */
export const lostMax = 5;

export interface LostWorker extends Target {
  readonly worker: string;
}

/** True when one more lost worker is one too many. */
export function isPoison(state: RunState, lost: LostWorker): boolean {
  const now = current(state, lost);
  return now.kind === 'Current' && (now.activity.lost ?? 0) + 1 >= lostMax;
}

export function loseWorker(given: Given, { activity, attempt, worker }: LostWorker): Reaction<undefined> {
  const now = current(given.state, { activity, attempt });
  if (now.kind !== 'Current') return { events: [], reply: undefined };
  const lost = (now.activity.lost ?? 0) + 1;
  const draft = new Draft(given, `lost/${activity}/${attempt}/${lost}`);
  draft.add({ type: 'WorkerLost', activity, attempt, worker, lost });
  if (lost >= lostMax)
    failAttempt(draft, { failure: { code: 'POISON', message: poisonMessage(lost) }, retryable: false });
  return draft.reaction(undefined);
}

export const poisonMessage = (lost: number): string =>
  `${lost} workers in a row were lost while they were at it, none of which finished a turn`;
