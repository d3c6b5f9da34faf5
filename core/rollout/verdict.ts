// Owns: the verdict over the evidence of a rollout, for each metric and for all.
//   J1: Pass needs positive evidence of every primary and critical metric, and nothing against it. What is missing, late, broken
//       or not understood is never Pass.
//   J2: the order is kill switch, Fail, Cancelled, Error, Inconclusive, Running, Pass: the first that holds.
//   J3: harm that was shown stays shown.
import type { ByArm, JudgedMetric } from '../../api/messages/evidence.ts';
import type { RolloutReason, Verdict } from '../../api/v1alpha1/rollout.ts';
import { evidenceOf, seen } from './comparison.ts';
import { type Evidence, isGap, type MetricEvidence, silenceMaxMs } from './evidence.ts';
import { sampleRatioP as sampleRatioOf } from './ratio.ts';

export interface Finding {
  readonly verdict: Verdict;
  readonly cause: RolloutReason;
  /** The same in words, with its numbers: a part of a sentence. */
  readonly why: string;
}

export interface MetricFinding extends Finding {
  readonly metric: JudgedMetric;
  readonly units: ByArm<number>;
  /** In the metric's own sense. */
  readonly means: ByArm<number>;
  readonly logHarm: number;
  readonly logPass: number;
  /** Units of the canary in which it happened at all. */
  readonly events: number;
}

export interface Judged extends Finding {
  /** A kill switch fired. */
  readonly kill: boolean;
  readonly metrics: readonly MetricFinding[];
  /** Chance of the shares of the arms; undefined while there are too few keys. */
  readonly sampleRatioP: number | undefined;
}

/** Below, shares of the arms are a defect, not chance. */
const sampleRatioMin = 0.001;
/** Failures in a row before a provider counts as down; until then there is no Pass. */
const troubleMax = 3;
/** Without a new key of the canary for so long, there is no traffic. */
const trafficQuietMs = 3_600_000;

/** What follows from the evidence at this moment. */
export function verdictOn(evidence: Evidence, now: number): Judged {
  const metrics = evidence.metrics.map((of) => findingFor(of, evidence));
  const sampleRatioP = sampleRatioOf(evidence.shares, evidence);
  const overall = firstOf([
    () => killed(evidence, metrics),
    () => worst(metrics, 'Fail'),
    () => stopped(evidence),
    () => notUnderstood(evidence, now),
    () => worst(metrics, 'Error'),
    () => ledgerDown(evidence),
    () => unlikely(sampleRatioP),
    () => silent(evidence, now),
    () => withoutValues(metrics),
    () => tooFew(metrics, 'StableUnhealthy'),
    () => noTraffic(evidence, now, metrics),
    () => tooFew(metrics, 'Immature'),
    () => tooFew(metrics, 'NeedMoreUnits'),
    () => undecided(metrics),
    () => shaky(evidence),
  ]);
  return { ...(overall ?? passed(metrics)), kill: killed(evidence, metrics) !== undefined, metrics, sampleRatioP };
}

function firstOf(findings: readonly (() => Finding | undefined)[]): Finding | undefined {
  for (const find of findings) {
    const found = find();
    if (found) return found;
  }
  return undefined;
}

/** The verdict of one metric, whatever is wrong with the whole. */
function findingFor(of: MetricEvidence, evidence: Evidence): MetricFinding {
  const { metric, comparison } = of;
  const [stable, canary] = [oriented(metric, seen(comparison, 'stable')), oriented(metric, seen(comparison, 'canary'))];
  const { harm, pass } = evidenceOf(comparison);
  const units = { stable: stable.n, canary: canary.n };
  return {
    ...findingOf(of, { pass, peak: comparison.peak, n: units }, evidence),
    metric,
    units,
    means: { stable: stable.mean, canary: canary.mean },
    logHarm: harm,
    logPass: pass,
    events: of.events.canary,
  };
}

/** As people know the metric: the evidence counts what is good. */
const oriented = ({ direction }: JudgedMetric, { n, mean }: { readonly n: number; readonly mean: number }) => ({
  n,
  mean: direction === 'lower' && n > 0 ? 1 - mean : mean,
});

interface Numbers {
  readonly pass: number;
  readonly peak: number;
  readonly n: ByArm<number>;
}

function findingOf(of: MetricEvidence, numbers: Numbers, evidence: Evidence): Finding {
  const { metric, trouble } = of;
  return (
    harmOf(of, numbers, evidence) ??
    uselessOf(of, numbers) ??
    missingUnits(metric, numbers.n, evidence) ??
    vacuous(metric, of.comparison) ??
    (trouble ? running(`the last sample is none: ${trouble.why}`) : proofOf(metric, numbers.pass))
  );
}

function harmOf({ metric, events }: MetricEvidence, { peak }: Numbers, evidence: Evidence): Finding | undefined {
  const { killSwitch, role, alpha } = metric;
  if (killSwitch) {
    const happened = events.canary > 0 || evidence.strikes.canary?.metric === metric.name;
    const why = 'it happened on the canary: once is enough';
    return happened ? { verdict: 'Fail', cause: 'PolicyViolation', why } : undefined;
  }
  if (!(peak >= threshold(alpha.harm))) return undefined;
  const why = `harm: evidence ${peak.toFixed(2)} of ${threshold(alpha.harm).toFixed(2)}`;
  return { verdict: 'Fail', cause: role === 'guardrail' ? 'GuardrailBound' : 'HarmDetected', why };
}

/** Why nothing can be said of it, however many units there are. */
function uselessOf(
  { metric, trouble, broken, comparison }: MetricEvidence,
  { peak, pass }: Numbers,
): Finding | undefined {
  if (broken !== undefined) return { verdict: 'Error', cause: 'ProviderDown', why: broken };
  if (![peak, pass, comparison.stable.sum, comparison.canary.sum].every(Number.isFinite))
    return inconclusive('JudgeDown', 'the evidence is no number');
  if (metric.unjudged !== undefined) return inconclusive('NoData', metric.unjudged);
  if (!trouble || trouble.times < troubleMax) return undefined;
  return trouble.kind === 'Error'
    ? { verdict: 'Error', cause: 'ProviderDown', why: trouble.why }
    : inconclusive('NoData', trouble.why);
}

function proofOf({ killSwitch, alpha, passMargin }: JudgedMetric, pass: number): Finding {
  if (killSwitch) return { verdict: 'Pass', cause: 'Admitted', why: 'it did not happen' };
  const wanted = threshold(alpha.pass);
  const shown = `evidence ${pass.toFixed(2)} of ${wanted.toFixed(2)}`;
  return pass >= wanted
    ? { verdict: 'Pass', cause: 'Admitted', why: `not worse by ${passMargin}: ${shown}` }
    : running(`no harm seen, not yet shown to be within ${passMargin}: ${shown}`);
}

/** Where stable itself does not do better than the margin, no canary could be worse by it: that says nothing. */
function vacuous(
  { killSwitch, direction, passMargin, name }: JudgedMetric,
  { stable }: MetricEvidence['comparison'],
): Finding | undefined {
  if (killSwitch || direction === 'both' || stable.n === 0 || stable.sum / stable.n > passMargin) return undefined;
  return inconclusive(
    'StableUnhealthy',
    `${name} of stable is not above the margin of ${passMargin}: no canary could be worse by it`,
  );
}

function missingUnits({ source, minUnits }: JudgedMetric, n: ByArm<number>, evidence: Evidence): Finding | undefined {
  const [few, least] = n.canary <= n.stable ? (['canary', n.canary] as const) : (['stable', n.stable] as const);
  if (least >= minUnits) return undefined;
  const why = `${least} of ${minUnits} units of the ${few} arm`;
  if (source !== 'ledger') return inconclusive(least === 0 ? 'NoData' : 'NeedMoreUnits', why);
  // Units came, and say nothing of this in one arm only.
  if (least === 0 && Math.max(n.stable, n.canary) >= minUnits && evidence.units[few] >= minUnits)
    return inconclusive('NoData', `no unit of the ${few} arm tells of it`);
  const willDo = least + evidence.open[few] >= minUnits;
  return inconclusive(willDo ? 'Immature' : 'NeedMoreUnits', willDo ? `${why}, the rest is under way` : why);
}

const threshold = (alpha: number): number => Math.log(1 / Math.max(alpha, Number.MIN_VALUE));
const inconclusive = (cause: RolloutReason, why: string): Finding => ({ verdict: 'Inconclusive', cause, why });
const running = (why: string): Finding => ({ verdict: 'Running', cause: 'NeedMoreUnits', why });
const about = ({ metric, verdict, cause, why }: MetricFinding): Finding => ({
  verdict,
  cause,
  why: `${metric.name}: ${why}`,
});
const isShown = ({ role, byDefault, unjudged }: JudgedMetric): boolean =>
  role === 'info' || (byDefault === true && unjudged !== undefined);
const isJudged = ({ metric }: MetricFinding): boolean => !isShown(metric);
const mustPass = ({ metric }: MetricFinding): boolean => metric.role === 'primary' || metric.role === 'critical';

function killed({ strikes }: Evidence, metrics: readonly MetricFinding[]): Finding | undefined {
  const { canary } = strikes;
  if (canary) {
    return { verdict: 'Fail', cause: 'PolicyViolation', why: `${canary.metric}: run ${canary.run} of the canary` };
  }
  const found = metrics.find(({ metric, verdict }) => metric.killSwitch && verdict === 'Fail');
  return found && about(found);
}

function worst(metrics: readonly MetricFinding[], verdict: 'Fail' | 'Error'): Finding | undefined {
  const found = metrics.filter(isJudged).find((metric) => metric.verdict === verdict);
  return found && about(found);
}

const stopped = ({ stopped: by }: Evidence): Finding | undefined =>
  by && { verdict: 'Cancelled', cause: by.cause, why: `the analysis was stopped: ${by.why}` };

function notUnderstood(evidence: Evidence, now: number): Finding | undefined {
  const { unreadable, lastAt, records, startedAt } = evidence;
  if (unreadable > 0) return inconclusive('JudgeDown', `${unreadable} records of the evidence log cannot be read`);
  if (!Number.isFinite(now)) return inconclusive('JudgeDown', 'the clock tells no time');
  if (records > 0 && lastAt > now && isGap(evidence, now))
    return inconclusive('JudgeDown', `the clock went back by ${minutes(lastAt - now)} min`);
  if (startedAt === 0) return inconclusive('NeedMoreUnits', 'the analysis has not begun');
  return undefined;
}

function ledgerDown({ ledger }: Evidence): Finding | undefined {
  return ledger && ledger.times >= troubleMax
    ? { verdict: 'Error', cause: 'ProviderDown', why: `the outcome ledger cannot be asked: ${ledger.why}` }
    : undefined;
}

function unlikely(p: number | undefined): Finding | undefined {
  return p !== undefined && p < sampleRatioMin
    ? inconclusive('SampleRatioMismatch', `shares like these have a chance of ${p.toExponential(1)}`)
    : undefined;
}

function silent({ lastAt }: Evidence, now: number): Finding | undefined {
  return now - lastAt > silenceMaxMs
    ? inconclusive('NoData', `nothing was written for ${minutes(now - lastAt)} min`)
    : undefined;
}

function withoutValues(metrics: readonly MetricFinding[]): Finding | undefined {
  const found = metrics
    .filter(isJudged)
    .find(({ verdict, cause }) => verdict === 'Inconclusive' && (cause === 'NoData' || cause === 'JudgeDown'));
  return found && about(found);
}

function noTraffic({ canaryAt, open }: Evidence, now: number, metrics: readonly MetricFinding[]): Finding | undefined {
  const decided = metrics.filter(mustPass).every(({ verdict }) => verdict === 'Pass');
  if (decided || open.canary > 0 || now - canaryAt <= trafficQuietMs) return undefined;
  return inconclusive('NoTraffic', `no new key got the canary for ${minutes(now - canaryAt)} min`);
}

/** Guardrails of the ledger may have few units: what they tell of is rare. */
function tooFew(metrics: readonly MetricFinding[], cause: RolloutReason): Finding | undefined {
  const found = metrics
    .filter((of) => mustPass(of) || (isJudged(of) && of.metric.source !== 'ledger'))
    .find((of) => of.verdict === 'Inconclusive' && of.cause === cause);
  return found && about(found);
}

function undecided(metrics: readonly MetricFinding[]): Finding | undefined {
  const needed = metrics.filter(mustPass);
  if (needed.length === 0)
    return inconclusive('NeedMoreUnits', 'no metric is primary or critical: nothing can give positive evidence');
  const open = needed.find(({ verdict }) => verdict !== 'Pass');
  return open && about(open);
}

/** A source that failed just now: it counts as down after a few times, and until then nothing passes. */
function shaky({ metrics, ledger }: Evidence): Finding | undefined {
  if (ledger) return running(`the outcome ledger could not be asked: ${ledger.why}`);
  const found = metrics.find(({ metric, trouble }) => !isShown(metric) && trouble);
  return found && running(`${found.metric.name}: the last sample is none: ${found.trouble?.why ?? ''}`);
}

function passed(metrics: readonly MetricFinding[]): Finding {
  const names = metrics.filter(mustPass).map(({ metric }) => metric.name);
  return { verdict: 'Pass', cause: 'Admitted', why: `positive evidence for ${names.join(', ')}` };
}

const minutes = (ms: number): number => Math.round(ms / 60_000);
