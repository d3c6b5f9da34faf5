// Owns: may this call be made? Default deny; the first check that has something to say decides.
//   P1: what the ceiling (read live), the bundle (pinned) or the task does not name is denied: each can only narrow.
//   P2: a condition that cannot be evaluated counts as met, so a broken approveWhen asks a person instead of acting.
//   P3: total: it answers for any arguments and never throws.
import type { AgentSnapshot, ResolvedBundle } from '../../api/messages/catalog.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import type { Permission } from '../../api/v1alpha1/agent.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { canonicalJson } from '../canonical/canonical.ts';
import { evaluateBoolean } from '../cel/cel.ts';

/** How the run and the task narrow what the agent may do. */
export interface Narrowing {
  /** The task's tools; absent: all of the bundle. */
  readonly tools?: readonly string[];
  /** Of the task, or of the run after an escalation. */
  readonly readOnly: boolean;
  readonly highRisk: boolean;
  /** Queue that approves when highRisk. */
  readonly override?: string;
}

/** What a permission is decided from: all of it folded state or catalog, nothing claimed by the worker but tool and args. */
export interface Proposal {
  readonly agent: AgentSnapshot | undefined;
  readonly bundle: ResolvedBundle;
  readonly task: Narrowing;
  readonly state: string;
  readonly tool: string;
  readonly args: JsonObject;
  readonly run: JsonObject;
  readonly input: JsonObject;
  readonly facts: JsonObject;
  /** What is left of the smallest budget; absent: unlimited. */
  readonly budgetLeftMicros?: number;
}

export type PermissionDecision =
  | { readonly kind: 'Allow' }
  | { readonly kind: 'Deny'; readonly code: 'DENIED'; readonly check: string; readonly message: string }
  | { readonly kind: 'NeedsApproval'; readonly check: string; readonly queue?: string; readonly question: string }
  | { readonly kind: 'Recommend' };

interface Granted extends Proposal {
  readonly spec: ToolSpec;
  readonly permission: Permission;
}

/** Characters of the question a person is asked. */
const questionMax = 2_000;

const deny = (check: string, message: string): PermissionDecision => ({ kind: 'Deny', code: 'DENIED', check, message });

/** Ordered; the name is the fact that a check finds. */
const checks: readonly (readonly [string, (call: Granted, check: string) => PermissionDecision | undefined])[] = [
  ['modeReadForbidsEffect', modeReadForbidsEffect],
  ['runIsReadOnly', runIsReadOnly],
  ['budgetIsSpent', budgetIsSpent],
  ['modeIsRecommendOnly', (call) => (call.permission.mode === 'recommendOnly' ? { kind: 'Recommend' } : undefined)],
  ['taskIsHighRisk', taskIsHighRisk],
  ['modeIsApprove', modeIsApprove],
  ['approveWhenHolds', approveWhenHolds],
];

/** Decides one call. */
export function decide(proposal: Proposal): PermissionDecision {
  const granted = grant(proposal);
  if ('kind' in granted) return granted;
  for (const [name, check] of checks) {
    const decision = check(granted, name);
    if (decision !== undefined) return decision;
  }
  return { kind: 'Allow' };
}

/** The tool's contract and the agent's permission, or why the call is outside the grant. */
function grant(proposal: Proposal): Granted | PermissionDecision {
  const { agent, bundle, task, tool } = proposal;
  const subject = `agent "${bundle.agent}" may not call tool "${tool}"`;
  if (agent === undefined || agent.name !== bundle.agent) {
    return deny('agentIsUnknown', `${subject}: no such agent is known; apply the Agent or wait until it is Ready`);
  }
  const spec = Object.hasOwn(bundle.tools, tool) ? bundle.tools[tool]?.spec : undefined;
  if (spec === undefined || !bundle.spec.tools.includes(tool)) {
    return deny('bundleLacksTool', `${subject}: bundle "${bundle.name}" has only ${list(bundle.spec.tools)}`);
  }
  const permission = agent.permissions.find((candidate) => candidate.tool === tool);
  if (permission === undefined) {
    const names = agent.permissions.map((candidate) => candidate.tool);
    return deny('ceilingLacksTool', `${subject}: spec.permissions of the Agent lists only ${list(names)}`);
  }
  if (task.tools !== undefined && !task.tools.includes(tool)) {
    return deny('taskLacksTool', `${subject} in state "${proposal.state}": its tools are ${list(task.tools)}`);
  }
  return { ...proposal, spec, permission };
}

function modeReadForbidsEffect({ permission, spec, tool }: Granted, check: string): PermissionDecision | undefined {
  if (permission.mode !== 'read' || spec.effect === 'read') return undefined;
  return deny(check, `tool "${tool}" has effect ${spec.effect}, and the permission's mode is read`);
}

function runIsReadOnly({ task, spec, tool, state }: Granted, check: string): PermissionDecision | undefined {
  if (!task.readOnly || spec.effect === 'read') return undefined;
  return deny(check, `tool "${tool}" has effect ${spec.effect}, and state "${state}" is read-only`);
}

function budgetIsSpent({ budgetLeftMicros }: Granted, check: string): PermissionDecision | undefined {
  if (budgetLeftMicros === undefined || budgetLeftMicros > 0) return undefined;
  return deny(check, 'budget: nothing is left of the budget of the run or the agent');
}

function taskIsHighRisk(call: Granted, check: string): PermissionDecision | undefined {
  if (!call.task.highRisk || call.spec.effect === 'read') return undefined;
  return approval(call, check, `state "${call.state}" is high-risk`, call.task.override ?? call.permission.queue);
}

function modeIsApprove(call: Granted, check: string): PermissionDecision | undefined {
  if (call.permission.mode !== 'approve') return undefined;
  return approval(call, check, "the permission's mode is approve", call.permission.queue);
}

function approveWhenHolds(call: Granted, check: string): PermissionDecision | undefined {
  const { approveWhen, queue } = call.permission;
  if (approveWhen === undefined) return undefined;
  const { args, input, facts, run } = call;
  const held = evaluateBoolean(approveWhen, { args, input, facts, run });
  if (held.ok && !held.value) return undefined;
  const why = held.ok ? `approveWhen holds: ${approveWhen}` : `approveWhen could not be evaluated: ${held.message}`;
  return approval(call, check, why, queue);
}

function approval(call: Granted, check: string, why: string, queue: string | undefined): PermissionDecision {
  const question = `Agent "${call.bundle.agent}" wants to call ${call.tool} (${call.spec.effect}) with ${shown(call.args)}: ${why}`;
  return {
    kind: 'NeedsApproval',
    check,
    question: question.slice(0, questionMax),
    ...(queue === undefined ? {} : { queue }),
  };
}

/** The arguments as the bytes that would be sent, never as the model's words. */
function shown(args: JsonObject): string {
  try {
    return canonicalJson(args);
  } catch {
    return 'arguments that are no JSON';
  }
}

const list = (names: readonly string[]): string => (names.length === 0 ? 'no tools' : names.join(', '));
