// Owns: what few trials say: intervals of a share, and the chance that k trials all pass.

/** Two-sided 95 % of the normal distribution. */
const z95 = 1.959_963_984_540_054;

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Wilson's score interval of a share, 95 %. Without trials nothing is known: 0 to 1. */
export function wilson(passed: number, trials: number): Interval {
  if (trials <= 0) return { low: 0, high: 1 };
  const share = passed / trials;
  const z2 = z95 * z95;
  const middle = share + z2 / (2 * trials);
  const half = z95 * Math.sqrt((share * (1 - share)) / trials + z2 / (4 * trials * trials));
  const scale = 1 + z2 / trials;
  return { low: Math.max(0, (middle - half) / scale), high: Math.min(1, (middle + half) / scale) };
}

/**
 * pass^k of one scenario: the chance that k trials drawn from those that were played all passed, C(passed, k) / C(trials, k).
 * Undefined when fewer than k were played.
 */
export function passPower(passed: number, trials: number, k: number): number | undefined {
  if (k < 1 || trials < k) return undefined;
  let chance = 1;
  for (let drawn = 0; drawn < k; drawn += 1) chance *= Math.max(0, passed - drawn) / (trials - drawn);
  return chance;
}

/** Undefined for none. */
export const mean = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
