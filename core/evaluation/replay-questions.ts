// Owns: whether a candidate's policy would call people in where stored runs did: its rules see what was seen then.
import type { HistoryEvent } from '../../api/messages/history.ts';
import { type EscalationRule, type Signal, signals } from '../../api/v1alpha1/escalation-policy.ts';
import { decideEscalation } from '../escalation/decide.ts';
import type { Observation } from '../escalation/observation.ts';
import type { Definition } from '../workflow/definition.ts';
import { rulesFor } from '../workflow/definition.ts';
import { evolve } from '../workflow/evolve.ts';
import { observeActivity, observeResult, observeStart, observeTurn } from '../workflow/observe.ts';
import type { RunState } from '../workflow/state.ts';
import type { Candidate } from './replay.ts';

export interface ReplayedQuestion {
  readonly run: string;
  readonly seq: number;
  readonly signal: string;
  readonly change: 'same' | 'stricter' | 'looser';
  readonly what: string;
}

interface Fired {
  readonly seq: number;
  readonly signal: Signal;
  readonly rule: string;
}

/** Signals about the whole run: a rule has its say about them once. */
const ofWholeRun: readonly Signal[] = ['redFlag', 'userFrustration', 'budget'];

export function replayQuestions(
  events: readonly HistoryEvent[],
  first: RunState,
  candidate: Candidate,
): readonly ReplayedQuestion[] {
  const { run } = first;
  const recorded = events.flatMap(recordedIn);
  const fired = firedBy(events, first, candidate);
  const meets = (one: Fired, other: Fired): boolean => one.signal === other.signal;
  return [
    ...recorded.map((one): ReplayedQuestion => {
      const still = fired.some((other) => meets(one, other));
      const what = still
        ? `${one.signal} calls people in, as before`
        : `${one.signal} (rule ${one.rule}) no longer calls people in`;
      return { run, seq: one.seq, signal: one.signal, change: still ? 'same' : 'looser', what };
    }),
    ...fired
      .filter((one) => !recorded.some((other) => meets(one, other)))
      .map((one): ReplayedQuestion => ({
        run,
        seq: one.seq,
        signal: one.signal,
        change: 'stricter',
        what: `${one.signal} (rule ${one.rule}) would call people in`,
      })),
  ];
}

/** Questions that states, permissions and the engine itself ask are no rule's. */
const asked: ReadonlySet<string> = new Set(signals);

function recordedIn(event: HistoryEvent): readonly Fired[] {
  if (event.type !== 'EscalationOpened' || !asked.has(event.escalation.signal)) return [];
  const { signal, rule = signal } = event.escalation;
  return [{ seq: event.seq, signal: signal as Signal, rule }];
}

/** The first time that each rule of the candidate would have had its say. */
function firedBy(events: readonly HistoryEvent[], first: RunState, candidate: Candidate): readonly Fired[] {
  const fired: Fired[] = [];
  const settled = new Set<string>();
  let state = first;
  for (const event of events) {
    const before = state;
    state = evolve(state, event);
    const seen = seenAt(before, state, { event, candidate });
    if (seen === undefined) continue;
    const of = `@${state.activity?.id ?? ''}`;
    const keyOf = ({ name, signal }: EscalationRule): string => (ofWholeRun.includes(signal) ? name : `${name}${of}`);
    const given = { state, definition: definitionAt(state, candidate) };
    const rules = withBuiltIn(rulesFor(given), seen);
    const { enforced } = decideEscalation(rules, seen, (rule) => settled.has(keyOf(rule)));
    if (enforced === undefined) continue;
    settled.add(keyOf(enforced.rule));
    fired.push({ seq: event.seq, signal: enforced.rule.signal, rule: enforced.rule.name });
  }
  return fired;
}

/** A run's digests are those of then; the agent at work says which bundle of the candidate stands for them. */
const definitionAt = ({ activity }: RunState, { definition, bundle }: Candidate): Definition => ({
  ...definition,
  bundle: () => (activity === undefined ? undefined : bundle(activity.agent)),
});

/** What rules are shown at the moments at which the engine asks them. */
function seenAt(
  before: RunState,
  state: RunState,
  { event, candidate }: { readonly event: HistoryEvent; readonly candidate: Candidate },
): Observation | undefined {
  const given = { state, definition: definitionAt(state, candidate), now: event.at };
  if (event.type === 'RunStarted') return observeStart(given);
  if (event.type === 'TurnProposed' || event.type === 'TurnCompleted')
    return before.activity === undefined ? undefined : observeTurn(given, before.activity, event.turn);
  if (event.type === 'ActivityCompleted') return observeResult(given, event.result);
  if (event.type !== 'ActivityFailed' && event.type !== 'ActivityTimedOut') return undefined;
  return observeActivity(given, state.activity);
}

/** What stops a run even where no rule speaks of it. */
function withBuiltIn(rules: readonly EscalationRule[], seen: Observation): readonly EscalationRule[] {
  const spoken = rules.filter(({ mode }) => mode !== 'observe').map(({ signal }) => signal);
  const added: EscalationRule[] = [];
  if (seen.ambiguous.length > 0 && !spoken.includes('ambiguousEffect'))
    added.push({ name: 'ambiguous-effect', signal: 'ambiguousEffect', action: 'humanQueue' });
  if (seen.confidence?.floor !== undefined && !spoken.includes('lowConfidence'))
    added.push({ name: 'confidence-floor', signal: 'lowConfidence', below: '0', action: 'humanQueue' });
  return [...rules, ...added];
}
