// Owns: how much a model or tool is asked at once by this process, and per minute by all. Waiting is first come, first served,
// and bounded.
import type { Clock } from '../../ports/system.ts';
import type { Rate } from './shared-rate.ts';

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
  readonly waiting: (() => void)[];
}

export function limitsOf(clock: Clock, rate: Rate): Limits {
  const gates = new Map<string, Gate>();
  const gateOf = (name: string): Gate => {
    const known = gates.get(name);
    if (known !== undefined) return known;
    const gate: Gate = { active: 0, waiting: [] };
    gates.set(name, gate);
    return gate;
  };
  return {
    async enter(name, limit, untilMs) {
      const gate = gateOf(name);
      if (!(await takeSlot(gate, limit, { clock, untilMs }))) return undefined;
      let released = false;
      const release = (): void => {
        if (released) return;
        released = true;
        gate.active -= 1;
        gate.waiting.shift()?.();
      };
      const { perMinute } = limit;
      if (perMinute === undefined || (await rate.take(name, perMinute, untilMs))) return release;
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
