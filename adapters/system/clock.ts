// Owns: the machine's time.
import type { Clock } from '../../ports/system.ts';

/** `setTimeout` fires at once above this many milliseconds. */
const TIMER_MAX_MS = 2_147_483_647;

/** Wall clock for `now`, the event loop's timers for `sleep`. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    sleep: (ms, signal) =>
      new Promise<void>((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(signal.reason as Error);
          return;
        }
        const stop = (): void => {
          clearTimeout(timer);
          reject(signal?.reason as Error);
        };
        const timer = setTimeout(
          () => {
            signal?.removeEventListener('abort', stop);
            resolve();
          },
          Math.min(Math.max(ms, 0), TIMER_MAX_MS),
        );
        signal?.addEventListener('abort', stop, { once: true });
      }),
  };
}
