// Owns: calls per minute over all gateways of the namespace: one entry per tool or model in a bucket, changed by compare-and-set.
//   R1: no call without a grant that is written. When the bucket cannot be reached nothing is granted: calls wait, then are refused.
//   R2: one question at a time per name; whoever waits meanwhile is asked for together, first come, first served.
import { buckets } from '../../api/messages/subjects.ts';
import { grantCalls, type MinuteCount } from '../../core/limits/minute.ts';
import { Line } from '../../core/dispatch/line.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import type { Clock, Log } from '../../ports/system.ts';

export interface Rate {
  /** Resolves true when one call may be made now, false when none could before `untilMs`. */
  take(name: string, perMinute: number, untilMs: number): Promise<boolean>;
}

export interface RateOptions {
  readonly bus: Pick<Bus, 'bucket'>;
  readonly namespace: string;
  readonly clock: Clock;
  readonly log: Log;
}

interface Waiter {
  readonly untilMs: number;
  readonly perMinute: number;
  readonly answer: (granted: boolean) => void;
}

/** Somebody else wrote, or the bucket was not reached. */
const againMs = 20;
const unreachedMs = 500;
/** Waiters look at the clock at least this often. */
const napMs = 1_000;
/** Calls that may wait for one name; more are refused at once. */
const waitingMax = 4_096;

export function sharedRate(options: RateOptions): Rate {
  const names = new Map<string, Line<Waiter>>();
  let opened: Promise<Bucket<MinuteCount>> | undefined;
  const bucket = (): Promise<Bucket<MinuteCount>> => {
    opened ??= options.bus.bucket<MinuteCount>(buckets.limits);
    opened.catch(() => (opened = undefined));
    return opened;
  };
  const work = async (name: string, line: Line<Waiter>): Promise<void> => {
    while (line.length > 0) {
      const pauseMs = await serve({ options, bucket, name }, line);
      expire(line, options.clock.now());
      if (pauseMs > 0 && line.length > 0) await options.clock.sleep(pauseMs);
      expire(line, options.clock.now());
    }
    names.delete(name);
  };
  return {
    take(name, perMinute, untilMs) {
      return new Promise((answer) => {
        const waiter = { untilMs, perMinute, answer };
        const line = names.get(name);
        if (line === undefined) {
          const first = new Line<Waiter>();
          first.add(waiter);
          names.set(name, first);
          void work(name, first);
        } else if (line.length >= waitingMax) answer(false);
        else line.add(waiter);
      });
    },
  };
}

/** Asks once for everybody in the line; resolves with how long to wait before the next question. */
async function serve(
  { options, bucket, name }: { options: RateOptions; bucket: () => Promise<Bucket<MinuteCount>>; name: string },
  line: Line<Waiter>,
): Promise<number> {
  const { namespace, clock, log } = options;
  const key = `${namespace}.${name.replace('/', '.')}`;
  try {
    const shared = await bucket();
    const entry = await shared.get(key);
    const wanted = line.length;
    const perMinute = line.first?.perMinute ?? 1;
    const now = clock.now();
    const { granted, next, retryAt } = grantCalls(entry?.value, { wanted, perMinute, now });
    if (next === undefined) return Math.max(againMs, Math.min(napMs, (retryAt ?? now) - now));
    const written = await shared.update(key, next, entry?.revision ?? 0);
    if (written === undefined) return againMs * (1 + (now % 3));
    for (let given = 0; given < granted; given += 1) line.shift()?.answer(true);
    return 0;
  } catch (error) {
    log.warn('the shared limit cannot be read; calls wait', { name, error });
    return unreachedMs;
  }
}

/** Whoever's time is over is refused. Deadlines differ, so the whole line is looked at. */
function expire(line: Line<Waiter>, now: number): void {
  for (const waiter of line.members()) {
    if (waiter.untilMs > now) continue;
    line.remove(waiter);
    waiter.answer(false);
  }
}
