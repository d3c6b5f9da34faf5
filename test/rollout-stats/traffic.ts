// Owns: what happens in one simulated rollout: keys come, are assigned as an engine does it, and their runs end well or badly. The same seed gives the
// same keys, whoever judges them.
import type { Arm, RunOutcome } from '../../api/messages/rollout.ts';
import { draw, wholeBps } from '../../core/rollout/assign.ts';
import { chanceFrom } from '../../core/rollout/chance.ts';

export interface Bundle {
  /** Share of runs that are safe and useful. */
  readonly good: number;
}

export interface Traffic {
  readonly stable: Bundle;
  readonly canary: Bundle;
  readonly runsPerKey: number;
  /** How much alike runs of one key are: 0 not at all, 1 the same. */
  readonly alike: number;
}

export interface Key {
  readonly unit: string;
  readonly arm: Arm;
  readonly runs: readonly RunOutcome[];
}

type Begun = Pick<RunOutcome, 'unit' | 'arm' | 'run' | 'assignedAt'>;

export const began = 1_800_000_000_000;
const minuteMs = 60_000;
/** Mean time between two keys. */
export const keyMs = minuteMs;
const rolloutName = 'r';
const costMicros = 2_000;

export class Keys {
  readonly #traffic: Traffic;
  readonly #seed: number;
  #chance: () => number;
  #at = began;
  #count = 0;
  #leftBps = 0;

  constructor(traffic: Traffic, seed: number) {
    this.#traffic = traffic;
    this.#seed = seed;
    this.#chance = chanceFrom(seed);
  }

  /** The next key, with all that its runs will have come to. */
  next(weight: number): Key {
    // A key is the same whatever the judge made of those before it.
    this.#chance = chanceFrom(Math.imul(this.#seed, 0x9e3779b1) + Math.imul(this.#count, 0x85ebca6b));
    this.#at += Math.ceil(-Math.log(1 - this.#chance()) * keyMs);
    this.#count += 1;
    const unit = `u${this.#count}`;
    const weightBps = Math.round(weight * wholeBps);
    const { arm, leftBps } = draw(this.#leftBps, weightBps, { point: Math.floor(this.#chance() * 2 ** 32) });
    this.#leftBps = leftBps + (arm === 'stable' ? weightBps : 0);
    const good = this.#goodOf(arm);
    const runs: RunOutcome[] = [];
    for (let at = 0; at < this.#traffic.runsPerKey; at += 1) {
      runs.push(this.#run({ unit, arm, run: `${unit}-${at}`, assignedAt: this.#at + at * 1_000 }, good));
    }
    return { unit, arm, runs };
  }

  /** Of a key with several runs: its own share of good ones, from a beta distribution around the bundle's. */
  #goodOf(arm: Arm): number {
    const { alike } = this.#traffic;
    const { good } = this.#traffic[arm];
    if (alike === 0) return good;
    const size = 1 / alike - 1;
    const [a, b] = [this.#gamma(good * size), this.#gamma((1 - good) * size)];
    return a + b === 0 ? Number(this.#chance() < good) : a / (a + b);
  }

  #run({ unit, arm, run, assignedAt }: Begun, good: number): RunOutcome {
    const chance = this.#chance;
    // A run that is not good failed, or went wrong on its way.
    const wrong = chance() < good ? 1 : chance();
    const failed = wrong < 0.7;
    const minutes = 2 + 6 * chance() * chance();
    return {
      unit,
      arm,
      run,
      assignedAt,
      rollout: rolloutName,
      agent: 'agent',
      closedAt: assignedAt + Math.round(minutes * minuteMs),
      outcome: failed ? 'failed' : 'success',
      cancelledByUser: false,
      escalations: Number(chance() < (failed ? 0.5 : 0.08)),
      violations: { critical: 0, minor: Number(wrong >= 0.7 && wrong < 0.8) },
      proposed: 3,
      rejected: chance() < 0.05 ? 1 : 0,
      costMicros: Math.round(costMicros * (0.5 + chance())),
      overBudget: wrong >= 0.8 && wrong < 1,
    };
  }

  /** Of a shape below or above 1 (Marsaglia and Tsang). */
  #gamma(shape: number): number {
    const chance = this.#chance;
    if (shape < 1) return this.#gamma(shape + 1) * chance() ** (1 / shape);
    const d = shape - 1 / 3;
    for (;;) {
      const x = Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance());
      const v = (1 + x / Math.sqrt(9 * d)) ** 3;
      if (v > 0 && Math.log(1 - chance()) < 0.5 * x ** 2 + d - d * v + d * Math.log(v)) return d * v;
    }
  }
}
