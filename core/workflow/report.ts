// Owns: how an activity ends: with a verified result, or with a failure.
//   R1: nothing is committed unverified: the engine evaluates the bundle's rules itself and demands the verifier's receipt
//       for exactly this result.
import type { CompleteAsk, FailAsk, HeartbeatAsk, ReportReply } from '../../api/messages/asks.ts';
import type { Verification } from '../../api/messages/history.ts';
import { checkRules, ruleFeedback, runVariable } from '../agent/rules.ts';
import { confidenceOf, maxRepairsDefault, rejection } from '../agent/turn.ts';
import { digest } from '../canonical/canonical.ts';
import { after, current } from './current.ts';
import { factsOf, type Given, runOf } from './definition.ts';
import { Draft, type Reaction } from './draft.ts';
import { escalate } from './escalate.ts';
import { failAttempt } from './failure.ts';
import { leave } from './flow.ts';
import { observeActivity, observeResult, rejectionsOf } from './observe.ts';
import type { RunState } from './state.ts';

/** `schemaProblem`: what is wrong with the result by the task's output schema, found by the shell. */
export function completeActivity(
  given: Given,
  ask: CompleteAsk,
  schemaProblem: string | undefined,
): Reaction<ReportReply> {
  const now = current(given.state, ask);
  if (now.kind === 'Known') return { events: [], reply: now.reply };
  if (now.kind === 'Stale') return { events: [], reply: { kind: 'Stop', message: now.message } };
  const draft = new Draft(given, `complete/${ask.activity}/${ask.attempt}`);
  const verified = verify(draft, ask, schemaProblem);
  if (!verified.ok) return refuse(draft, ask, verified.feedback);
  commit(draft, ask, verified.verification);
  return draft.reaction(after(draft.state, ask));
}

type Verified =
  { readonly ok: true; readonly verification: Verification } | { readonly ok: false; readonly feedback: string };

function verify({ state, definition }: Draft, ask: CompleteAsk, schemaProblem: string | undefined): Verified {
  const bundle = definition.bundle(state.activity?.bundleDigest ?? '')?.spec;
  if (bundle === undefined) return { ok: false, feedback: 'the pinned bundle is not known to the engine' };
  if (schemaProblem !== undefined)
    return { ok: false, feedback: `The result does not fit its schema: ${schemaProblem}` };
  const { result } = ask;
  const rules = checkRules(bundle.verifier.rules ?? [], {
    result,
    facts: factsOf(state),
    input: state.input,
    run: runVariable({ ...runOf(state), state: state.state }),
    turns: state.activity?.turns ?? [],
  });
  const failed = ruleFeedback(rules);
  if (failed !== undefined) return { ok: false, feedback: failed };
  if (bundle.verifier.model === undefined) return { ok: true, verification: { approved: true, rules } };
  const model = approvedByModel(ask, state.run);
  if (model === undefined) {
    return { ok: false, feedback: 'The verifier has not approved exactly this result: have it verified again.' };
  }
  return { ok: true, verification: { approved: true, rules, model } };
}

/** The verifier model's verdict, if the gateway vouches that it approved exactly this result of this activity. */
function approvedByModel(ask: CompleteAsk, run: string): Verification['model'] {
  const { model } = ask.verification;
  const receipt = model?.receipt;
  if (model === undefined || receipt?.kind !== 'verify' || receipt.outcome !== 'ok') return undefined;
  const about = receipt.run === run && receipt.activity === ask.activity && receipt.digest === digest(ask.result);
  return about ? { ...model, approved: true } : undefined;
}

/** The rejection becomes a turn, so that it is counted, and the executor goes again, within bounds. */
function refuse(draft: Draft, ask: CompleteAsk, feedback: string): Reaction<ReportReply> {
  const { activity } = draft.state;
  if (activity === undefined) return { events: [], reply: { kind: 'Stop', message: 'nothing is at work' } };
  const bundle = draft.definition.bundle(activity.bundleDigest)?.spec;
  const repairsMax = bundle?.policy?.maxRepairs ?? maxRepairsDefault;
  const turn = rejection((activity.turns.at(-1)?.turn ?? 0) + 1, feedback);
  draft.add({ type: 'TurnCompleted', activity: activity.id, attempt: activity.attempt, turn, worker: 'engine' });
  const seen = observeActivity(draft, draft.state.activity);
  if (escalate(draft, seen, { activity: activity.id, rejected: digest(ask.result) }) !== 'Go') {
    return draft.reaction(after(draft.state, ask));
  }
  if (rejectionsOf(draft.state.activity ?? activity) > repairsMax) {
    failAttempt(draft, {
      failure: {
        code: 'VERIFIER_REJECTED',
        message: `rejected more than ${repairsMax} times; last: ${feedback}`.slice(0, 2_000),
      },
      retryable: false,
      worker: ask.worker,
    });
    return draft.reaction(after(draft.state, ask));
  }
  return draft.reaction({ kind: 'Repair', feedback });
}

/** A doubt is settled before the run moves on; a result that goes to another route instead is never committed. */
function commit(draft: Draft, ask: CompleteAsk, verification: Verification): void {
  const { activity } = draft.state;
  const bundle = draft.definition.bundle(activity?.bundleDigest ?? '')?.spec;
  const confidence = bundle === undefined ? undefined : confidenceOf(bundle, ask.result, activity?.turns ?? []);
  const seen = observeResult(draft, ask.result);
  const subject = { activity: ask.activity, result: ask.result };
  const before = new Draft(draft, draft.cause);
  const doubt = escalate(before, seen, subject);
  if (doubt === 'Rerouted' || (isEnding(before.state) && !isEnding(draft.state))) {
    for (const event of before.events) draft.add(event);
    return;
  }
  draft.add({
    type: 'ActivityCompleted',
    activity: ask.activity,
    attempt: ask.attempt,
    result: ask.result,
    verification,
    worker: ask.worker,
    ...(confidence === undefined ? {} : { confidence }),
  });
  for (const event of before.events) draft.add(event);
  if (doubt === 'Go') leave(draft, 'done');
}

const isEnding = ({ ending, status }: RunState): boolean => ending !== undefined || status === 'Closed';

export function reportFailure(given: Given, ask: FailAsk): Reaction<ReportReply> {
  const now = current(given.state, ask);
  if (now.kind === 'Known') return { events: [], reply: now.reply };
  if (now.kind === 'Stale') return { events: [], reply: { kind: 'Stop', message: now.message } };
  const draft = new Draft(given, `fail/${ask.activity}/${ask.attempt}`);
  const { failure, retryable, worker } = ask;
  failAttempt(draft, { failure, retryable, worker });
  return draft.reaction(after(draft.state, ask));
}

export function heartbeat({ state }: Given, ask: HeartbeatAsk): ReportReply {
  const now = current(state, ask);
  return now.kind === 'Current'
    ? { kind: 'Go' }
    : { kind: 'Stop', message: now.kind === 'Stale' ? now.message : 'complete' };
}
