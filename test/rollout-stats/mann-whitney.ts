// Owns: the classification of Kayenta's judge (NetflixACAJudge), written from its formula: a Mann-Whitney interval at 98 %, for
// experiment − control, is compared with a quarter of the Hodges-Lehmann estimate. As in R's wilcox.test without exact ranks; roots by
// Brent's method with Kayenta's tolerance, since with few distinct values it decides on which side of a step they lie.

const z98 = 2.3263478740408408;
const tolerance = 0.25;
const rootTolerance = 1e-6;

type Histogram = readonly (readonly [value: number, count: number])[];

export function classify(
  experiment: readonly number[],
  control: readonly number[],
): 'High' | 'Low' | 'Pass' | 'Nodata' {
  if (experiment.length === 0 || control.length === 0) return 'Nodata';
  if (new Set([...experiment, ...control]).size === 1) return 'Pass';
  const [x, y] = [histogram(experiment), histogram(control)];
  const values = [...experiment, ...control];
  // The difference lies between these: where the statistic does not cross, the end of the range counts.
  const range = {
    low: Math.min(...x.map(first)) - Math.max(...y.map(first)),
    high: Math.max(...x.map(first)) - Math.min(...y.map(first)),
  };
  const sizes = { x: experiment.length, y: control.length, all: values.length };
  const root = (z: number, correct: boolean): number =>
    crossing(range, (shift) => statistic(x, y, { shift, sizes, correct }) - z);
  const [low, high, estimate] = [root(z98, true), root(-z98, true), root(0, false)];
  const critical = tolerance * Math.abs(estimate);
  if (low > critical) return 'High';
  return high < -critical ? 'Low' : 'Pass';
}

const first = ([value]: readonly [number, number]): number => value;

function histogram(values: readonly number[]): Histogram {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts];
}

interface At {
  readonly shift: number;
  readonly sizes: { readonly x: number; readonly y: number; readonly all: number };
  readonly correct: boolean;
}

/** Standardised rank sum of x − shift against y. */
function statistic(x: Histogram, y: Histogram, { shift, sizes, correct }: At): number {
  let wins = 0;
  const ties = new Map<number, number>(y);
  for (const [value, count] of x) {
    const shifted = value - shift;
    ties.set(shifted, (ties.get(shifted) ?? 0) + count);
    for (const [other, times] of y) wins += count * times * (shifted > other ? 1 : shifted === other ? 0.5 : 0);
  }
  let tied = 0;
  for (const count of ties.values()) tied += count ** 3 - count;
  const { all } = sizes;
  const variance = ((sizes.x * sizes.y) / 12) * (all + 1 - tied / (all * (all - 1)));
  const off = wins - (sizes.x * sizes.y) / 2;
  return (off - (correct ? Math.sign(off) * 0.5 : 0)) / Math.sqrt(Math.max(variance, Number.MIN_VALUE));
}

/** Where a function that falls crosses zero; an end of the range where it does not. */
function crossing(
  { low, high }: { readonly low: number; readonly high: number },
  f: (shift: number) => number,
): number {
  if (f(low) <= 0) return low;
  if (f(high) >= 0) return high;
  return brent(f, low, high);
}

/** Brent, Algorithms for Minimization Without Derivatives, chapter 4: `best` is the best guess, `other` has the other sign. */
function brent(f: (x: number) => number, low: number, high: number): number {
  let [last, best, other] = [low, high, low];
  let [fLast, fBest, fOther] = [f(low), f(high), f(low)];
  for (let round = 0; round < 1_000; round += 1) {
    if (Math.abs(fOther) < Math.abs(fBest)) {
      [last, best, other] = [best, other, best];
      [fLast, fBest, fOther] = [fBest, fOther, fBest];
    }
    const least = 2 * Number.EPSILON * Math.abs(best) + rootTolerance / 2;
    const half = (other - best) / 2;
    if (Math.abs(half) <= least || fBest === 0) return best;
    const before = best - last;
    let step = half;
    if (Math.abs(before) >= least && Math.abs(fLast) > Math.abs(fBest)) {
      const { p, q } = interpolated({ last, best, other }, { fLast, fBest, fOther });
      const fits = p < 0.75 * (other - best) * q - Math.abs(least * q) / 2 && p < Math.abs((before * q) / 2);
      if (fits) step = p / q;
    }
    if (Math.abs(step) < least) step = step > 0 ? least : -least;
    [last, fLast] = [best, fBest];
    best += step;
    fBest = f(best);
    if (fBest > 0 === fOther > 0 && fBest !== 0) [other, fOther] = [last, fLast];
  }
  return best;
}

interface Points {
  readonly last: number;
  readonly best: number;
  readonly other: number;
}

/** The step p / q: linear between two points, inverse quadratic between three; p is never negative. */
function interpolated(
  { last, best, other }: Points,
  { fLast, fBest, fOther }: { readonly fLast: number; readonly fBest: number; readonly fOther: number },
): { readonly p: number; readonly q: number } {
  const width = other - best;
  let p: number;
  let q: number;
  if (last === other) {
    const s = fBest / fLast;
    [p, q] = [width * s, 1 - s];
  } else {
    const [a, b, c] = [fLast / fOther, fBest / fOther, fBest / fLast];
    p = c * (width * a * (a - b) - (best - last) * (b - 1));
    q = (a - 1) * (b - 1) * (c - 1);
  }
  return p > 0 ? { p, q: -q } : { p: -p, q };
}
