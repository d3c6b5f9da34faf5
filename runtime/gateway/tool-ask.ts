// Owns: a worker's wish to call a tool: admitted, decided, approved where a person must, then made.
import type { ToolAsk, ToolAskReply } from '../../api/messages/asks.ts';
import type { CallOutcome, Json, JsonObject, ToolResult } from '../../api/messages/history.ts';
import type { WorkerIdentity } from '../../api/messages/subjects.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { runVariable } from '../../core/agent/rules.ts';
import { digest as digestOf } from '../../core/canonical/canonical.ts';
import { decide, type PermissionDecision } from '../../core/permission/decide.ts';
import { callDigest } from '../../core/permission/digest.ts';
import { type Admitted, admit, authorize } from './admission.ts';
import { callEffect, ledgerKeyOf } from './effect.ts';
import type { Gateway } from './ports.ts';
import { readTool, type ToolOutcome } from './read-tool.ts';
import { receiptOf } from './receipt.ts';
import { failpoint } from '../../ports/failpoint.ts';

interface ToolCallFacts {
  readonly gateway: Gateway;
  readonly ask: ToolAsk;
  readonly startedAt: number;
  readonly digest: string;
}

interface Answer {
  readonly outcome: CallOutcome;
  readonly result: Json;
  readonly committed?: boolean;
  readonly note?: string;
  readonly check?: string;
  readonly spec?: ToolSpec;
  readonly approval?: ToolResult['approval'];
}

export async function answerToolAsk(gateway: Gateway, worker: WorkerIdentity, ask: ToolAsk): Promise<ToolAskReply> {
  const { run, activity, call } = ask;
  const digest = callDigest({ run, activity, tool: call.tool, args: call.args });
  const facts: ToolCallFacts = { gateway, ask, startedAt: gateway.clock.now(), digest };
  const asked = { kind: 'tool' as const, tool: call.tool, digest };
  const admitted = await admit(gateway, worker, ask, asked);
  if ('kind' in admitted) return refused(facts, admitted);
  const decision = permissionOf(admitted, call);
  const spec = admitted.bundle.tools[call.tool]?.spec;
  if (decision.kind === 'Deny' || spec === undefined) {
    const why = decision.kind === 'Deny' ? decision : { check: 'bundleLacksTool', message: 'the tool is unknown' };
    const { message } = why;
    gateway.log.info('call denied', { run, agent: worker.agent, tool: call.tool, reason: message });
    if (spec !== undefined && spec.effect !== 'read' && isProposed(facts, admitted)) {
      return make(facts, admitted, { spec, denied: why });
    }
    return denied(facts, { ...why, spec });
  }
  const checked = gateway.schemas.check(
    admitted.bundle.tools[call.tool]?.digest ?? '',
    spec.input as JsonObject,
    call.args,
  );
  if (!checked.ok) {
    return reply(facts, { outcome: 'error', result: { error: `arguments do not fit: ${checked.message}` }, spec });
  }
  if (decision.kind === 'Recommend') {
    return reply(facts, { outcome: 'recommended', result: { recommended: true }, spec });
  }
  const stopped = await clear(facts, admitted, { spec, decision });
  if (stopped !== undefined) return stopped;
  failpoint('gateway.call.cleared');
  return make(facts, admitted, { spec });
}

/** Another copy of this ask may have been permitted: when the run was not read-only yet, or its budget not spent. */
const isProposed = ({ ask, digest }: ToolCallFacts, { allowed }: Admitted): boolean =>
  allowed.turns
    .find(({ turn }) => turn === ask.turn)
    ?.calls.some(({ tool, args }) => callDigest({ run: ask.run, activity: ask.activity, tool, args }) === digest) ??
  false;

interface Denial {
  readonly message: string;
  /** Of the permission; absent: the engine or the ledger said no. */
  readonly check?: string | undefined;
  readonly spec?: ToolSpec | undefined;
}

const denied = (facts: ToolCallFacts, { message, check, spec }: Denial): ToolAskReply =>
  reply(facts, {
    outcome: 'denied',
    result: { error: message },
    note: message,
    ...(check === undefined ? {} : { check }),
    ...(spec === undefined ? {} : { spec }),
  });

function permissionOf(admitted: Admitted, call: ToolAsk['call']): PermissionDecision {
  const { agent, bundle, allowed, budgetLeftMicros } = admitted;
  return decide({
    agent,
    bundle,
    task: allowed,
    state: allowed.state,
    tool: call.tool,
    args: call.args,
    run: runVariable({ ...allowed.run, state: allowed.state }),
    input: allowed.input,
    facts: allowed.facts,
    ...(budgetLeftMicros === undefined ? {} : { budgetLeftMicros }),
  });
}

/**
 * What stands between a permitted call and making it: an effect must have been proposed in the journal, and a person's
 * approval must be there and is consumed. A call that is in the ledger already was cleared when it was opened.
 */
async function clear(
  facts: ToolCallFacts,
  admitted: Admitted,
  given: { readonly spec: ToolSpec; readonly decision: PermissionDecision },
): Promise<ToolAskReply | undefined> {
  const { gateway, ask, digest } = facts;
  const { spec, decision } = given;
  const effectful = spec.effect !== 'read';
  const needed = decision.kind === 'NeedsApproval' && !(effectful && (await isOpened(facts)));
  if (!effectful && !needed) return undefined;
  const answer = await authorize(gateway, admitted.worker, admitted.target, {
    kind: 'tool',
    tool: ask.call.tool,
    digest,
    effectful,
    approvalNeeded: needed,
  });
  if (answer.kind === 'Refused') return refused(facts, answer);
  if (decision.kind !== 'NeedsApproval' || !needed || answer.approval === 'consumed') return undefined;
  const { queue, question } = decision;
  const approval = { question, digest, ...(queue === undefined ? {} : { queue }) };
  return reply(facts, { outcome: 'approvalRequired', result: { error: question }, note: question, spec, approval });
}

async function isOpened({ gateway, ask, digest }: ToolCallFacts): Promise<boolean> {
  const { entry } = await gateway.ledger.read(ledgerKeyOf(gateway, ask.run, digest));
  return entry !== undefined && entry.state !== 'refused';
}

async function make(
  facts: ToolCallFacts,
  admitted: Admitted,
  { spec, denied: why }: { readonly spec: ToolSpec; readonly denied?: Denial },
): Promise<ToolAskReply> {
  const { gateway, ask, digest } = facts;
  const target = {
    name: ask.call.tool,
    spec,
    args: ask.call.args,
    idempotencyKey: digest.replace(/^sha256:/, ''),
    digest,
    ...(why === undefined ? {} : { denied: why.message }),
  };
  const outcome =
    spec.effect === 'read' ? await readTool(gateway, admitted, target) : await callEffect(gateway, admitted, target);
  if (outcome.kind === 'Denied') return denied(facts, { message: outcome.message, check: why?.check, spec });
  return outcomeReply(facts, spec, outcome);
}

function outcomeReply(
  facts: ToolCallFacts,
  spec: ToolSpec,
  outcome: Exclude<ToolOutcome, { kind: 'Denied' }>,
): ToolAskReply {
  switch (outcome.kind) {
    case 'Ok': {
      const { result, committed, note } = outcome;
      return reply(facts, {
        outcome: 'ok',
        result,
        spec,
        ...(committed === undefined ? {} : { committed }),
        ...(note === undefined ? {} : { note }),
      });
    }
    case 'Error':
      return reply(facts, { outcome: 'error', result: { error: outcome.error }, spec, note: outcome.error });
    case 'Ambiguous':
      return reply(facts, { outcome: 'ambiguous', result: { error: outcome.reason }, spec, note: outcome.reason });
    case 'Unavailable':
      facts.gateway.counted.call({ kind: 'tool', outcome: 'unavailable' });
      return { kind: 'Error', code: outcome.code, message: outcome.message, retryable: true };
  }
}

/** The engine's no. A denial is an answer to the model; anything else (stale, unknown run) ends the worker's attempt. */
function refused(facts: ToolCallFacts, answer: { readonly code: string; readonly message: string }): ToolAskReply {
  if (answer.code !== 'DENIED') return { kind: 'Error', code: answer.code, message: answer.message, retryable: false };
  return denied(facts, { message: answer.message });
}

function reply({ gateway, ask, startedAt, digest }: ToolCallFacts, answer: Answer): ToolAskReply {
  const { outcome, result, committed, note, check, spec, approval } = answer;
  const receipt = receiptOf(gateway, ask, startedAt, {
    kind: 'tool',
    name: ask.call.tool,
    outcome,
    digest,
    result: digestOf(result),
    ...(spec === undefined ? {} : { effect: spec.effect }),
    ...(committed === undefined ? {} : { committed }),
    ...(note === undefined ? {} : { note }),
    ...(check === undefined ? {} : { check }),
  });
  const { id, tool, args } = ask.call;
  return {
    kind: 'Result',
    result: { id, tool, args, outcome, result, receipt, ...(approval === undefined ? {} : { approval }) },
  };
}
