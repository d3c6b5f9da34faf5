// Owns: one request to a tool with its credential, its limits and its deadline. What comes back holds no credential.
import type { Json, JsonObject } from '../../api/messages/history.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { durationMs } from '../../core/routing/duration.ts';
import type { ToolReply } from '../../ports/agent.ts';
import type { Admitted } from './admission.ts';
import type { Gateway } from './ports.ts';
import { redact } from './redact.ts';

export interface ToolTarget {
  readonly name: string;
  readonly spec: ToolSpec;
  readonly args: JsonObject;
  readonly idempotencyKey: string;
  /** Nothing is sent after it, and the call is cut off at it. */
  readonly deadline: number;
}

/** Bytes of a result that may travel inline. */
export const inlineMax = 65_536;
const timeoutDefaultMs = 10_000;
const limitWaitMs = 30_000;
const parallelMax = 64;

export const toolTimeoutMs = (spec: ToolSpec): number => durationMs(spec.limits?.timeout, timeoutDefaultMs);
export const resultMax = (spec: ToolSpec): number => Math.min(spec.limits?.maxResultBytes ?? inlineMax, inlineMax);

/** Waits for a place under the tool's limits; undefined when none came free in time. */
export function enterTool(
  gateway: Gateway,
  name: string,
  spec: ToolSpec,
  deadline: number,
): Promise<(() => void) | undefined> {
  const perMinute = spec.limits?.perMinute;
  const limit = { maxParallel: parallelMax, ...(perMinute === undefined ? {} : { perMinute }) };
  return gateway.limits.enter(`tool/${name}`, limit, Math.min(deadline, gateway.clock.now() + limitWaitMs));
}

/** Never rejects. */
export async function requestTool(gateway: Gateway, admitted: Admitted, call: ToolTarget): Promise<ToolReply> {
  const { spec } = call;
  const ref = spec.credential?.secretRef;
  let secret: string | undefined;
  try {
    secret = ref === undefined ? undefined : await gateway.credentials.read(ref);
  } catch (error) {
    return { kind: 'Unreached', error: error instanceof Error ? error.message : 'its credential could not be read' };
  }
  const timeoutMs = call.deadline - gateway.clock.now();
  if (timeoutMs <= 0) return { kind: 'Unreached', error: 'no time was left to call it' };
  const { id, namespace, workflow, key } = admitted.allowed.run;
  const reply = await gateway.tools.call(spec, secret, {
    args: call.args,
    fields: { run: { id, namespace, workflow, ...(key === undefined ? {} : { key }) }, input: admitted.allowed.input },
    idempotencyKey: call.idempotencyKey,
    timeoutMs,
    maxResultBytes: resultMax(spec),
  });
  return reply.kind === 'Done'
    ? { ...reply, result: redact(reply.result, secret) }
    : { ...reply, error: redact(reply.error, secret) };
}

/** The result of an effect that was too large to keep: what it did is done. */
export const truncated = (bytes: number): Json => ({ truncated: true, bytes });
