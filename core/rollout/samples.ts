// Owns: what a sample of a provider is worth: one value per arm, or why it is none. What is missing is never good.
import type { SampledArm } from '../../api/messages/evidence.ts';

/** A sample that rests on older values than this is none. */
export const staleMs = 300_000;

export interface Worthless {
  /** Error: the answer makes no sense. NoData: there is nothing in it. */
  readonly kind: 'Error' | 'NoData';
  readonly why: string;
}

/** numerator / denominator, from 0 to 1. */
export function readSample(sample: SampledArm, at: number): number | Worthless {
  const gone = whatIsMissing(sample, at);
  if (gone !== undefined) return { kind: 'NoData', why: gone };
  const [numerator, denominator] = [numberOf(sample.numerator), numberOf(sample.denominator)];
  if (Number.isNaN(numerator) || Number.isNaN(denominator)) {
    return { kind: 'NoData', why: `${sample.numerator} of ${sample.denominator}: NaN is no number` };
  }
  if (denominator === 0) return { kind: 'NoData', why: `${sample.numerator} of 0: nothing was counted` };
  const value = numerator / denominator;
  if (!(value >= 0 && value <= 1) || !Number.isFinite(denominator)) {
    return {
      kind: 'Error',
      why: `${sample.numerator} of ${sample.denominator}: a share is from 0 to 1, of a finite number`,
    };
  }
  return value;
}

function whatIsMissing({ numerator, denominator, takenAt, instances }: SampledArm, at: number): string | undefined {
  if (numerator === undefined || numerator.trim() === '') return 'the numerator is empty';
  if (denominator === undefined || denominator.trim() === '') return 'the denominator is empty';
  if (takenAt !== undefined && at - takenAt > staleMs) return `the newest value is ${seconds(at - takenAt)} s old`;
  if (takenAt !== undefined && takenAt - at > staleMs)
    return `the newest value is ${seconds(takenAt - at)} s in the future`;
  if (instances && instances.seen < instances.expected)
    return `${instances.seen} of ${instances.expected} instances told their numbers`;
  if (instances?.expected === 0) return 'no instance was asked';
  return undefined;
}

const seconds = (ms: number): number => Math.round(ms / 1_000);
/** As Prometheus writes it. */
const numberOf = (text: string | undefined): number => Number(text?.trim().replace(/Inf$/, 'Infinity'));
