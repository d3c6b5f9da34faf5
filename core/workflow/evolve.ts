// Owns: folding one event into a run.
//   F1: total: an event of an unknown type parks the run instead of being guessed at.
//   F2: needs no definition, clock or policy: an old history folds the same way in every release.
//   F3: an effect counts once, by the digest of its call: whichever attempt reports it, and however often.
import type { EventOf as Of, HistoryEvent, Receipt, Turn } from '../../api/messages/history.ts';
import { fare } from '../rollout/fared.ts';
import { childFolders } from './fold-children.ts';
import { endingFolders } from './fold-ending.ts';
import { pauseFolders } from './fold-pause.ts';
import { incomingFolders, rememberedMax } from './fold-incoming.ts';
import type { ActivityState, EscalationHistory, RunState } from './state.ts';

type Folders = { readonly [T in HistoryEvent['type']]: (state: RunState, event: Of<T>) => RunState };

/** A stored result comes back within its activity, so the newest are enough. */
const effectDigestsMax = 512;

export function evolve(state: RunState, event: HistoryEvent): RunState {
  const fold = folders[event.type] as ((state: RunState, event: HistoryEvent) => RunState) | undefined;
  if (fold === undefined) {
    const parked = `event ${event.seq} is of type ${String(event.type)}, which this engine does not know; run a newer one`;
    return { ...state, seq: event.seq, parked, parkedAt: state.parkedAt ?? event.at };
  }
  const next = fold(state, event);
  // Only runs of a rollout count how they fare.
  return numbered(next.assignments === undefined ? next : fare(state, next, event), event.seq, state);
}

/** A folder gives back the state that it was given, or one that nobody else has seen. */
function numbered(next: { -readonly [M in keyof RunState]: RunState[M] }, seq: number, before: RunState): RunState {
  if (next === before) return { ...next, seq };
  next.seq = seq;
  return next;
}

/** The state after a whole history. */
export function foldHistory(state: RunState, events: readonly HistoryEvent[]): RunState {
  return events.reduce(evolve, state);
}

const folders: Folders = {
  ...childFolders,
  ...endingFolders,
  ...pauseFolders,
  ...incomingFolders,
  RunStarted: (state, event) => {
    const { type: _type, seq: _seq, at, cause: _cause, ...facts } = event;
    return { ...state, ...facts, startedAt: at };
  },
  // The most frequent one: leaving members out of a copy costs fifteen times as much as setting them to nothing.
  StateEntered: (state, event) => ({
    ...state,
    activity: undefined,
    frozenMs: undefined,
    state: event.state,
    visit: event.visit,
    visits: { ...state.visits, [event.state]: event.visit },
    enteredAt: event.at,
  }),
  ActivityScheduled: (state, event) => ({
    ...state,
    route: event.route,
    attempts: state.attempts + 1,
    activity: scheduled(state, event),
  }),
  TurnProposed: (state, event) => withTurn(state, event.turn, true),
  TurnCompleted: (state, event) => withTurn(state, event.turn, false),
  ActivityCompleted: (state, event) => ({
    ...onActivity(state, (activity) => ({
      ...activity,
      phase: 'Completed',
      verification: event.verification,
    })),
    costMicros: state.costMicros + (event.verification.model?.receipt.costMicros ?? 0),
    facts: { ...state.facts, ...event.result },
    result: event.result,
    completed: { ...state.completed, [event.activity]: event.attempt },
  }),
  ActivityFailed: (state, event) =>
    onActivity(state, (activity) => ({
      ...activity,
      phase: 'Failed',
      failedAttempts: activity.failedAttempts + 1,
      retryable: event.retryable,
      failure: event.failure,
    })),
  WorkerLost: (state, event) => onActivity(state, (activity) => ({ ...activity, lost: event.lost })),
  ActivityTimedOut: (state) =>
    onActivity(state, (activity) => ({
      ...activity,
      phase: 'Failed',
      failure: { code: 'TIMEOUT', message: 'the time of the state was over' },
    })),
  Transitioned: (state) => state,
  BusEventReceived: (state, event) => ({
    ...state,
    result: event.payload,
    busEvents: [...state.busEvents, event.id].slice(-rememberedMax),
  }),
  WaitElapsed: (state) => state,
  SignalObserved: (state, event) => settleRule(state, event.rule),
  EscalationOpened: (state, event) => ({
    ...settleRule(state, event.escalation.rule),
    asked: state.asked + 1,
    status: event.escalation.action === 'freeze' ? 'Frozen' : 'Waiting',
    escalation: { facts: event.escalation, openedAt: event.at, moves: 0 },
    escalations: [
      ...state.escalations,
      { facts: event.escalation, openedAt: event.at, status: 'Open', costMicros: state.costMicros },
    ],
  }),
  EscalationDecided: (state, event) => decided(state, event),
  EscalationExpired: (state, event) => closeEscalation(state, event.id, { status: 'Expired', decidedAt: event.at }),
  EscalationMoved: (state, event) => {
    if (state.escalation?.facts.id !== event.id) return state;
    const facts = { ...state.escalation.facts, queue: event.queue, deadline: event.deadline };
    return {
      ...state,
      escalation: { ...state.escalation, facts, moves: state.escalation.moves + 1 },
      escalations: state.escalations.map((known) => (known.facts.id === event.id ? { ...known, facts } : known)),
    };
  },
  ApprovalConsumed: (state, event) => ({
    ...state,
    approvals: state.approvals.map((known) => (known.id === event.id ? { ...known, consumed: true } : known)),
  }),
  ReadOnlySet: (state, { rule }) => ({ ...settleRule(state, rule), readOnly: true, readOnlyRule: rule }),
  CancelRequested: (state) => state,
  FallbackRequested: (state, event) => ({
    ...state,
    fallback: { workflow: event.workflow, run: event.run, reason: event.reason },
  }),
  RunClosed: (state, event) => closed(state, event),
};

/** Every type that this release knows. */
export const eventTypes: readonly HistoryEvent['type'][] = Object.keys(folders) as HistoryEvent['type'][];

function scheduled(state: RunState, event: Of<'ActivityScheduled'>): ActivityState {
  const before = state.activity?.id === event.activity ? state.activity : undefined;
  return {
    id: event.activity,
    state: event.state,
    visit: state.visit,
    agent: event.agent,
    bundleDigest: event.bundleDigest,
    route: event.route,
    attempt: event.attempt,
    ...routesOf(before, event),
    notBefore: event.notBefore,
    deadline: event.deadline,
    since: Math.max(event.at, event.notBefore),
    phase: 'Scheduled',
    failedAttempts: before?.failedAttempts ?? 0,
    retryable: true,
    turns: [],
    answers: before?.answers ?? [],
    acted: before !== undefined && (before.acted || before.proposed !== undefined),
  };
}

function routesOf(
  before: ActivityState | undefined,
  { route, agent, attempt, renewed }: Of<'ActivityScheduled'>,
): Pick<ActivityState, 'routes' | 'routeFrom'> {
  if (before === undefined || renewed === true) return { routes: [route], routeFrom: attempt };
  const same = before.route === route && before.agent === agent;
  return {
    routes: [...before.routes.filter((known) => known !== route), route],
    routeFrom: same ? before.routeFrom : attempt,
  };
}

function onActivity(state: RunState, change: (activity: ActivityState) => ActivityState): RunState {
  return state.activity === undefined ? state : { ...state, activity: change(state.activity) };
}

/** A turn is known once: a report of the same number replaces the proposal, and the money is counted once. */
function withTurn(state: RunState, turn: Turn, proposed: boolean): RunState {
  const { activity } = state;
  if (activity === undefined) return state;
  const before = activity.turns.find((known) => known.turn === turn.turn);
  const { proposed: _proposed, lost, ...rest } = activity;
  const added = effectsOf(turn).filter((digest) => !state.effectDigests.includes(digest));
  const rejected = turn.role === 'verifier' && turn.feedback !== undefined && before === undefined;
  return {
    ...state,
    costMicros: state.costMicros + costOf(turn) - (before === undefined ? 0 : costOf(before)),
    effects: state.effects + added.length,
    effectDigests: [...state.effectDigests, ...added].slice(-effectDigestsMax),
    repairs: state.repairs + (rejected ? 1 : 0),
    activity: {
      ...rest,
      turns: [...activity.turns.filter((known) => known.turn !== turn.turn), turn],
      acted:
        activity.acted || effectsOf(turn).length > 0 || turn.results.some(({ outcome }) => outcome === 'ambiguous'),
      ...(proposed ? { proposed: turn.turn } : {}),
      ...(proposed && lost !== undefined ? { lost } : {}),
    },
  };
}

const receiptsOf = (turn: Turn): readonly Receipt[] =>
  [turn.receipt, ...turn.results.map((result) => result.receipt)].filter((receipt) => receipt !== undefined);

const costOf = (turn: Turn): number => receiptsOf(turn).reduce((sum, receipt) => sum + (receipt.costMicros ?? 0), 0);

/** Digests of the calls that changed the world, each once. Also of stored results: whoever made the call may have died. */
const effectsOf = (turn: Turn): readonly string[] => [
  ...new Set(
    receiptsOf(turn)
      .filter(({ outcome, effect }) => outcome === 'ok' && effect !== undefined && effect !== 'read')
      .map(({ digest }) => digest),
  ),
];

function settleRule(state: RunState, rule: string | undefined): RunState {
  if (rule === undefined) return state;
  const names = [rule, `${rule}@${state.activity?.id ?? ''}`].filter((name) => !state.settledRules.includes(name));
  return names.length === 0 ? state : { ...state, settledRules: [...state.settledRules, ...names] };
}

function closeEscalation(state: RunState, id: string, change: Partial<EscalationHistory>): RunState {
  if (state.escalation?.facts.id !== id) return state;
  const { escalation, ...rest } = state;
  const pausedMs = Math.max(0, (change.decidedAt ?? escalation.openedAt) - escalation.openedAt);
  return {
    ...onActivity(rest, (activity) => ({
      ...activity,
      deadline: activity.deadline + pausedMs,
      since: activity.since + pausedMs,
    })),
    status: 'Running',
    escalations: state.escalations.map((known) => (known.facts.id === id ? { ...known, ...change } : known)),
  };
}

function decided(state: RunState, event: Of<'EscalationDecided'>): RunState {
  const facts = state.escalation?.facts;
  const { option, by, reason, decision, at, digest } = event;
  const next = closeEscalation(state, event.id, { status: 'Decided', option, by, reason, decision, decidedAt: at });
  if (facts?.id !== event.id || state.activity === undefined) return next;
  const answered = onActivity(next, (activity) => ({
    ...activity,
    answers: [...activity.answers, { digest, option, reason }],
  }));
  if (facts.signal !== 'approval' || facts.proposal === undefined || option !== 'approve') return answered;
  const approval = { id: event.id, digest, activity: state.activity.id, consumed: false };
  return { ...answered, approvals: [...state.approvals, approval] };
}

/** A closed run keeps what lists and shows need; the rest is in its history. */
function closed(state: RunState, event: Of<'RunClosed'>): RunState {
  const { activity: _activity, escalation, frozen: _frozen, compensating: _compensating, ...rest } = state;
  return {
    ...rest,
    status: 'Closed',
    outcome: event.outcome,
    closing: event.message,
    closedAt: event.at,
    result: {},
    // A branch leaves what it owes to its parent.
    owed: state.parent?.child === undefined ? [] : state.owed,
    effectDigests: [],
    signals: [],
    escalations: state.escalations.map((known) =>
      known.facts.id === escalation?.facts.id ? { ...known, status: 'Closed' } : known,
    ),
  };
}
