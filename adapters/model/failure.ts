// Owns: what a failed model call means: MODEL_UNAVAILABLE may pass, MODEL_FAILED is the endpoint's or the model's answer.
import { SignalboxError } from '../../api/errors.ts';

const passing = new Set([408, 409, 425, 429]);

export function modelUnavailable(
  message: string,
  options: { cause?: unknown; retryAfterMs?: number } = {},
): SignalboxError {
  const { cause, retryAfterMs } = options;
  return new SignalboxError('MODEL_UNAVAILABLE', message, {
    ...(cause === undefined ? {} : { cause }),
    ...(retryAfterMs === undefined ? {} : { fields: { retryAfterMs } }),
  });
}

export const modelFailed = (message: string): SignalboxError => new SignalboxError('MODEL_FAILED', message);

/** An HTTP error of the endpoint. `message` must not hold a credential. */
export function statusFailure(status: number, message: string, retryAfterMs?: number): SignalboxError {
  const text = `the model endpoint answered ${status}: ${message.slice(0, 500)}`;
  if (status < 500 && !passing.has(status)) return modelFailed(text);
  return modelUnavailable(text, retryAfterMs === undefined ? {} : { retryAfterMs });
}
