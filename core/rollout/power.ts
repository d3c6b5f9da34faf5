// Owns: the power plan: how many units and hours a release needs at today's traffic, and whether it can pass at all. It plays the
// judge many times, from a fixed seed, with a canary that is as good as stable.
import type { JudgedMetric } from '../../api/messages/evidence.ts';
import type { Release, Stage } from '../../api/v1alpha1/release.ts';
import { durationMs } from '../routing/duration.ts';
import { chanceFrom } from './chance.ts';
import { addUnit, evidenceOf, newComparison } from './comparison.ts';
import { judgedMetrics, maturityOf, type StableRuns } from './metrics.ts';

export interface Traffic {
  /** New sticky keys that may get the canary. */
  readonly keysPerHour: number;
  readonly runs: StableRuns;
  /** What stable does, by name of the metric, in the metric's own sense. */
  readonly means: Readonly<Record<string, number>>;
}

export interface PlannedStage {
  readonly stage: number;
  readonly weightBps: number;
  readonly require: 'notFail' | 'pass';
  /** Mature units of the canary when it ends: the least, or the median of all plays that passed. */
  readonly units: number;
  /** How long it takes; undefined: longer than maxDuration. */
  readonly hours?: number;
}

export interface PlannedMetric {
  readonly name: string;
  readonly mean: number;
  /** Of all plays, those that passed in time, and those that saw harm where there is none. */
  readonly passed: number;
  readonly falseHarm: number;
  /** Canary units until Pass, where at least that share of the plays passed. */
  readonly medianUnits?: number;
  readonly units90?: number;
}

export interface RolloutPlan {
  readonly stages: readonly PlannedStage[];
  readonly metrics: readonly PlannedMetric[];
  /** All stages; undefined: one of them cannot end in time. */
  readonly hours?: number;
  readonly reachable: boolean;
  /** What to change, a sentence each. */
  readonly findings: readonly string[];
}

const plays = 200;
const seed = 20_261_126;
/** Keys of one play: who needs more has no use for a plan. */
const keysMax = 40_000;
const meanUnknown = 0.9;
const hourMs = 3_600_000;
const untilUnits = 20;

interface Step {
  readonly stage: number;
  readonly share: number;
  readonly require: 'notFail' | 'pass';
  readonly minUnits: number;
  /** Keys that come at least, and at most, in its time. */
  readonly minKeys: number;
  readonly maxKeys: number;
}

export function planOf(release: Release, traffic: Traffic): RolloutPlan {
  const judged = judgedMetrics(release.metrics, traffic.runs);
  const needed = judged.filter(({ role, killSwitch }) => (role === 'primary' || role === 'critical') && !killSwitch);
  const steps = stepsOf(release.stages, traffic.keysPerHour);
  const metrics = needed.map((metric) => planMetric(metric, traffic.means[metric.name] ?? meanOf(metric), steps));
  const maturityHours = maturityOf(judged) / hourMs;
  const stages = steps.map((step, at) =>
    planStage(step, metrics, {
      maturityHours,
      keysPerHour: traffic.keysPerHour,
      unitsBefore: Math.max(0, ...steps.slice(0, at).map(({ minUnits }) => minUnits)),
    }),
  );
  const findings = [
    ...(needed.length === 0 ? ['no metric is primary or critical: nothing can give positive evidence'] : []),
    ...(steps.some(({ require }) => require === 'pass') ? [] : ['no canary stage requires pass']),
    ...steps.flatMap((step) => tooShort(step, release.stages[step.stage])),
    ...metrics.flatMap((metric) => tooWeak(metric, steps, judged)),
  ];
  const others = otherHours(release.stages, traffic.keysPerHour);
  const hours = [...stages.map((stage) => stage.hours), others].reduce(
    (sum, stage) => (sum === undefined || stage === undefined ? undefined : sum + stage),
    0,
  );
  return {
    stages,
    metrics,
    ...(hours === undefined ? {} : { hours }),
    reachable: hours !== undefined && needed.length > 0 && metrics.every(({ passed }) => passed >= 0.5),
    findings,
  };
}

const meanOf = ({ direction }: JudgedMetric): number => (direction === 'higher' ? meanUnknown : 1 - meanUnknown);

function stepsOf(stages: readonly Stage[], keysPerHour: number): readonly Step[] {
  const last = stages.findLastIndex(({ canary }) => canary !== undefined);
  return stages.flatMap(({ canary }, stage): readonly Step[] => {
    if (!canary) return [];
    const { weight, weightBps, until } = canary;
    const keysIn = (duration: string | undefined): number => (durationMs(duration, 0) / hourMs) * keysPerHour;
    return [
      {
        stage,
        share: (weightBps ?? (weight ?? 0) * 100) / 10_000,
        require: until.require ?? (stage === last ? 'pass' : 'notFail'),
        minUnits: until.minUnits ?? untilUnits,
        minKeys: keysIn(until.minDuration),
        maxKeys: keysIn(until.maxDuration),
      },
    ];
  });
}

interface Play {
  readonly passedAt?: number;
  readonly harmed: boolean;
}

function planMetric(metric: JudgedMetric, mean: number, steps: readonly Step[]): PlannedMetric {
  const chance = chanceFrom(seed);
  const good = metric.direction === 'lower' ? 1 - mean : mean;
  const played = Array.from({ length: plays }, () => play(metric, { good, steps, chance }));
  const units = played.flatMap(({ passedAt }) => passedAt ?? []).toSorted((left, right) => left - right);
  const at = (share: number): number | undefined => units[Math.ceil(share * plays) - 1];
  const [medianUnits, units90] = [at(0.5), at(0.9)];
  return {
    name: metric.name,
    mean,
    passed: units.length / plays,
    falseHarm: played.filter(({ harmed }) => harmed).length / plays,
    ...(medianUnits === undefined ? {} : { medianUnits }),
    ...(units90 === undefined ? {} : { units90 }),
  };
}

interface Playing {
  readonly good: number;
  readonly steps: readonly Step[];
  readonly chance: () => number;
}

function play(metric: JudgedMetric, { good, steps, chance }: Playing): Play {
  const comparison = newComparison(metric.direction === 'both');
  const [harmAt, passAt] = [Math.log(1 / metric.alpha.harm), Math.log(1 / metric.alpha.pass)];
  let [keys, n] = [0, 0];
  for (const { share, require, minUnits, minKeys, maxKeys } of steps) {
    for (let stage = 0; ; stage += 1) {
      if (comparison.peak >= harmAt) return { harmed: true };
      const passed = n >= metric.minUnits && evidenceOf(comparison).pass >= passAt;
      if (n >= minUnits && stage >= minKeys && (require === 'notFail' || passed)) {
        if (require === 'pass') return { harmed: false, passedAt: n };
        break;
      }
      if (stage >= maxKeys || keys >= keysMax) return { harmed: false };
      const arm = chance() < share ? 'canary' : 'stable';
      keys += 1;
      n += Number(arm === 'canary');
      addUnit(comparison, metric, { arm, y: Number(chance() < good) });
    }
  }
  return { harmed: false };
}

interface Pace {
  readonly maturityHours: number;
  readonly keysPerHour: number;
  /** Units of the canary from the stages before: they count. */
  readonly unitsBefore: number;
}

function planStage(step: Step, metrics: readonly PlannedMetric[], pace: Pace): PlannedStage {
  const { maturityHours, keysPerHour, unitsBefore } = pace;
  const { stage, share, require, minUnits, minKeys, maxKeys } = step;
  const wanted = require === 'pass' ? metrics.map(({ medianUnits }) => medianUnits) : [];
  const known = wanted.every((units) => units !== undefined);
  const units = Math.max(minUnits, ...wanted.map((other) => other ?? 0));
  const keys = Math.max(minKeys, Math.max(0, units - unitsBefore) / share);
  const hours = keys / keysPerHour + maturityHours;
  const inTime = known && keys <= maxKeys && Number.isFinite(hours);
  return { stage, weightBps: Math.round(share * 10_000), require, units, ...(inTime ? { hours } : {}) };
}

function tooShort({ stage, share, minUnits, maxKeys }: Step, declared: Stage | undefined): readonly string[] {
  const most = Math.floor(maxKeys * share);
  if (most >= minUnits) return [];
  const limit = declared?.canary?.until.maxDuration ?? '';
  return [
    `stages[${stage}].canary.until.minUnits: ${minUnits} units are wanted, and about ${most} come within maxDuration ${limit}`,
  ];
}

function tooWeak(metric: PlannedMetric, steps: readonly Step[], judged: readonly JudgedMetric[]): readonly string[] {
  if (metric.passed >= 0.8) return [];
  const margin = judged.find(({ name }) => name === metric.name)?.passMargin ?? 0;
  const most = Math.floor(steps.reduce((sum, { share, maxKeys }) => sum + share * maxKeys, 0));
  return [
    `metric ${metric.name}: a canary as good as stable (${metric.mean}) is shown to be within passMargin ${margin} in time in ` +
      `${Math.round(metric.passed * 100)} of 100 plays, with at most ${most} canary units: allow more weight, a longer ` +
      `maxDuration, a wider passMargin, or onInconclusive: approve`,
  ];
}

/** Stages without a canary, where their time is known. */
function otherHours(stages: readonly Stage[], keysPerHour: number): number {
  return stages.reduce((sum, { shadow, hold, bake }) => {
    const shadowHours = shadow ? shadow.units / (keysPerHour * (shadow.percent / 100)) : 0;
    return sum + shadowHours + (durationMs(hold?.duration, 0) + durationMs(bake?.duration, 0)) / hourMs;
  }, 0);
}
