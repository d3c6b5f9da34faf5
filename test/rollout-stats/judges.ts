// Owns: how each judge takes one rollout through its stages.
import type { EvidenceRecord } from '../../api/messages/evidence.ts';
import { type Evidence, fold } from '../../core/rollout/evidence.ts';
import { startEvidence } from '../../core/rollout/metrics.ts';
import { UnitBook } from '../../core/rollout/units.ts';
import { verdictOn } from '../../core/rollout/verdict.ts';
import { classify } from './mann-whitney.ts';
import { began, type Key } from './traffic.ts';

export type End = 'promoted' | 'rolledBack' | 'undecided';

export interface Played {
  readonly end: End;
  /** Units of the canary until then. */
  readonly units: number;
}

/** Takes keys one after the other, at the weight that it asks for, and ends. */
export interface Judge {
  readonly weight: () => number;
  readonly take: (key: Key) => End | undefined;
}

interface Stage {
  readonly weight: number;
  /** Units of the canary, those before included. */
  readonly units: number;
}

/** 5 → 20 → 50 %: the last one asks for Pass, and gives up. */
const stages: readonly Stage[] = [
  { weight: 0.05, units: 20 },
  { weight: 0.2, units: 60 },
  { weight: 0.5, units: 100 },
];
export const unitsMax = 400;
/** The operator looks so often. */
const lookMs = 10 * 60_000;
/** Stable before the rollout: what is frozen comes from it. */
const before = {
  durationsMs: Array.from({ length: 100 }, (_, at) => 120_000 + at * 3_600),
  costsMicros: Array.from({ length: 100 }, () => 2_000),
};

/** Ours: outcomes → mature units → records → evidence → verdict, as the operator does it. */
export class Ours implements Judge {
  readonly #book: UnitBook;
  #evidence: Evidence;
  #stage = 0;
  #lookAt = began + lookMs;
  #keys = { stable: 0, canary: 0, excluded: 0 };

  constructor(keyed: boolean) {
    const start = startEvidence(keyed ? { assignBy: 'input.user' } : {}, before, { rollout: 'r', at: began });
    this.#book = new UnitBook(start);
    this.#evidence = fold([start]);
  }

  readonly weight = (): number => stages[this.#stage]?.weight ?? 0;

  readonly take = (key: Key): End | undefined => {
    this.#book.note(key.runs);
    this.#keys[key.arm] += 1;
    const at = key.runs[0]?.assignedAt ?? began;
    if (at < this.#lookAt) return undefined;
    this.#lookAt = at + lookMs;
    return this.#look(at);
  };

  #look(at: number): End | undefined {
    const records: EvidenceRecord[] = [
      {
        type: 'KeysAssigned',
        at,
        partition: 0,
        weightBps: Math.round(this.weight() * 10_000),
        keys: { ...this.#keys },
      },
      this.#book.mature(this.#evidence, at),
    ];
    this.#evidence = fold(records, this.#evidence);
    this.#book.know(records);
    const { verdict } = verdictOn(this.#evidence, at);
    const units = this.#evidence.units.canary;
    if (verdict === 'Fail') return 'rolledBack';
    const stage = stages[this.#stage];
    if (!stage || units < stage.units) return undefined;
    if (this.#stage < stages.length - 1) this.#stage += 1;
    else if (verdict === 'Pass') return 'promoted';
    else if (units >= unitsMax) return 'undecided';
    return undefined;
  }
}

/** Whether a run counts as good: what the others are told of, too. */
const isGood = ({ outcome, violations, overBudget }: Key['runs'][number]): number =>
  Number(outcome === 'success' && violations.minor === 0 && !overBudget);

/** The others go through the same weights by the tasks of the canary that they have looked at. */
abstract class ByTasks implements Judge {
  protected readonly stable: number[] = [];
  protected readonly canary: number[] = [];
  #units = 0;

  readonly weight = (): number => stages.find(({ units }) => this.#units < units)?.weight ?? 0.5;

  readonly take = ({ arm, runs }: Key): End | undefined => {
    this.#units += Number(arm === 'canary');
    for (const run of runs) {
      this[arm].push(isGood(run));
      const end = arm === 'canary' ? this.look() : undefined;
      if (end) return end;
    }
    return undefined;
  };

  protected abstract look(): End | undefined;
}

export interface Polling {
  readonly atLeast: number;
  /** Tasks of the canary in one measurement. */
  readonly tasks: number;
  readonly checks: number;
  readonly failuresMax: number;
  /** Flagger goes on by successes only; Argo by measurements. */
  readonly countsSuccesses: boolean;
}

/** A threshold on the share of good tasks, measured again and again. */
export class Threshold extends ByTasks {
  readonly #polling: Polling;
  #failures = 0;
  #checks = 0;

  constructor(polling: Polling) {
    super();
    this.#polling = polling;
  }

  protected look(): End | undefined {
    const { tasks, atLeast, checks, failuresMax, countsSuccesses } = this.#polling;
    if (this.canary.length < tasks) return undefined;
    const share = this.canary.reduce((sum, y) => sum + y, 0) / tasks;
    this.canary.length = 0;
    this.stable.length = 0;
    if (share < atLeast) this.#failures += 1;
    if (share >= atLeast || !countsSuccesses) this.#checks += 1;
    if (this.#failures > failuresMax) return 'rolledBack';
    return this.#checks >= checks ? 'promoted' : undefined;
  }
}

/** Kayenta's standalone analysis: the samples grow, each score must be marginal at least, the last one must pass. */
export class Kayenta extends ByTasks {
  readonly #perPoint: number;
  readonly #perLook: number;
  readonly #looks: number;
  #looked = 0;

  /** `perPoint` tasks make one point of the time series. */
  constructor(perPoint: number, perLook: number, looks: number) {
    super();
    this.#perPoint = perPoint;
    this.#perLook = perLook;
    this.#looks = looks;
  }

  protected look(): End | undefined {
    if (this.canary.length < (this.#looked + 1) * this.#perLook) return undefined;
    this.#looked += 1;
    // One metric, where fewer is worse: the score is 100 or 0.
    if (classify(points(this.canary, this.#perPoint), points(this.stable, this.#perPoint)) === 'Low')
      return 'rolledBack';
    return this.#looked >= this.#looks ? 'promoted' : undefined;
  }
}

function points(values: readonly number[], perPoint: number): readonly number[] {
  return Array.from({ length: Math.floor(values.length / perPoint) }, (_, at) => {
    const part = values.slice(at * perPoint, (at + 1) * perPoint);
    return part.reduce((sum, y) => sum + y, 0) / perPoint;
  });
}
