// Owns: durations as a spec writes them (`500ms`, `10s`, `1h30m`, `3d`) in milliseconds.
const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds; `fallbackMs` when absent or not a duration (the schema admits only durations). */
export function durationMs(text: string | undefined, fallbackMs: number): number {
  if (text === undefined || !/^([0-9]{1,9}(ms|s|m|h|d))+$/.test(text)) return fallbackMs;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9]+)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (units[unit ?? ''] ?? 0);
  }
  return total;
}
