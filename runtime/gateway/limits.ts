// Owns: how much a model or tool is asked at once and per minute. Waiting is first come, first served, and bounded.
import type { Clock } from '../../ports/system.ts';

export interface Limit {
  readonly maxParallel: number;
  readonly perMinute?: number;
}

export interface Limits {
  /** Resolves with the release, or undefined when no place came free before `untilMs`. */
  enter(name: string, limit: Limit, untilMs: number): Promise<(() => void) | undefined>;
}

interface Gate {
  active: number;
  /** Calls that may start now; refilled with time up to a minute's worth. */
  tokens: number;
  refilledAt: number;
  readonly waiting: (() => void)[];
}

export function limitsOf(clock: Clock): Limits {
  const gates = new Map<string, Gate>();
  const gateOf = (name: string, limit: Limit): Gate => {
    const known = gates.get(name);
    if (known !== undefined) return known;
    const gate: Gate = { active: 0, tokens: limit.perMinute ?? 0, refilledAt: clock.now(), waiting: [] };
    gates.set(name, gate);
    return gate;
  };
  return {
    async enter(name, limit, untilMs) {
      const gate = gateOf(name, limit);
      if (!(await takeSlot(gate, limit, { clock, untilMs }))) return undefined;
      let released = false;
      const release = (): void => {
        if (released) return;
        released = true;
        gate.active -= 1;
        gate.waiting.shift()?.();
      };
      if (await takeToken(gate, limit, { clock, untilMs })) return release;
      release();
      return undefined;
    },
  };
}

interface Bound {
  readonly clock: Clock;
  readonly untilMs: number;
}

async function takeSlot(gate: Gate, limit: Limit, { clock, untilMs }: Bound): Promise<boolean> {
  while (gate.active >= limit.maxParallel) {
    const left = untilMs - clock.now();
    if (left <= 0) return false;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        const at = gate.waiting.indexOf(wake);
        if (at >= 0) gate.waiting.splice(at, 1);
        resolve();
      }, left);
      gate.waiting.push(wake);
    });
  }
  gate.active += 1;
  return true;
}

async function takeToken(gate: Gate, { perMinute }: Limit, { clock, untilMs }: Bound): Promise<boolean> {
  if (perMinute === undefined) return true;
  for (;;) {
    const now = clock.now();
    gate.tokens = Math.min(perMinute, gate.tokens + ((now - gate.refilledAt) * perMinute) / 60_000);
    gate.refilledAt = now;
    if (gate.tokens >= 1) {
      gate.tokens -= 1;
      return true;
    }
    const waitMs = Math.ceil(((1 - gate.tokens) * 60_000) / perMinute);
    if (now + waitMs > untilMs) return false;
    await clock.sleep(waitMs);
  }
}
