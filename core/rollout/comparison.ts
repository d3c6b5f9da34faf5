// Owns: the anytime-valid comparison of two arms over units with a value from 0 to 1, where 1 is good.
//   E1: a block is what was assigned between two moments that the arms alone decide, never the values.
//   E2: while no unit of the canary is worse than stable by more than the margin, the expected factor of each block is at most 1,
//       whatever the values depend on before it. So the product exceeds 1/alpha at any time with a chance of alpha at most.
//   E3: units of the canary that have no stable ones beside them, as after a promotion, are compared with the mean that stable had:
//       harm is to be worse than it by more than both margins, since times may have changed.
//   E4: every number is finite.
// With q for the estimates of the past and r for the point of the null that is nearest to them (Kullback-Leibler, weighted by
// units), the factor is the product of y q/r + (1-y)(1-q)/(1-r): linear in each y, so that only means matter.
// After Turner, Ly, Grünwald (arXiv 2106.02693) and Turner, Grünwald (arXiv 2203.09785).
import type { Arm } from '../../api/messages/rollout.ts';

export interface Tally {
  n: number;
  sum: number;
}

/** Logarithms of the evidence that the canary is worse by more than the abort margin, and that it is not worse by the pass margin. */
export interface Bet {
  harm: number;
  pass: number;
}

/** Units of the canary without stable ones beside them. */
export interface Alone extends Tally {
  down: number;
  up: number;
}

export interface Margins {
  readonly abortMargin: number;
  readonly passMargin: number;
}

export interface Comparison {
  readonly stable: Tally;
  readonly canary: Tally;
  /** Values of the block that is not complete. */
  readonly block: Record<Arm, number[]>;
  readonly down: Bet;
  /** Only of a metric with two sides: the same with high and low exchanged. */
  readonly up?: Bet;
  readonly alone: Alone;
  /** The highest that the evidence of harm ever was: harm that was shown stays shown. */
  peak: number;
}

/** Units of each arm that complete a block: with 1, blocks in a random order have worse proportions and say less. */
const blockUnits = 3;
/** More of stable are not compared, only averaged. */
const blockUnitsMax = 512;
/** Units of the canary that wait for stable ones to complete their block; those after them are alone. */
const waitingMax = 64;
/** Fewer of stable have no mean to compare with. */
const stableMin = 20;
/** Part of the chance of a false alarm that is kept for units alone. */
const aloneShare = 0.1;
const marginMax = 0.999;
const logMax = 1e6;
const bisections = 48;

const noBet = (): Bet => ({ harm: 0, pass: 0 });

export function newComparison(twoSided: boolean): Comparison {
  return {
    stable: { n: 0, sum: 0 },
    canary: { n: 0, sum: 0 },
    block: { stable: [], canary: [] },
    down: noBet(),
    ...(twoSided ? { up: noBet() } : {}),
    alone: { n: 0, sum: 0, down: 0, up: 0 },
    peak: 0,
  };
}

export function copyComparison({ stable, canary, block, down, up, alone, peak }: Comparison): Comparison {
  return {
    stable: { ...stable },
    canary: { ...canary },
    block: { stable: [...block.stable], canary: [...block.canary] },
    down: { ...down },
    ...(up === undefined ? {} : { up: { ...up } }),
    alone: { ...alone },
    peak,
  };
}

/** Takes one more unit, in the order of assignment. The value must be from 0 to 1. */
export function addUnit(comparison: Comparison, margins: Margins, { arm, y }: { arm: Arm; y: number }): void {
  const { block } = comparison;
  if (block[arm].length >= (arm === 'canary' ? waitingMax : blockUnitsMax)) {
    if (arm === 'canary') takeAlone(comparison, margins, y);
    tally(comparison[arm], [y]);
    return;
  }
  block[arm].push(y);
  if (block.stable.length >= blockUnits && block.canary.length >= blockUnits) closeBlock(comparison, margins);
}

/** A sample of both arms at once is a block of its own. */
export function addPair(comparison: Comparison, margins: Margins, pair: Readonly<Record<Arm, number>>): void {
  comparison.block.stable.push(pair.stable);
  comparison.block.canary.push(pair.canary);
  closeBlock(comparison, margins);
}

function closeBlock(comparison: Comparison, margins: Margins): void {
  const { stable, canary, block, down, up } = comparison;
  const past = { stable: estimate(stable), canary: estimate(canary) };
  bet(down, { past, block, margins });
  if (up) bet(up, { past: mirrored(past), block: { stable: flip(block.stable), canary: flip(block.canary) }, margins });
  comparison.peak = Math.max(comparison.peak, evidenceOf(comparison).harm);
  tally(stable, block.stable);
  tally(canary, block.canary);
  block.stable.length = 0;
  block.canary.length = 0;
}

function takeAlone(comparison: Comparison, { abortMargin, passMargin }: Margins, y: number): void {
  const { alone, stable, up } = comparison;
  if (stable.n < stableMin) return;
  const [mean, margin] = [estimate(stable), Math.max(abortMargin, passMargin)];
  const own = (alone.sum + 2 * mean) / (alone.n + 2);
  alone.down = bounded(alone.down + aloneFactor(y, own, mean - margin));
  if (up) alone.up = bounded(alone.up + aloneFactor(1 - y, 1 - own, 1 - mean - margin));
  tally(alone, [y]);
  comparison.peak = Math.max(comparison.peak, evidenceOf(comparison).harm);
}

/** Against means of `least` and above. */
const aloneFactor = (y: number, own: number, least: number): number => (own < least ? logFactor([y], own, least) : 0);

interface Round {
  readonly past: Readonly<Record<Arm, number>>;
  readonly block: Readonly<Record<Arm, readonly number[]>>;
  readonly margins: Margins;
}

function bet(on: Bet, { past, block, margins }: Round): void {
  const difference = past.stable - past.canary;
  const weights = { stable: block.stable.length, canary: block.canary.length };
  const factor = (margin: number): number => {
    const null_ = nearest(past, weights, margin);
    return logFactor(block.stable, past.stable, null_.stable) + logFactor(block.canary, past.canary, null_.canary);
  };
  const abort = Math.min(margins.abortMargin, marginMax);
  const pass = Math.min(margins.passMargin, marginMax);
  // An estimate within the null bets nothing.
  if (difference > abort) on.harm = bounded(on.harm + factor(abort));
  if (difference < pass) on.pass = bounded(on.pass + factor(pass));
}

/** The point with stable − canary = margin that is nearest to the estimates, by Kullback-Leibler weighted with the units. */
export function nearest(
  past: Readonly<Record<Arm, number>>,
  weights: Readonly<Record<Arm, number>>,
  margin: number,
): Readonly<Record<Arm, number>> {
  if (margin === 0) {
    const mean = (weights.stable * past.stable + weights.canary * past.canary) / (weights.stable + weights.canary);
    return { stable: mean, canary: mean };
  }
  let [low, high] = [0, 1 - margin];
  for (let step = 0; step < bisections; step += 1) {
    const canary = (low + high) / 2;
    const slope =
      weights.stable * slopeAt(past.stable, canary + margin) + weights.canary * slopeAt(past.canary, canary);
    if (slope > 0) high = canary;
    else low = canary;
  }
  const canary = (low + high) / 2;
  return { stable: canary + margin, canary };
}

/** Derivative of the divergence of q from r, by r. */
const slopeAt = (q: number, r: number): number => (1 - q) / (1 - r) - q / r;

function logFactor(values: readonly number[], q: number, r: number): number {
  const [hit, miss] = [q / r, (1 - q) / (1 - r)];
  let sum = 0;
  for (const y of values) sum += Math.log(miss + y * (hit - miss));
  return sum;
}

/** The mean of the past, drawn towards one half by two units: never 0 or 1. */
const estimate = ({ n, sum }: Tally): number => (sum + 1) / (n + 2);
const mirrored = ({ stable, canary }: Readonly<Record<Arm, number>>) => ({ stable: 1 - stable, canary: 1 - canary });
const flip = (values: readonly number[]): readonly number[] => values.map((y) => 1 - y);
const bounded = (log: number): number => Math.max(-logMax, Math.min(logMax, log));

function tally(of: Tally, values: readonly number[]): void {
  of.n += values.length;
  for (const y of values) of.sum += y;
}

/** Units taken and their mean, those of the open block among them. */
export function seen(comparison: Comparison, arm: Arm): { readonly n: number; readonly mean: number } {
  const block = comparison.block[arm];
  const n = comparison[arm].n + block.length;
  const sum = block.reduce((total, y) => total + y, comparison[arm].sum);
  return { n, mean: n === 0 ? 0 : sum / n };
}

/** Logarithms of the evidence over all sides: for harm their average, for no harm the weaker one. */
export function evidenceOf({ down, up, alone }: Comparison): Bet {
  const beside = up ? mixed(down.harm, up.harm, 0.5) : down.harm;
  const harmAlone = up ? mixed(alone.down, alone.up, 0.5) : alone.down;
  return {
    harm: mixed(beside, harmAlone, aloneShare),
    pass: up ? Math.min(down.pass, up.pass) : down.pass,
  };
}

/** An average of evidence is evidence. */
function mixed(one: number, other: number, share: number): number {
  const high = Math.max(one, other);
  return high + Math.log((1 - share) * Math.exp(one - high) + share * Math.exp(other - high));
}
