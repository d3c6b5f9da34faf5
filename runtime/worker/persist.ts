// Owns: asking until an answer comes. Engines, gateways and NATS may be away for a while; what a worker asks is the same ask
// when it is made again, so it is repeated until the activity's deadline.
import { isSignalboxError, passingCodes } from '../../api/errors.ts';
import type { Bus } from '../../ports/bus.ts';
import type { Clock } from '../../ports/system.ts';

export interface Asking {
  readonly bus: Pick<Bus, 'ask'>;
  readonly clock: Clock;
  /** Nobody waits for the answer after this. */
  readonly untilMs: number;
  /** One request; the answer may come to a later one. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const pauseMs = 50;
const pauseMaxMs = 1_000;
const waitedMs = 1_000;

/** Resolves with the first answer that decides something. Rejects with the last passing error at the deadline, or when aborted. */
export async function askUntilAnswered<T extends { readonly kind: string }>(
  asking: Asking,
  subject: string,
  payload: unknown,
): Promise<T> {
  const { bus, clock, untilMs, timeoutMs, signal } = asking;
  for (let tries = 0; ; tries += 1) {
    signal.throwIfAborted();
    const askedAt = clock.now();
    let problem: Error;
    try {
      const timeout = Math.max(1, Math.min(timeoutMs, untilMs - askedAt));
      const reply = await unlessAborted(bus.ask<T>(subject, payload, timeout), signal);
      const code = codeOf(reply);
      if (code === undefined || !passingCodes.has(code) || clock.now() >= untilMs) return reply;
      problem = new Error(code);
    } catch (error) {
      if (!isSignalboxError(error) || !passingCodes.has(error.code)) throw error;
      problem = error;
    }
    // Whoever was heard out for a while is asked again at once; whoever said no at once gets a pause.
    const waited = clock.now() - askedAt >= waitedMs;
    const pause = waited ? 0 : Math.min(pauseMs * 2 ** Math.min(tries, 6), pauseMaxMs);
    if (clock.now() + pause >= untilMs) throw problem;
    await clock.sleep(pause, signal);
  }
}

function codeOf(reply: { readonly kind: string }): string | undefined {
  if (reply.kind !== 'Error') return undefined;
  const { code } = reply as { readonly code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
