// Owns: what a run is, folded from its history. Everything here can be computed again from the events.
import type { Attributes, KeptSignal } from '../../api/messages/incoming.ts';
import type { Priority } from '../../api/messages/priority.ts';
import type { Freeze, Owed, ParentRun, RunOutcome } from '../../api/messages/family.ts';
import type {
  EscalationFacts,
  JsonObject,
  Route,
  RunSource,
  RunStatus,
  Turn,
  Verification,
} from '../../api/messages/history.ts';
import type { Assignment } from '../../api/messages/rollout.ts';
import type { Fared } from '../rollout/fared.ts';
import type { DecisionOption } from '../../api/v1alpha1/escalation.ts';

/** Scheduled: a worker may have it. Failed and Completed: reported, and what follows waits for a person. */
export type ActivityPhase = 'Scheduled' | 'Failed' | 'Completed';

export interface PersonsAnswer {
  readonly digest: string;
  readonly option: DecisionOption;
  readonly reason: string;
}

/** The work on one visit of a task state, over all attempts and routes. */
export interface ActivityState {
  readonly id: string;
  readonly state: string;
  readonly visit: number;
  readonly agent: string;
  readonly bundleDigest: string;
  readonly route: Route;
  readonly attempt: number;
  /** Attempt at which this route began. */
  readonly routeFrom: number;
  readonly routes: readonly Route[];
  readonly notBefore: number;
  /** Of the whole visit; time spent waiting for people is added. */
  readonly deadline: number;
  readonly since: number;
  readonly phase: ActivityPhase;
  readonly failedAttempts: number;
  /** Workers that were lost in a row without a turn of progress. */
  readonly lost?: number;
  readonly retryable: boolean;
  /** Turns of this attempt; the last may only be proposed. */
  readonly turns: readonly Turn[];
  /** Number of the turn whose calls are proposed and not reported yet. */
  readonly proposed?: number;
  readonly answers: readonly PersonsAnswer[];
  /** A call of any attempt had an effect, or nobody knows. */
  readonly acted: boolean;
  readonly failure?: { readonly code: string; readonly message: string };
  readonly verification?: Verification;
}

export interface OpenEscalation {
  readonly facts: EscalationFacts;
  readonly openedAt: number;
  readonly moves: number;
}

export interface EscalationHistory {
  readonly facts: EscalationFacts;
  readonly openedAt: number;
  readonly status: 'Open' | 'Decided' | 'Expired' | 'Closed';
  readonly costMicros: number;
  readonly option?: DecisionOption;
  readonly by?: string;
  readonly reason?: string;
  readonly decision?: string;
  readonly decidedAt?: number;
}

/** A person's yes to exactly one call. */
export interface Approval {
  readonly id: string;
  readonly digest: string;
  readonly activity: string;
  readonly consumed: boolean;
}

/** A child that a state of type workflow or parallel asked for. */
export interface ChildState {
  readonly child: string;
  readonly run: string;
  readonly state: string;
  readonly visit: number;
  readonly workflow: string;
  readonly start?: string;
  /** Empty once it is closed. */
  readonly input: JsonObject;
  readonly budgetMicros?: number;
  /** Nobody waits for it any more; it is told so until it is closed. */
  readonly cancelled: boolean;
  readonly closed?: {
    readonly outcome: RunOutcome;
    readonly message: string;
    /** Empty once its state is left: it is a fact then. */
    readonly result: JsonObject;
  };
}

/** The end is decided; the run is closed once its children are and what it owes is undone. */
export interface Ending {
  readonly outcome: RunOutcome;
  readonly state: string;
  readonly message: string;
  readonly compensate: boolean;
}

export interface RunState {
  readonly run: string;
  readonly seq: number;
  readonly namespace: string;
  readonly workflow: string;
  readonly workflowDigest: string;
  readonly input: JsonObject;
  readonly key?: string;
  readonly requestedBy: string;
  readonly source: RunSource;
  readonly object?: { readonly name: string; readonly uid: string };
  readonly parent?: ParentRun;
  /** A branch: where it starts. */
  readonly first?: string;
  readonly budgetMicros?: number;
  readonly pins: Readonly<Record<string, string>>;
  /** By agent, where a rollout was under way. */
  readonly assignments?: Readonly<Record<string, Assignment>>;
  /** What counts for its rollouts. */
  readonly fared?: Fared;
  readonly startedAt: number;
  readonly priority?: Priority;
  readonly startAt?: number;
  readonly deadline: number;

  readonly status: RunStatus;
  /** Empty until the first state is entered. */
  readonly state: string;
  readonly visit: number;
  readonly visits: Readonly<Record<string, number>>;
  readonly enteredAt: number;
  /** How much of `enteredAt` is time in which the run was frozen. */
  readonly frozenMs?: number | undefined;
  readonly facts: JsonObject;
  /** Result of the last completed activity, or payload of the last awaited bus event. */
  readonly result: JsonObject;
  readonly activity?: ActivityState | undefined;
  readonly route: Route;
  /** Reports already answered with yes: activity → attempt. */
  readonly completed: Readonly<Record<string, number>>;
  readonly busEvents: readonly string[];
  /** Kept until a state waits for them, the oldest first. */
  readonly signals: readonly KeptSignal[];
  readonly signalIds: readonly string[];
  readonly attributes: Attributes;

  readonly escalation?: OpenEscalation;
  /** Since the history was last continued, and the newest before. */
  readonly escalations: readonly EscalationHistory[];
  /** Questions asked so far. */
  readonly asked: number;
  readonly approvals: readonly Approval[];
  /** `rule` or `rule@activity` of rules that have had their say. */
  readonly settledRules: readonly string[];
  readonly readOnly: boolean;
  /** The rule that made it so; absent where people did. */
  readonly readOnlyRule?: string;
  /** By people or a frozen parent; `since` the first of them. */
  readonly frozen?: { readonly since: number; readonly holds: readonly Freeze[] };
  /** Open ones, and the newest that are closed. */
  readonly children: readonly ChildState[];
  /** What is undone when the run does not end as planned, the newest last. */
  readonly owed: readonly Owed[];
  /** What is being undone now. */
  readonly compensating?: Owed;
  readonly ending?: Ending;
  /** The event from which folding may begin; 0: the first. */
  readonly continuedAt: number;
  readonly costMicros: number;
  /** What closed children have spent; part of `costMicros`. */
  readonly childrenMicros?: number;
  /** Calls with an effect that were done and reported, each once. */
  readonly effects: number;
  /** Which of them are counted, the newest last; bounded, empty once closed. */
  readonly effectDigests: readonly string[];
  readonly attempts: number;
  readonly repairs: number;
  readonly fallback?: { readonly workflow: string; readonly run: string; readonly reason: string };

  readonly outcome?: RunOutcome;
  readonly closing?: string;
  readonly closedAt?: number;
  /** Why nothing is done any more until a newer engine comes: an event of an unknown type. */
  readonly parked?: string;
  readonly parkedAt?: number;
}

export function initialState(run: string): RunState {
  return {
    run,
    seq: 0,
    namespace: '',
    workflow: '',
    workflowDigest: '',
    input: {},
    requestedBy: '',
    source: 'http',
    pins: {},
    startedAt: 0,
    deadline: 0,
    status: 'Running',
    state: '',
    visit: 0,
    visits: {},
    enteredAt: 0,
    facts: {},
    result: {},
    route: 'primary',
    completed: {},
    busEvents: [],
    signals: [],
    signalIds: [],
    attributes: {},
    escalations: [],
    asked: 0,
    approvals: [],
    settledRules: [],
    readOnly: false,
    children: [],
    owed: [],
    continuedAt: 0,
    costMicros: 0,
    effects: 0,
    effectDigests: [],
    attempts: 0,
    repairs: 0,
  };
}
