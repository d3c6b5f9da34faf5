// Owns: what the judge says of a rollout: the verdict, and the numbers that people see. An error in here is a verdict, too.
import { differenceInterval, rateBelow } from './distributions.ts';
import { type Evidence, evidenceDigest } from './evidence.ts';
import { assigned } from './ratio.ts';
import type { Judgement } from './seen.ts';
import { type Judged, type MetricFinding, verdictOn } from './verdict.ts';

/** A judgement with all its numbers. */
export type FullJudgement = { readonly [Part in keyof Judgement]-?: NonNullable<Judgement[Part]> };

export function judge(evidence: Evidence, now: number): FullJudgement {
  try {
    return said(evidence, verdictOn(evidence, now));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    // What the canary did needs no computation.
    const strike = evidence.strikes.canary;
    return {
      verdict: strike === undefined ? 'Inconclusive' : 'Fail',
      cause: strike === undefined ? 'JudgeDown' : 'PolicyViolation',
      why: `${strike === undefined ? '' : `${strike.metric}: it happened on the canary; `}the judge failed: ${why}`.slice(
        0,
        512,
      ),
      kill: strike !== undefined,
      units: 0,
      samples: { stable: 0, canary: 0, excluded: 0 },
      metrics: [],
      evidence: { seq: evidence.records, digest: '' },
    };
  }
}

function said(evidence: Evidence, { verdict, cause, why, kill, metrics, sampleRatioP }: Judged): FullJudgement {
  return {
    verdict,
    cause,
    why,
    kill,
    units: evidence.units.canary,
    samples: {
      ...evidence.units,
      excluded: assigned(evidence.shares).excluded,
      ...(sampleRatioP === undefined ? {} : { sampleRatioP: decimal(sampleRatioP) }),
    },
    metrics: metrics.map(shown),
    evidence: { seq: evidence.records, digest: evidenceDigest(evidence) },
  };
}

/** A metric as the status tells of it. */
function shown(of: MetricFinding): FullJudgement['metrics'][number] {
  const { metric, verdict, units, means, logHarm, logPass } = of;
  const seen = (arm: 'stable' | 'canary') => ({ n: units[arm], mean: means[arm] });
  return {
    name: metric.name,
    verdict,
    cause: `${of.why}${bound(of)}`.slice(0, 256),
    units: [units.stable, units.canary],
    means: [decimal(means.stable), decimal(means.canary)],
    interval: differenceInterval(seen('stable'), seen('canary')).map(decimal),
    logHarm: decimal(logHarm),
    logPass: decimal(logPass),
  };
}

/** What happens rarely, or never: how often it may happen for all that was seen. */
function bound({ metric, units, events }: MetricFinding): string {
  if (metric.of !== 'criticalViolation' && metric.of !== 'minorViolation') return '';
  const percent = (100 * rateBelow(events, units.canary)).toFixed(2);
  return `; ${events} of ${units.canary} units of the canary, so at most ${percent} % (95 % confidence)`;
}

/** Four digits are enough for people; floats are no part of an object. */
const decimal = (value: number): string => String(Number(value.toPrecision(4)));
