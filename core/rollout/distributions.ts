// Owns: the few distributions that evidence needs: chi-square, exact bounds of a rate, an interval for a difference. All results
// are finite and within their range, for any counts.

const epsilon = 1e-14;
const tiny = 1e-300;
const iterationsMax = 10_000;

/** Chance that chi-square with so many degrees of freedom is at least `x`. */
export function chiSquareAbove(x: number, degrees: number): number {
  if (!(x > 0) || degrees <= 0) return 1;
  return clamp01(upperGamma(degrees / 2, x / 2));
}

/**
 * Upper bound of a rate of which `events` were seen in `n` units (Clopper and Pearson): a higher rate would have shown more, with
 * this confidence.
 */
export function rateBelow(events: number, n: number, confidence = 0.95): number {
  if (n <= 0 || events >= n) return 1;
  if (events <= 0) return 1 - (1 - confidence) ** (1 / n);
  let [low, high] = [events / n, 1];
  for (let step = 0; step < 60; step += 1) {
    const rate = (low + high) / 2;
    // Chance of at most `events` events.
    if (beta(1 - rate, n - events, events + 1) > 1 - confidence) low = rate;
    else high = rate;
  }
  return clamp01(high);
}

export interface Seen {
  readonly n: number;
  readonly mean: number;
}

/** 95 % interval of `other` − `one` (Newcombe, from Wilson's), for people: for values from 0 to 1 it is wide enough, for one look. */
export function differenceInterval(one: Seen, other: Seen): readonly [number, number] {
  if (one.n === 0 || other.n === 0) return [-1, 1];
  const [a, b] = [wilson(one), wilson(other)];
  const difference = other.mean - one.mean;
  const low = difference - Math.hypot(other.mean - b[0], a[1] - one.mean);
  const high = difference + Math.hypot(b[1] - other.mean, one.mean - a[0]);
  return [Math.max(-1, low), Math.min(1, high)];
}

function wilson({ n, mean }: Seen): readonly [number, number] {
  const z = 1.959963984540054;
  const middle = (mean + z ** 2 / (2 * n)) / (1 + z ** 2 / n);
  const half = (z / (1 + z ** 2 / n)) * Math.sqrt((mean * (1 - mean)) / n + z ** 2 / (4 * n ** 2));
  return [middle - half, middle + half];
}

const clamp01 = (x: number): number => (x > 0 ? Math.min(1, x) : 0);

/** Lanczos, g = 7. */
function lnGamma(x: number): number {
  const coefficients = [
    676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
    -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
  ];
  let sum = 0.9999999999998099;
  for (const [at, coefficient] of coefficients.entries()) sum += coefficient / (x + at);
  const t = x + 6.5;
  return 0.9189385332046727 + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Regularised upper incomplete gamma. */
function upperGamma(a: number, x: number): number {
  const scale = Math.exp(a * Math.log(x) - x - lnGamma(a));
  if (x < a + 1) {
    let [term, sum] = [1 / a, 1 / a];
    for (let n = 1; n < iterationsMax && term > sum * epsilon; n += 1) {
      term *= x / (a + n);
      sum += term;
    }
    return 1 - scale * sum;
  }
  let b = x + 1 - a;
  let [c, d] = [1 / tiny, 1 / b];
  let h = d;
  for (let n = 1; n < iterationsMax; n += 1) {
    const numerator = -n * (n - a);
    b += 2;
    d = 1 / away(numerator * d + b);
    c = away(b + numerator / c);
    h *= d * c;
    if (Math.abs(d * c - 1) < epsilon) break;
  }
  return scale * h;
}

/** Regularised incomplete beta. */
function beta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const scale = Math.exp(lnGamma(a + b) - lnGamma(a) - lnGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return x < (a + 1) / (a + b + 2) ? (scale * betaFraction(x, a, b)) / a : 1 - (scale * betaFraction(1 - x, b, a)) / b;
}

function betaFraction(x: number, a: number, b: number): number {
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let h = d;
  for (let m = 1; m < iterationsMax; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    h *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    h *= d * c;
    if (Math.abs(d * c - 1) < epsilon) break;
  }
  return h;
}

/** Never zero: what follows divides by it. */
const away = (x: number): number => (Math.abs(x) < tiny ? tiny : x);
