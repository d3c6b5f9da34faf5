// Owns: what the rules of a policy get to see of a run, at each moment that matters.
import type { Json, JsonObject, Turn } from '../../api/messages/history.ts';
import { confidenceOf } from '../agent/turn.ts';
import { canonicalJson } from '../canonical/canonical.ts';
import { nothingObserved, type Observation } from '../escalation/observation.ts';
import { budgetLimit, type Given } from './definition.ts';
import type { ActivityState } from './state.ts';

/** Before the first state is entered. */
export function observeStart({ state, definition }: Given): Observation {
  const budget = budgetOf({ state, definition });
  return { ...nothingObserved, texts: [{ source: 'the input', text: textOf(state.input) }], ...budget };
}

/** After a turn was proposed or reported. */
export function observeTurn(given: Given, before: ActivityState, turn: Turn): Observation {
  const { activity } = given.state;
  const said = [{ source: `the ${turn.role}`, text: turn.text ?? '' }];
  for (const call of turn.calls) said.push({ source: `the arguments of ${call.tool}`, text: textOf(call.args) });
  // Each doubtful effect is seen once: in the turn that reports it.
  const known = before.turns.find((earlier) => earlier.turn === turn.turn)?.results ?? [];
  const ambiguous = turn.results.filter(
    ({ id, outcome }) =>
      outcome === 'ambiguous' && !known.some((earlier) => earlier.id === id && earlier.outcome === outcome),
  );
  return {
    ...observeActivity(given, activity),
    texts: said.filter(({ text }) => text !== ''),
    ambiguous: ambiguous.map((result) => result.tool),
  };
}

/** When a verified result is there. */
export function observeResult(given: Given, result: JsonObject): Observation {
  const { activity } = given.state;
  const bundle = given.definition.bundle(activity?.bundleDigest ?? '')?.spec;
  const from = bundle?.policy?.confidenceFrom;
  const value = bundle === undefined ? undefined : confidenceOf(bundle, result, activity?.turns ?? []);
  const floor = bundle?.policy?.confidenceFloor;
  const seen = observeActivity(given, activity);
  return {
    ...seen,
    texts: [{ source: 'the result', text: textOf(result) }],
    outputs: [...seen.outputs, { source: 'the result', value: result }],
    confidence: {
      promised: from === 'reported' || from === 'logprobs',
      ...(value === undefined ? {} : { value }),
      ...(floor === undefined ? {} : { floor: Number(floor) }),
    },
  };
}

/** At any other moment: a failure, a timer. */
export function observeActivity(
  given: Omit<Given, 'now'> & { readonly now?: number },
  activity?: ActivityState,
): Observation {
  const { state, now } = given;
  const budget = budgetOf(given);
  if (activity === undefined) return { ...nothingObserved, ...budget };
  const results = activity.turns.flatMap((turn) => turn.results);
  const calls = activity.turns.flatMap((turn) => turn.calls);
  const repeat = mostRepeated(calls);
  return {
    ...nothingObserved,
    ...budget,
    outputs: [
      ...(Object.keys(state.facts).length === 0 ? [] : [{ source: 'earlier results', value: state.facts as Json }]),
      ...results
        .filter((result) => result.outcome === 'ok')
        .map((result) => ({ source: result.tool, value: result.result })),
    ],
    failedAttempts: activity.failedAttempts,
    ...(now === undefined || activity.phase !== 'Scheduled' ? {} : { elapsedMs: Math.max(0, now - activity.since) }),
    rejections: rejectionsOf(activity),
    denied: results
      .filter((result) => result.outcome === 'denied' && result.receipt !== undefined)
      .map((result) => result.tool),
    ...(repeat === undefined ? {} : { repeat }),
  };
}

/** Results of this attempt that a verifier rejected. */
export function rejectionsOf(activity: ActivityState): number {
  return activity.turns.filter((turn) => turn.role === 'verifier' && turn.feedback !== undefined).length;
}

function budgetOf({ state, definition }: Omit<Given, 'now'>): Pick<Observation, 'budget'> {
  const limitMicros = budgetLimit({ state, definition });
  return limitMicros === undefined ? {} : { budget: { limitMicros, spentMicros: state.costMicros } };
}

function mostRepeated(calls: Turn['calls']): Observation['repeat'] {
  const times = new Map<string, number>();
  let most: { tool: string; times: number } | undefined;
  for (const call of calls) {
    const key = `${call.tool} ${canonicalJson(call.args)}`;
    const count = (times.get(key) ?? 0) + 1;
    times.set(key, count);
    if (count > (most?.times ?? 0)) most = { tool: call.tool, times: count };
  }
  return most;
}

/** All the text inside a JSON value. */
function textOf(value: Json): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return '';
  return Object.values(value)
    .map((item) => textOf(item as Json))
    .filter((text) => text !== '')
    .join('\n');
}
