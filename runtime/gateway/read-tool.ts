// Owns: calls without effect. Repeating one is harmless, so a failure that may pass is tried again, a bounded number of times.
import type { Json } from '../../api/messages/history.ts';
import type { Admitted } from './admission.ts';
import type { Gateway } from './ports.ts';
import { enterTool, requestTool, resultMax, type ToolTarget, toolTimeoutMs } from './tool-call.ts';

export type ToolOutcome =
  | { readonly kind: 'Ok'; readonly result: Json; readonly committed?: boolean; readonly note?: string }
  | { readonly kind: 'Error'; readonly error: string }
  | { readonly kind: 'Denied'; readonly message: string }
  | { readonly kind: 'Ambiguous'; readonly reason: string }
  | { readonly kind: 'Unavailable'; readonly code: 'TOOL_UNAVAILABLE' | 'TIMEOUT'; readonly message: string };

const triesMax = 3;
const backoffMs = 200;
const backoffMaxMs = 5_000;

export async function readTool(
  gateway: Gateway,
  admitted: Admitted,
  call: Omit<ToolTarget, 'deadline'>,
): Promise<ToolOutcome> {
  const { clock } = gateway;
  const { name, spec } = call;
  let last = '';
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const release = await enterTool(gateway, name, spec, admitted.allowed.deadline);
    if (release === undefined) return unavailable(`tool "${name}" is at its limit (limits.perMinute)`);
    const deadline = Math.min(admitted.allowed.deadline, clock.now() + toolTimeoutMs(spec));
    const reply = await requestTool(gateway, admitted, { ...call, deadline }).finally(release);
    if (reply.kind === 'Done') {
      if (reply.truncatedBytes === undefined) return { kind: 'Ok', result: reply.result };
      const error = `ResultTooLarge: ${reply.truncatedBytes} bytes, allowed are ${resultMax(spec)}; ask for less`;
      return { kind: 'Error', error };
    }
    if (reply.kind === 'Refused') return { kind: 'Error', error: reply.error };
    last = reply.error;
    const wanted = reply.kind === 'Unreached' ? reply.retryAfterMs : undefined;
    const pause = Math.min(wanted ?? backoffMs * 4 ** (tries - 1), backoffMaxMs);
    if (tries === triesMax || clock.now() + pause >= admitted.allowed.deadline) break;
    await clock.sleep(pause);
  }
  return unavailable(`tool "${name}" ${last}`);
}

const unavailable = (message: string): ToolOutcome => ({ kind: 'Unavailable', code: 'TOOL_UNAVAILABLE', message });
