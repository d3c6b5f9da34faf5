// Owns: the facts of a run. The journal is the one truth; everything else is folded from these. An event is never changed
// after release: new meaning is a new type or an optional member.
import type { EscalationAction, Signal } from '../v1alpha1/escalation-policy.ts';
import type { DecisionOption, EscalationSignal } from '../v1alpha1/escalation.ts';
import type { callOutcomes, Effect } from '../v1alpha1/tool.ts';
import type { Attributes, IncomingEvent } from './incoming.ts';
import type { Priority } from './priority.ts';
import type { Assignment } from './rollout.ts';
import type { ChildSummary, FamilyEvent, Freeze, ParentRun, RunOutcome } from './family.ts';

/** Any JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export interface Failure {
  readonly code: string;
  readonly message: string;
}

/** `parent`: a child, started by a state of type workflow or parallel. */
export type RunSource = 'object' | 'http' | 'bus' | 'hook' | 'fallback' | 'schedule' | 'parent';
export type Role = 'planner' | 'executor' | 'verifier';
export type Route = 'primary' | 'backup' | 'specialist';

/**
 * What the gateway says of one model call, tool call or verification. `mac` (HMAC-SHA256 over the canonical rest, hex) is
 * made with a key that workers never see: the engine believes only receipts.
 */
export interface Receipt {
  readonly kind: 'model' | 'tool' | 'verify';
  readonly run: string;
  readonly activity: string;
  readonly attempt: number;
  readonly turn: number;
  /** Model: name of the Model that answered. Tool: name of the Tool. */
  readonly name: string;
  readonly outcome: CallOutcome;
  /** Digest of what was asked: canonical {tool, args}, or of the result that was verified. */
  readonly digest: string;
  readonly at: number;
  readonly elapsedMs: number;
  readonly costMicros?: number;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly confidence?: number;
  readonly effect?: Effect;
  /**
   * True when the call of this turn made the effect; false when an earlier turn or attempt did, and its stored result was
   * returned. It says who; how many there were is counted by distinct digests.
   */
  readonly committed?: boolean;
  /** True when the model's backup answered. */
  readonly backup?: boolean;
  /** Tool: digest of the result that was handed over. */
  readonly result?: string;
  readonly note?: string;
  /** Denied by the permission: the check that said no, such as `taskLacksTool`. */
  readonly check?: string;
  readonly mac: string;
}

export type CallOutcome = (typeof callOutcomes)[number];

export interface ToolCall {
  /** Identity within the turn, as the model gave it. */
  readonly id: string;
  readonly tool: string;
  readonly args: JsonObject;
}

export interface ToolResult extends ToolCall {
  readonly outcome: CallOutcome;
  /** The tool's result, or `{error}`; at most 64 KiB inline, larger ones as `{blob, bytes}`. */
  readonly result: Json;
  readonly receipt?: Receipt;
  /** approvalRequired: which queue, and why. */
  readonly approval?: { readonly queue?: string; readonly question: string; readonly digest: string };
}

/** One model call of an activity with all that came of it. */
export interface Turn {
  /** 1, 2, … within the attempt. */
  readonly turn: number;
  readonly role: Role;
  readonly text?: string;
  readonly calls: readonly ToolCall[];
  readonly results: readonly ToolResult[];
  readonly receipt?: Receipt;
  /** The verifier's or a rule's words that made the executor go again. */
  readonly feedback?: string;
}

export interface Verification {
  readonly approved: boolean;
  readonly rules: readonly { readonly name: string; readonly passed: boolean; readonly message?: string }[];
  readonly model?: { readonly approved: boolean; readonly reason: string; readonly receipt: Receipt };
}

/** What no rule asks about: a run that a newer engine must go on with, and messages that were given up. */
export type NoticeSignal = 'unknownVersion' | 'deadLetter';

export interface EscalationFacts {
  /** `<run>-<n>`, lower case: also the name of the Escalation object is derived from it. */
  readonly id: string;
  readonly signal: EscalationSignal;
  readonly rule?: string;
  readonly action: EscalationAction;
  readonly queue: string;
  readonly question: string;
  readonly evidence: readonly string[];
  readonly proposal?: { readonly tool: string; readonly args: JsonObject };
  /** Of exactly what would be done on approval. */
  readonly digest: string;
  readonly state: string;
  readonly agent?: string;
  readonly deadline: number;
}

interface Base {
  /** Position in the run's history: 1, 2, … */
  readonly seq: number;
  /** Milliseconds since the epoch, by the engine that decided. */
  readonly at: number;
  /** What made it happen; a repeated cause is recognised in folded state. */
  readonly cause: string;
}

export type HistoryEvent = Base &
  (
    | {
        readonly type: 'RunStarted';
        readonly namespace: string;
        readonly workflow: string;
        readonly workflowDigest: string;
        readonly input: JsonObject;
        readonly key?: string;
        readonly requestedBy: string;
        readonly source: RunSource;
        readonly object?: { readonly name: string; readonly uid: string };
        readonly parent?: ParentRun;
        /** A branch: the state it starts in, and the facts it starts with. */
        readonly first?: string;
        readonly facts?: JsonObject;
        /** A child: its share of what was left of its parent's budget. */
        readonly budgetMicros?: number;
        /** Instead of that of the workflow. */
        readonly priority?: Priority;
        /** Nothing happens before this time. */
        readonly startAt?: number;
        /** A child whose parent was read-only. */
        readonly readOnly?: boolean;
        /** Agent → bundle digest: kept to the end. */
        readonly pins: Readonly<Record<string, string>>;
        /** By agent, where a rollout was under way. */
        readonly assignments?: Readonly<Record<string, Assignment>>;
        readonly deadline: number;
      }
    | { readonly type: 'StateEntered'; readonly state: string; readonly visit: number }
    | {
        readonly type: 'ActivityScheduled';
        /** `<state>.<visit>`. */
        readonly activity: string;
        readonly state: string;
        readonly agent: string;
        readonly bundleDigest: string;
        readonly route: Route;
        readonly attempt: number;
        readonly notBefore: number;
        readonly deadline: number;
        readonly reason?: string;
        /** A person had it tried again: attempts and routes count from here. */
        readonly renewed?: boolean;
      }
    /** Journaled before any call with an effect is made: intent before effect. */
    | {
        readonly type: 'TurnProposed';
        readonly activity: string;
        readonly attempt: number;
        readonly turn: Turn;
        readonly worker: string;
      }
    | {
        readonly type: 'TurnCompleted';
        readonly activity: string;
        readonly attempt: number;
        readonly turn: Turn;
        readonly worker: string;
      }
    | {
        readonly type: 'ActivityCompleted';
        readonly activity: string;
        readonly attempt: number;
        readonly result: JsonObject;
        readonly confidence?: number;
        readonly verification: Verification;
        readonly worker: string;
      }
    | {
        readonly type: 'ActivityFailed';
        readonly activity: string;
        readonly attempt: number;
        readonly failure: Failure;
        readonly retryable: boolean;
        readonly worker?: string;
      }
    /** The worker fell silent, or its connection broke, in the middle of the attempt. `lost`: so many in a row, without a turn. */
    | {
        readonly type: 'WorkerLost';
        readonly activity: string;
        readonly attempt: number;
        readonly worker: string;
        readonly lost: number;
      }
    | { readonly type: 'ActivityTimedOut'; readonly activity: string; readonly attempt: number }
    | {
        readonly type: 'Transitioned';
        readonly from: string;
        readonly exit: string;
        readonly to: string;
        readonly guards: readonly { readonly when: string; readonly value?: boolean; readonly error?: string }[];
      }
    | {
        readonly type: 'BusEventReceived';
        readonly id: string;
        readonly subject: string;
        readonly key: string;
        readonly payload: JsonObject;
      }
    | { readonly type: 'WaitElapsed'; readonly state: string; readonly visit: number; readonly timedOut: boolean }
    | {
        readonly type: 'SignalObserved';
        readonly rule: string;
        readonly signal: Signal;
        readonly evidence: readonly string[];
      }
    | { readonly type: 'EscalationOpened'; readonly escalation: EscalationFacts }
    | {
        readonly type: 'EscalationDecided';
        readonly id: string;
        readonly option: DecisionOption;
        readonly by: string;
        readonly reason: string;
        readonly digest: string;
        /** Uid of the Decision object: consumed once. */
        readonly decision: string;
      }
    | { readonly type: 'EscalationExpired'; readonly id: string; readonly next: string }
    | { readonly type: 'EscalationMoved'; readonly id: string; readonly queue: string; readonly deadline: number }
    | {
        readonly type: 'ApprovalConsumed';
        readonly id: string;
        readonly digest: string;
        readonly activity: string;
        readonly attempt: number;
      }
    | { readonly type: 'ReadOnlySet'; readonly rule: string }
    | { readonly type: 'CancelRequested'; readonly by: string; readonly reason: string }
    | { readonly type: 'FallbackRequested'; readonly workflow: string; readonly run: string; readonly reason: string }
    | FamilyEvent
    | IncomingEvent
    | {
        readonly type: 'RunClosed';
        readonly outcome: RunOutcome;
        readonly state: string;
        readonly message: string;
      }
  );

export type HistoryEventType = HistoryEvent['type'];
export type EventOf<T extends HistoryEventType> = Extract<HistoryEvent, { readonly type: T }>;
/** An event before it has its place in the history. */
export type NewEvent = HistoryEvent extends infer E
  ? E extends HistoryEvent
    ? Omit<E, 'seq' | 'at' | 'cause'>
    : never
  : never;

/** One message of the journal: the events of any number of runs, written by one owner. */
export interface CommitRecord {
  /** Schema version of the record. */
  readonly v: 1;
  /** Identity of this commit, to recognise one's own write after a lost acknowledgement. */
  readonly id: string;
  readonly owner: string;
  readonly epoch: number;
  /** Digest of the stored bytes of the record before, empty before the first: a changed or lost record is seen. */
  readonly prev?: string;
  readonly runs: readonly { readonly run: string; readonly events: readonly HistoryEvent[] }[];
}

export type RunStatus = 'Running' | 'Waiting' | 'Frozen' | 'Closed';

/** Projection of one run: bucket `runs`, key `<ns>.<run>`; also what lists and shows answer. */
export interface RunSummary {
  readonly run: string;
  readonly namespace: string;
  readonly workflow: string;
  readonly workflowDigest: string;
  /** Agent → bundle digest: the operator keeps their workers while the run is open. */
  readonly pins?: Readonly<Record<string, string>>;
  readonly key?: string;
  readonly object?: { readonly name: string; readonly uid: string };
  readonly requestedBy: string;
  readonly source: RunSource;
  readonly status: RunStatus;
  readonly state: string;
  readonly outcome?: string;
  /** A sentence: what it is doing or how it ended, and what comes next. */
  readonly message: string;
  readonly costMicros: number;
  /** Calls that made an effect at a tool. */
  readonly effects: number;
  readonly attempts: number;
  readonly repairs: number;
  readonly escalation?: string;
  readonly escalations: number;
  readonly route: Route;
  readonly fallbackRun?: string;
  /** A child: the run that waits for it. */
  readonly parentRun?: string;
  /** The newest children, open ones first. */
  readonly children?: readonly ChildSummary[];
  /** Why nothing moves until somebody resumes the run. */
  readonly frozen?: readonly Freeze[];
  readonly readOnly?: boolean;
  /** The end is decided: what is still to be undone before the run is closed. */
  readonly ending?: { readonly outcome: RunOutcome; readonly message: string; readonly compensations: number };
  readonly startedAt: number;
  readonly priority?: Priority;
  /** It has not begun: it does at this time. */
  readonly startAt?: number;
  readonly attributes?: Attributes;
  /** Signals that no state has taken yet. */
  readonly keptSignals?: number;
  readonly closedAt?: number;
  readonly seq: number;
}

/** Projection of one escalation: bucket `escalations`, key `<ns>.<id>`. */
export interface EscalationRecord {
  readonly namespace: string;
  readonly run: string;
  readonly workflow: string;
  readonly requestedBy: string;
  readonly escalation: EscalationFacts;
  readonly costMicros: number;
  readonly openedAt: number;
  readonly status: 'Open' | 'Decided' | 'Expired' | 'Closed';
  readonly option?: DecisionOption;
  readonly decidedBy?: string;
  readonly reason?: string;
  readonly decidedAt?: number;
}
