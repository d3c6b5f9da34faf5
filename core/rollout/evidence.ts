// Owns: the evidence of a rollout: a fold over its log.
//   V1: the same records give the same evidence, in one go or in parts; its size does not grow with the log.
//   V2: folding is total: what cannot be read is counted, and the judge does not pass over it.
//   V3: a value that is none never counts as one: the metric has an error from then on.
import type { ByArm, EvidenceRecord, JudgedMetric, RecordOf } from '../../api/messages/evidence.ts';
import type { Arm } from '../../api/messages/rollout.ts';
import type { RolloutReason } from '../../api/v1alpha1/rollout.ts';
import { digest } from '../canonical/canonical.ts';
import { addPair, addUnit, type Comparison, copyComparison, evidenceOf, newComparison, seen } from './comparison.ts';
import { withThresholds } from './metrics.ts';
import { noShares, noteKeys, type Shares } from './ratio.ts';
import { readSample, type Worthless } from './samples.ts';

export interface Trouble extends Worthless {
  /** In a row. */
  readonly times: number;
}

export interface MetricEvidence {
  readonly metric: JudgedMetric;
  readonly comparison: Comparison;
  /** Units in which the thing happened at all. */
  readonly events: Record<Arm, number>;
  /** What its provider said last was worthless. */
  readonly trouble?: Trouble | undefined;
  /** A value that is none. */
  readonly broken?: string;
}

export interface Strike {
  readonly metric: string;
  readonly run: string;
  readonly at: number;
}

export interface Evidence {
  readonly records: number;
  readonly rollout?: string;
  readonly startedAt: number;
  /** Of the last record. */
  readonly lastAt: number;
  /** When the clock last jumped, or nobody wrote for long; 0: never. */
  readonly settledFrom: number;
  readonly metrics: readonly MetricEvidence[];
  readonly units: ByArm<number>;
  readonly open: ByArm<number>;
  readonly dropped: ByArm<number>;
  readonly shares: Shares;
  /** When the count of canary keys last grew. */
  readonly canaryAt: number;
  /** The first strike of each arm, and how many there were. */
  readonly strikes: Readonly<Partial<Record<Arm, Strike & { readonly times: number }>>>;
  /** The ledger could not be asked. */
  readonly ledger?: Trouble | undefined;
  readonly stopped?: { readonly cause: RolloutReason; readonly why: string };
  readonly unreadable: number;
}

/** The operator writes at least this often. A longer silence is no data, and a jump of its clock. */
export const silenceMaxMs = 900_000;
/** The clock may be set back by this much. */
const backMs = 5_000;

const nobody: ByArm<number> = { stable: 0, canary: 0 };

export const noEvidence: Evidence = {
  records: 0,
  startedAt: 0,
  lastAt: 0,
  settledFrom: 0,
  metrics: [],
  units: nobody,
  open: nobody,
  dropped: nobody,
  shares: noShares,
  canaryAt: 0,
  strikes: {},
  unreadable: 0,
};

/** Whether time went on from the last record to this moment in another way than it should. */
export function isGap({ records, lastAt }: Evidence, at: number): boolean {
  return records > 0 && (at - lastAt > silenceMaxMs || lastAt - at > backMs);
}

export function fold(records: Iterable<EvidenceRecord>, from: Evidence = noEvidence): Evidence {
  let evidence = from;
  for (const record of records) evidence = foldOne(evidence, record);
  return evidence;
}

function foldOne(before: Evidence, record: EvidenceRecord): Evidence {
  const at = Number.isFinite(record?.at) ? record.at : undefined;
  if (at === undefined) return { ...before, records: before.records + 1, unreadable: before.unreadable + 1 };
  const evidence: Evidence = {
    ...before,
    records: before.records + 1,
    lastAt: at,
    settledFrom: isGap(before, at) ? at : before.settledFrom,
  };
  try {
    return { ...evidence, ...changeOf(evidence, record) };
  } catch {
    return { ...evidence, unreadable: evidence.unreadable + 1 };
  }
}

function changeOf(evidence: Evidence, record: EvidenceRecord): Partial<Evidence> {
  switch (record.type) {
    case 'Started':
      return evidence.startedAt > 0 ? { unreadable: evidence.unreadable + 1 } : start(record);
    case 'ThresholdsFrozen':
      return freeze(evidence, record);
    case 'UnitsMatured':
      return takeUnits(evidence, record);
    case 'KeysAssigned':
      return takeKeys(evidence, record);
    case 'Struck':
      return strike(evidence, record);
    case 'Sampled':
      return ofMetric(evidence, record.metric, (of) => sampled(of, record));
    case 'SourceFailed':
      return failed(evidence, record);
    case 'Stopped':
      return { stopped: { cause: record.cause, why: record.why } };
    default:
      return { unreadable: evidence.unreadable + 1 };
  }
}

function start({ rollout, at, metrics }: RecordOf<'Started'>): Partial<Evidence> {
  return {
    rollout,
    startedAt: at,
    canaryAt: at,
    metrics: metrics.map((metric) => ({
      metric,
      comparison: newComparison(metric.direction === 'both'),
      events: { stable: 0, canary: 0 },
    })),
  };
}

function freeze({ metrics }: Evidence, { thresholds }: RecordOf<'ThresholdsFrozen'>): Partial<Evidence> {
  return { metrics: metrics.map((of) => ({ ...of, metric: withThresholds([of.metric], thresholds)[0] ?? of.metric })) };
}

function takeUnits(evidence: Evidence, { units, open, dropped }: RecordOf<'UnitsMatured'>): Partial<Evidence> {
  const counts = { ...evidence.units };
  for (const { arm } of units) counts[arm] += 1;
  const metrics = units.length === 0 ? evidence.metrics : evidence.metrics.map((of) => withUnits(of, units));
  return { metrics, units: counts, open, dropped, ledger: undefined };
}

function withUnits(before: MetricEvidence, units: RecordOf<'UnitsMatured'>['units']): MetricEvidence {
  const { metric } = before;
  const comparison = copyComparison(before.comparison);
  const events = { ...before.events };
  let broken = before.broken;
  for (const { arm, unit, values } of units) {
    const value = values[metric.name];
    if (value === undefined) continue;
    // A number that is none is written as null.
    if (typeof value !== 'number' || !(value >= 0 && value <= 1)) {
      broken ??= `unit ${unit} has the value ${String(value).slice(0, 32)}: allowed is 0 to 1`;
      continue;
    }
    if (value > 0) events[arm] += 1;
    addUnit(comparison, metric, { arm, y: metric.direction === 'lower' ? 1 - value : value });
  }
  return { ...before, comparison, events, ...(broken === undefined ? {} : { broken }) };
}

function takeKeys(evidence: Evidence, record: RecordOf<'KeysAssigned'>): Partial<Evidence> {
  const known = evidence.shares.partitions[record.partition]?.told.canary ?? 0;
  return {
    shares: noteKeys(evidence.shares, record),
    ...(record.keys.canary > known ? { canaryAt: record.at } : {}),
  };
}

function strike({ strikes }: Evidence, { metric, arm, run, at }: RecordOf<'Struck'>): Partial<Evidence> {
  const known = strikes[arm] ?? { metric, run, at, times: 0 };
  return { strikes: { ...strikes, [arm]: { ...known, times: known.times + 1 } } };
}

function sampled(before: MetricEvidence, { arms, at }: RecordOf<'Sampled'>): MetricEvidence {
  const { metric } = before;
  const values = { stable: readSample(arms.stable, at), canary: readSample(arms.canary, at) };
  for (const arm of ['stable', 'canary'] as const) {
    const value = values[arm];
    if (typeof value !== 'number') return troubled(before, { kind: value.kind, why: `${arm}: ${value.why}` });
  }
  const comparison = copyComparison(before.comparison);
  const events = { ...before.events };
  const pair = { stable: 0, canary: 0 };
  for (const arm of ['stable', 'canary'] as const) {
    const value = values[arm] as number;
    if (value > 0) events[arm] += 1;
    pair[arm] = metric.direction === 'lower' ? 1 - value : value;
  }
  addPair(comparison, metric, pair);
  return { ...before, comparison, events, trouble: undefined };
}

const troubled = (of: MetricEvidence, { kind, why }: Worthless): MetricEvidence => ({
  ...of,
  trouble: { kind, why: why.slice(0, 256), times: (of.trouble?.times ?? 0) + 1 },
});

function failed(evidence: Evidence, { metric, message }: RecordOf<'SourceFailed'>): Partial<Evidence> {
  const what: Worthless = { kind: 'Error', why: message };
  if (metric === undefined) {
    const times = (evidence.ledger?.times ?? 0) + 1;
    return { ledger: { ...what, why: message.slice(0, 256), times } };
  }
  return ofMetric(evidence, metric, (of) => troubled(of, what));
}

/** What tells of a metric that is not judged is unreadable: something else than this was started. */
function ofMetric(
  { metrics, unreadable }: Evidence,
  name: string,
  change: (of: MetricEvidence) => MetricEvidence,
): Partial<Evidence> {
  if (!metrics.some(({ metric }) => metric.name === name)) return { unreadable: unreadable + 1 };
  return { metrics: metrics.map((of) => (of.metric.name === name ? change(of) : of)) };
}

/** Of everything the verdict rests on: who folds the same log gets the same one. */
export function evidenceDigest(evidence: Evidence): string {
  const { metrics, records, units, strikes, unreadable, stopped } = evidence;
  return digest({
    records,
    units,
    strikes,
    unreadable,
    stopped,
    metrics: metrics.map(({ metric, comparison, events, trouble, broken }) => ({
      name: metric.name,
      stable: seen(comparison, 'stable'),
      canary: seen(comparison, 'canary'),
      // Logarithms may differ in their last digit between machines.
      evidence: Object.entries(evidenceOf(comparison)).map(([name, log]) => `${name} ${log.toFixed(6)}`),
      events,
      trouble,
      broken,
    })),
  });
}
