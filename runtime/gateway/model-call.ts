// Owns: one logical model call: which Model, how often, with which credential, and what it cost.
import { isSignalboxError } from '../../api/errors.ts';
import type { JsonObject, Role } from '../../api/messages/history.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import { costMicros } from '../../core/routing/cost.ts';
import { durationMs } from '../../core/routing/duration.ts';
import { type FailedTry, nextTry } from '../../core/routing/route.ts';
import type { ModelReply, ModelRequest } from '../../ports/agent.ts';
import type { Admitted } from './admission.ts';
import type { Gateway } from './ports.ts';
import { redact } from './redact.ts';
import { failpoint } from '../../ports/failpoint.ts';

export interface ModelCall {
  readonly role: Role;
  readonly messages: ModelRequest['messages'];
  readonly tools: ModelRequest['tools'];
  readonly functions?: Readonly<Record<string, string>>;
  readonly output?: JsonObject;
  readonly script: JsonObject;
  readonly idempotencyKey: string;
}

export type ModelOutcome =
  | {
      readonly kind: 'Answered';
      readonly reply: ModelReply;
      readonly model: string;
      readonly costMicros: number;
      readonly backup: boolean;
      readonly note?: string;
    }
  | { readonly kind: 'Failed'; readonly code: string; readonly message: string; readonly retryable: boolean };

const timeoutDefaultMs = 60_000;
const maxParallelDefault = 32;

export async function callModel(gateway: Gateway, admitted: Admitted, call: ModelCall): Promise<ModelOutcome> {
  const { clock } = gateway;
  const { bundle, allowed } = admitted;
  const failed: FailedTry[] = [];
  for (;;) {
    const step = nextTry(bundle.spec, call.role, failed);
    if (step.kind === 'GiveUp') return { ...step, kind: 'Failed' };
    if (clock.now() + step.afterMs >= allowed.deadline) {
      const message = failed.at(-1)?.message ?? 'the activity has no time left';
      return { kind: 'Failed', code: 'TIMEOUT', message, retryable: true };
    }
    await clock.sleep(step.afterMs);
    const spec = bundle.models[step.model]?.spec;
    if (spec === undefined) {
      const message = `bundle "${bundle.name}" has no resolved Model "${step.model}"`;
      return { kind: 'Failed', code: 'MODEL_FAILED', message, retryable: false };
    }
    const logprobs = bundle.spec.policy?.confidenceFrom === 'logprobs';
    const candidate = { name: step.model, spec, deadline: allowed.deadline, logprobs };
    failpoint('gateway.model.before');
    const tried = await tryModel(gateway, candidate, call);
    failpoint('gateway.model.answered');
    if ('code' in tried) {
      gateway.log.warn('model call failed', { ...tried, run: admitted.target.run });
      failed.push(tried);
      continue;
    }
    const cost = costMicros(spec.prices, tried);
    await book(gateway, admitted, step.model, cost);
    const note = step.note === undefined ? {} : { note: step.note };
    return { kind: 'Answered', reply: tried, model: step.model, costMicros: cost, backup: step.backup, ...note };
  }
}

interface Candidate {
  readonly name: string;
  readonly spec: ModelSpec;
  readonly deadline: number;
  readonly logprobs: boolean;
}

async function tryModel(gateway: Gateway, model: Candidate, call: ModelCall): Promise<ModelReply | FailedTry> {
  const { limits, clock, credentials } = gateway;
  const { name, spec, deadline } = model;
  const limit = {
    maxParallel: spec.limits?.maxParallel ?? maxParallelDefault,
    ...(spec.limits?.requestsPerMinute === undefined ? {} : { perMinute: spec.limits.requestsPerMinute }),
  };
  const release = await limits.enter(`model/${name}`, limit, Math.min(deadline, clock.now() + 30_000));
  if (release === undefined) return failedTry(name, 'MODEL_UNAVAILABLE', `model "${name}" is at its limit`);
  let secret: string | undefined;
  try {
    const ref = spec.endpoint?.secretRef;
    secret = ref === undefined ? undefined : await credentials.read(ref);
    const reply = await gateway.model.ask(spec, secret, {
      messages: call.messages,
      tools: call.tools,
      ...(call.functions === undefined ? {} : { functions: call.functions }),
      ...(call.output === undefined ? {} : { output: call.output }),
      logprobs: model.logprobs,
      timeoutMs: Math.max(1, Math.min(durationMs(spec.limits?.timeout, timeoutDefaultMs), deadline - clock.now())),
      idempotencyKey: call.idempotencyKey,
      script: call.script,
    });
    return redactReply(reply, secret);
  } catch (error) {
    return failure(name, error, secret);
  } finally {
    release();
  }
}

function redactReply(reply: ModelReply, secret: string | undefined): ModelReply {
  if (secret === undefined) return reply;
  return {
    ...reply,
    text: redact(reply.text, secret),
    calls: reply.calls.map((call) => ({ ...call, args: redact(call.args, secret) })),
  };
}

function failure(model: string, error: unknown, secret: string | undefined): FailedTry {
  const text = redact(error instanceof Error ? error.message : 'unknown failure', secret);
  if (isSignalboxError(error, 'MODEL_UNAVAILABLE')) {
    const { retryAfterMs } = error.fields;
    const tried = failedTry(model, 'MODEL_UNAVAILABLE', text);
    return typeof retryAfterMs === 'number' ? { ...tried, retryAfterMs } : tried;
  }
  // A Secret may be created, or mounted, a little later.
  return failedTry(model, isSignalboxError(error, 'NOT_FOUND') ? 'MODEL_UNAVAILABLE' : 'MODEL_FAILED', text);
}

const failedTry = (model: string, code: FailedTry['code'], message: string): FailedTry => ({ model, code, message });

/** S1 of spend.ts. What cannot be written now is written before the account is read again. */
async function book(
  { counted, spend, log }: Gateway,
  admitted: Admitted,
  model: string,
  micros: number,
): Promise<void> {
  counted.cost({ model }, micros);
  try {
    await spend.add(admitted.accounts, micros);
  } catch (error) {
    log.warn('the cost of a model call is counted later', { run: admitted.target.run, micros, error });
  }
}
