// Owns: what workers may ask. A worker is not trusted: every ask is parsed here, and its identity comes from the subject.
import { z } from 'zod';
import { callOutcomes } from '../v1alpha1/tool.ts';
import type { AgentSnapshot } from './catalog.ts';
import type { Priority } from './priority.ts';
import type { Assignment } from './rollout.ts';
import type { FreezeSource, Owed, ParentRun, RunOutcome } from './family.ts';
import type { Json, JsonObject, Receipt, RunSource, RunSummary, ToolResult, Turn, Verification } from './history.ts';

const runId = z.string().regex(/^[0-9A-Za-z]{1,64}$/);
const activityId = z.string().min(1).max(80);
const keyMax = 256;
/** Levels of objects and lists in one value: what folds, packs and digests it later goes through it level by level. */
const levelsMax = 128;
/** A message was read from JSON, so that its values are JSON values: checking each of them again took a millisecond for 500. */
const json = z.custom<Json>(
  (value) => value !== undefined && levelsWithin(value, levelsMax),
  `expected a JSON value of at most ${levelsMax} levels`,
);
const jsonObject = z.custom<JsonObject>(
  (value) => isPlainObject(value) && levelsWithin(value, levelsMax),
  `expected a JSON object of at most ${levelsMax} levels, with keys of at most ${keyMax} characters`,
);

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.keys(value).every((key) => key.length <= keyMax && key !== '__proto__');
}

function levelsWithin(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (levels === 0) return false;
  const members: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  return members.every((member) => levelsWithin(member, levels - 1));
}

const target = { run: runId, activity: activityId, attempt: z.int().min(1).max(1000) };
const toolCall = z.object({ id: z.string().max(128), tool: z.string().max(64), args: jsonObject });
const receipt = z.custom<Receipt>((value) => typeof value === 'object' && value !== null && 'mac' in value);
const toolResult = toolCall.extend({
  outcome: z.enum(callOutcomes),
  result: json,
  receipt: receipt.optional(),
  approval: z
    .object({ queue: z.string().max(63).optional(), question: z.string().max(2048), digest: z.string().max(80) })
    .optional(),
}) as unknown as z.ZodType<ToolResult>;
const turn = z.object({
  turn: z.int().min(1).max(256),
  role: z.enum(['planner', 'executor', 'verifier']),
  text: z.string().max(65_536).optional(),
  calls: z.array(toolCall).max(64),
  results: z.array(toolResult).max(64),
  receipt: receipt.optional(),
  feedback: z.string().max(8192).optional(),
}) as unknown as z.ZodType<Turn>;

/** `free`: slots of the worker that have nothing to do; so many tasks are worth publishing. */
const free = z.int().min(0).max(10_000).optional();

/** `present`: the worker listens to `presenceSubject`, so the loss of its connection can be seen. */
const present = z.boolean().optional();

export const claimAsk = z.object({ ...target, worker: z.string().max(253), free, present });
/** `proposed: true`: the calls are about to be made; answered after the commit. */
export const turnAsk = z.object({ ...target, worker: z.string().max(253), proposed: z.boolean(), turn });
export const completeAsk = z.object({
  ...target,
  worker: z.string().max(253),
  free,
  present,
  /** The slot may go on at once: the answer may carry its next work. */
  more: z.boolean().optional(),
  result: jsonObject,
  confidence: z.number().min(0).max(1).optional(),
  verification: z.custom<Verification>((value) => typeof value === 'object' && value !== null && 'approved' in value),
});
export const failAsk = z.object({
  ...target,
  worker: z.string().max(253),
  failure: z.object({ code: z.string().max(64), message: z.string().max(2048) }),
  retryable: z.boolean(),
});
export const heartbeatAsk = z.object({ ...target, worker: z.string().max(253), free, present });

export type TurnAsk = z.infer<typeof turnAsk>;
export type CompleteAsk = z.infer<typeof completeAsk>;
export type FailAsk = z.infer<typeof failAsk>;
export type HeartbeatAsk = z.infer<typeof heartbeatAsk>;

/** What a message of the task stream holds: a hint where to ask. */
export interface TaskHint {
  readonly run: string;
  readonly activity: string;
  readonly attempt: number;
  readonly partition: number;
}

/** Everything a worker needs to go on with an activity. */
export interface Work {
  readonly kind: 'Work';
  readonly run: {
    readonly id: string;
    readonly namespace: string;
    readonly workflow: string;
    readonly key?: string;
  };
  readonly state: string;
  readonly activity: string;
  readonly attempt: number;
  readonly route: string;
  readonly goal: string;
  readonly input: JsonObject;
  readonly facts: JsonObject;
  readonly output?: JsonObject;
  readonly tools?: readonly string[];
  readonly readOnly: boolean;
  readonly deadline: number;
  readonly turns: readonly Turn[];
  /** The answers of people to escalations of this activity, newest last. */
  readonly decisions: readonly { readonly digest: string; readonly option: string; readonly reason: string }[];
}

/** Work, or why there is nothing to do. */
export type ClaimReply =
  Work | { readonly kind: 'Stale'; readonly message: string } | { readonly kind: 'Busy'; readonly message: string };

/** Answer to turn, complete, fail, heartbeat. `stop`: the run waits for a person, moved on or ended: let go of it. */
export type ReportReply =
  /** `next`: claimed for this worker already; it goes on with it in the same slot. */
  | { readonly kind: 'Go'; readonly next?: Work }
  | { readonly kind: 'Stop'; readonly message: string }
  | { readonly kind: 'Repair'; readonly feedback: string }
  | { readonly kind: 'Error'; readonly code: string; readonly message: string };

const message = z.object({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.string().max(262_144),
  calls: z.array(toolCall).max(64).optional(),
  callId: z.string().max(128).optional(),
});

/** The gateway adds the prompt of the role itself: a worker cannot change a prompt, only the conversation after it. */
export const modelAsk = z.object({
  ...target,
  turn: z.int().min(1).max(256),
  role: z.enum(['planner', 'executor']),
  messages: z.array(message).max(512),
  /** Ask for the final answer in the shape of the task's output schema: no tools are offered. */
  final: z.boolean().optional(),
  feedback: z.string().max(8192).optional(),
});
export const toolAsk = z.object({ ...target, turn: z.int().min(1).max(256), call: toolCall });
export const verifyAsk = z.object({ ...target, turn: z.int().min(1).max(256), result: jsonObject });
export type ModelAsk = z.infer<typeof modelAsk>;
export type ToolAsk = z.infer<typeof toolAsk>;
export type VerifyAsk = z.infer<typeof verifyAsk>;
export type ChatMessage = z.infer<typeof message>;

export type ModelAskReply =
  | {
      readonly kind: 'Reply';
      readonly text: string;
      /** `problem`: no such tool was offered, or the arguments could not be read: the call is answered with it, not made. */
      readonly calls: readonly { id: string; tool: string; args: JsonObject; problem?: string }[];
      readonly confidence?: number;
      readonly receipt: Receipt;
    }
  | { readonly kind: 'Error'; readonly code: string; readonly message: string; readonly retryable: boolean };
export type ToolAskReply =
  | { readonly kind: 'Result'; readonly result: ToolResult }
  | { readonly kind: 'Error'; readonly code: string; readonly message: string; readonly retryable: boolean };
export type VerifyAskReply =
  | { readonly kind: 'Verdict'; readonly approved: boolean; readonly reason: string; readonly receipt: Receipt }
  | { readonly kind: 'Error'; readonly code: string; readonly message: string; readonly retryable: boolean };

/** CONTROL: the gateway asks the run's engine before each call. The engine's answer is folded state, never the worker's word. */
export interface AuthorizeRequest {
  readonly run: string;
  readonly namespace: string;
  readonly agent: string;
  readonly bundle: string;
  readonly activity: string;
  readonly attempt: number;
  readonly turn: number;
  readonly kind: 'model' | 'tool' | 'verify';
  readonly tool?: string;
  /** Digest of canonical {run, activity, tool, args}: what an approval binds to. */
  readonly digest?: string;
  /** True when the call has an effect: it must have been proposed in the journal. */
  readonly effectful?: boolean;
  /** True when permission, approvalWhen or highRisk demands a person: an unconsumed decision is consumed, durably, before the answer. */
  readonly approvalNeeded?: boolean;
}
export type AuthorizeReply =
  | {
      readonly kind: 'Allowed';
      readonly run: {
        readonly id: string;
        readonly namespace: string;
        readonly workflow: string;
        readonly key?: string;
        readonly requestedBy: string;
      };
      readonly bundleDigest: string;
      readonly state: string;
      readonly goal: string;
      readonly output?: JsonObject;
      readonly tools?: readonly string[];
      readonly readOnly: boolean;
      readonly highRisk: boolean;
      readonly override?: string;
      readonly input: JsonObject;
      readonly facts: JsonObject;
      /** What is left of the run's budget; absent: unlimited. */
      readonly budgetLeftMicros?: number;
      /** What its own calls have cost, as reported; those of its children are not among them. Absent: 0. */
      readonly spentMicros?: number;
      readonly deadline: number;
      readonly approval: 'notNeeded' | 'consumed' | 'absent';
      /** The journal has the effect of exactly this call. Absent: it has not. */
      readonly acted?: boolean;
      readonly turns: readonly Turn[];
    }
  | { readonly kind: 'Refused'; readonly code: string; readonly message: string };

/** CONTROL: what is asked of a partition's owner. */
export interface StartRequest {
  readonly run: string;
  readonly namespace: string;
  readonly workflow: string;
  readonly input: JsonObject;
  readonly key?: string;
  readonly requestedBy: string;
  readonly source: RunSource;
  readonly object?: { readonly name: string; readonly uid: string };
  readonly parent?: ParentRun;
  /** A branch: the version, the bundles, the first state and the facts of its parent. */
  readonly branch?: {
    readonly workflowDigest: string;
    readonly pins: Readonly<Record<string, string>>;
    readonly assignments?: Readonly<Record<string, Assignment>>;
    readonly first: string;
    readonly facts: JsonObject;
  };
  readonly budgetMicros?: number;
  readonly priority?: Priority;
  /** Milliseconds since the epoch: nothing happens before. */
  readonly startAt?: number;
  /** A child whose parent is read-only. */
  readonly readOnly?: boolean;
}
/** The owner of a parent to the owner of a child, again and again until the child is closed. */
export interface ChildRequest {
  /** Running: started, or resumed. Frozen: only if it exists. Cancelled: also one that does not exist yet. */
  readonly want: 'Running' | 'Frozen' | 'Cancelled';
  readonly start: StartRequest;
  readonly by: string;
  readonly reason: string;
}
export type ChildReport =
  /** It was never started. */
  | { readonly kind: 'Absent' }
  | { readonly kind: 'Open' }
  | {
      readonly kind: 'Closed';
      readonly outcome: RunOutcome;
      readonly message: string;
      readonly costMicros: number;
      readonly effects: number;
      readonly result: JsonObject;
      readonly owed: readonly Owed[];
      readonly workflowDigest: string;
    };
/** Of a child's end to its parent: what was found out by asking the child's owner. */
export interface ChildClosedRequest {
  readonly namespace: string;
  readonly run: string;
  readonly child: string;
  readonly report: ChildReport;
}
/** The owner of a closed child to the owner of its parent, until that knows: no proof, a reason to ask. */
export interface ChildHint {
  readonly namespace: string;
  readonly run: string;
  readonly child: string;
}
export interface FreezeRequest {
  readonly namespace: string;
  readonly run: string;
  readonly source: FreezeSource;
  readonly by: string;
  readonly reason: string;
}
export interface ReadOnlyRequest {
  readonly namespace: string;
  readonly run: string;
  readonly readOnly: boolean;
  readonly by: string;
  readonly reason: string;
}
export interface DecideRequest {
  readonly namespace: string;
  readonly run: string;
  readonly escalation: string;
  /** The queue in which `by` was found entitled to answer. */
  readonly queue: string;
  readonly option: 'approve' | 'reject';
  readonly by: string;
  readonly reason: string;
  readonly digest: string;
  readonly decision: string;
}
export interface CancelRequest {
  readonly namespace: string;
  readonly run: string;
  readonly by: string;
  readonly reason: string;
}
export interface DeliverRequest {
  /** When it came, where it was kept for a wait that begins later. */
  readonly at?: number;
  readonly namespace: string;
  readonly id: string;
  readonly subject: string;
  readonly key: string;
  readonly payload: JsonObject;
}
/** Answered when the run has ended, or (`after`) when it has facts beyond that event; at the latest after `waitMs`. */
export interface AwaitRequest {
  readonly run: string;
  readonly namespace: string;
  readonly waitMs: number;
  readonly after?: number;
}
/** `facts`: what an ended run came to, when it is small enough for one message. */
export type AwaitedRun = RunSummary & { readonly facts?: JsonObject };
/** Every engine verb answers with a result or a coded error. */
export type EngineReply<T> =
  | { readonly ok: true; readonly result: T }
  | {
      readonly ok: false;
      readonly code: string;
      readonly message: string;
      /** When it is worth asking again. */
      readonly retryAfterMs?: number;
    };

export type { AgentSnapshot };
