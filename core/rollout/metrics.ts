// Owns: which metrics a rollout is judged by, with what is frozen when it starts, and the value of one unit for each.
import type { JudgedMetric, RecordOf, Threshold } from '../../api/messages/evidence.ts';
import type { RunOutcome } from '../../api/messages/rollout.ts';
import type { ledgerMetrics, Release, RolloutMetric } from '../../api/v1alpha1/release.ts';
import { durationMs } from '../routing/duration.ts';

type Ledger = (typeof ledgerMetrics)[number];

/** Closed runs of the stable bundle before the rollout. */
export interface StableRuns {
  readonly durationsMs: readonly number[];
  readonly costsMicros: readonly number[];
}

/** Chance of a false alarm over all metrics of a rollout. */
const alphaTotal = 0.05;
const passMarginDefault = 0.1;
const minUnitsDefault = 20;
/** Fewer stable runs say nothing about a share of them. */
const stableRunsMin = 20;
const maturityDefaultMs = 3_600_000;

const meant: Readonly<Record<Ledger, JudgedMetric['direction']>> = {
  safeUsefulness: 'higher',
  taskSuccess: 'higher',
  criticalViolation: 'lower',
  minorViolation: 'lower',
  escalation: 'both',
  verifierReject: 'lower',
  latency: 'higher',
  cost: 'lower',
  satisfaction: 'higher',
};

/** What a release is judged by that names no metrics. Where a difference may be meant, only a large one is harm. */
export const defaultMetrics: readonly RolloutMetric[] = [
  { name: 'safe-usefulness', role: 'primary', of: 'safeUsefulness' },
  { name: 'task-success', role: 'critical', of: 'taskSuccess' },
  { name: 'critical-violation', role: 'critical', of: 'criticalViolation', killSwitch: true },
  { name: 'minor-violation', role: 'guardrail', of: 'minorViolation' },
  { name: 'escalation', role: 'guardrail', of: 'escalation', abortMargin: '0.1', passMargin: '0.2' },
  { name: 'verifier-reject', role: 'guardrail', of: 'verifierReject' },
  { name: 'latency', role: 'guardrail', of: 'latency', abortMargin: '0.1', passMargin: '0.2' },
  { name: 'cost', role: 'guardrail', of: 'cost', abortMargin: '0.1', passMargin: '0.2' },
  { name: 'satisfaction', role: 'info', of: 'satisfaction' },
];

/** The first record of the evidence log. */
export function startEvidence(
  release: Pick<Release, 'metrics' | 'assignBy'>,
  stable: StableRuns,
  { rollout, at }: { readonly rollout: string; readonly at: number },
): RecordOf<'Started'> {
  const metrics = judgedMetrics(release.metrics, stable);
  const windowMs = release.assignBy === undefined ? 0 : maturityOf(metrics);
  return { type: 'Started', at, rollout, metrics, windowMs };
}

/** How long a run may take before it counts as it stands. */
export const maturityOf = (metrics: readonly JudgedMetric[]): number =>
  Math.max(0, ...metrics.filter(({ source }) => source === 'ledger').map(({ maturityMs }) => maturityMs));

export function judgedMetrics(declared: Release['metrics'], stable: StableRuns): readonly JudgedMetric[] {
  const list = declared ?? defaultMetrics;
  const own = shareOfAlpha(list);
  return list.map((metric) => {
    const frozen = freeze(metric, stable, own);
    return declared === undefined ? { ...frozen, byDefault: true } : frozen;
  });
}

/** Half of alpha goes to the primary metrics, half to the others; a kill switch and what is only shown need none. */
function shareOfAlpha(list: readonly RolloutMetric[]): (metric: RolloutMetric) => number {
  const judged = list.filter(({ role, killSwitch, alpha }) => role !== 'info' && !killSwitch && alpha === undefined);
  const primary = judged.filter(({ role }) => role === 'primary').length;
  const others = judged.length - primary;
  const half = primary > 0 && others > 0 ? alphaTotal / 2 : alphaTotal;
  return ({ role, alpha }) =>
    alpha === undefined ? half / Math.max(1, role === 'primary' ? primary : others) : Number(alpha);
}

function freeze(metric: RolloutMetric, stable: StableRuns, alphaOf: (metric: RolloutMetric) => number): JudgedMetric {
  const { name, role, source = 'ledger', of, killSwitch = false } = metric;
  return {
    name,
    role,
    source,
    ...(of === undefined ? {} : { of }),
    direction: metric.direction ?? (of === undefined ? 'lower' : meant[of]),
    abortMargin: Number(metric.abortMargin ?? 0),
    passMargin: Number(metric.passMargin ?? passMarginDefault),
    alpha: { harm: alphaOf(metric), pass: Number(metric.alpha ?? alphaTotal) },
    minUnits: metric.minUnits ?? minUnitsDefault,
    killSwitch,
    maturityMs: durationMs(metric.maturity, share(stable.durationsMs, 0.95) ?? maturityDefaultMs),
    ...thresholdOf(metric, stable),
  };
}

function thresholdOf(metric: Thresholded, stable: StableRuns): Threshold & Pick<JudgedMetric, 'unjudged'> {
  if (metric.of === 'latency') {
    const withinMs = metric.within === undefined ? share(stable.durationsMs, 0.9) : durationMs(metric.within, 0);
    return withinMs === undefined ? unfrozen('within', stable.durationsMs.length) : { withinMs };
  }
  if (metric.of === 'cost') {
    const budgetMicros = metric.budgetMicros ?? twiceMean(stable.costsMicros);
    return budgetMicros === undefined ? unfrozen('budgetMicros', stable.costsMicros.length) : { budgetMicros };
  }
  return {};
}

type Thresholded = Pick<RolloutMetric, 'of' | 'within' | 'budgetMicros'>;

/** Thresholds of the metrics that have none, once enough is known of stable. */
export function missingThresholds(
  metrics: readonly JudgedMetric[],
  stable: StableRuns,
): Readonly<Record<string, Threshold>> {
  const found = metrics
    .filter(({ unjudged }) => unjudged !== undefined)
    .map(({ name, of }) => [name, thresholdOf(of === undefined ? {} : { of }, stable)] as const);
  return Object.fromEntries(found.filter(([, { unjudged }]) => unjudged === undefined));
}

export function withThresholds(
  metrics: readonly JudgedMetric[],
  thresholds: Readonly<Record<string, Threshold>>,
): readonly JudgedMetric[] {
  return metrics.map((metric) => {
    const { [metric.name]: threshold } = thresholds;
    if (threshold === undefined || metric.unjudged === undefined) return metric;
    const { unjudged: _, ...rest } = metric;
    return { ...rest, ...threshold };
  });
}

const unfrozen = (field: string, found: number) => ({
  unjudged: `${field} is not given, and ${found} closed runs of stable are too few to take it from: ${stableRunsMin} are needed`,
});

/** The value below which this share lies. */
function share(values: readonly number[], of: number): number | undefined {
  if (values.length < stableRunsMin) return undefined;
  return values.toSorted((left, right) => left - right)[Math.ceil(of * values.length) - 1];
}

function twiceMean(values: readonly number[]): number | undefined {
  if (values.length < stableRunsMin) return undefined;
  return Math.round((2 * values.reduce((sum, value) => sum + value, 0)) / values.length);
}

/** A run as it counts: ended in time, or not; `timed` unless a jump of the clock made its times worthless. */
export interface Counted {
  readonly run: RunOutcome;
  readonly timed: boolean;
}

/** The mean over the runs of the unit for which there is a value, from 0 to 1 in the metric's own sense. */
export function valueOf(metric: JudgedMetric, runs: readonly Counted[]): number | undefined {
  if (metric.source !== 'ledger' || metric.of === undefined || metric.unjudged !== undefined) return undefined;
  let [sum, n] = [0, 0];
  for (const counted of runs) {
    const value = valuesOfRun[metric.of](counted, metric);
    if (value === undefined) continue;
    sum += value;
    n += 1;
  }
  return n === 0 ? undefined : sum / n;
}

const valuesOfRun: Readonly<Record<Ledger, (counted: Counted, metric: JudgedMetric) => number | undefined>> = {
  safeUsefulness: (counted, metric) => {
    const { violations, overBudget } = counted.run;
    return Number(succeeded(counted, metric) && violations.critical + violations.minor === 0 && !overBudget);
  },
  taskSuccess: (counted, metric) => Number(succeeded(counted, metric)),
  criticalViolation: ({ run }) => Number(run.violations.critical > 0),
  minorViolation: ({ run }) => Number(run.violations.minor > 0),
  escalation: ({ run }) => Number(run.escalations > 0),
  verifierReject: ({ run }) => (run.proposed === 0 ? undefined : Math.min(1, run.rejected / run.proposed)),
  latency: ({ run, timed }, { withinMs = 0 }) => (timed ? Number(tookMs(run) <= withinMs) : undefined),
  cost: ({ run }, { budgetMicros = 0 }) => (run.costMicros === 0 ? 0 : Math.min(1, run.costMicros / budgetMicros)),
  satisfaction: ({ run }) => run.satisfaction,
};

const tookMs = ({ assignedAt, closedAt }: RunOutcome): number => (closedAt ?? Infinity) - assignedAt;

function succeeded({ run, timed }: Counted, { maturityMs }: JudgedMetric): boolean {
  return run.outcome === 'success' && (!timed || tookMs(run) <= maturityMs);
}
