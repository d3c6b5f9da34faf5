// Owns: durations as a spec writes them (`500ms`, `10s`, `1h30m`, `3d`) in milliseconds.
const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** What was read already: specs have few durations, and runs ask for them all the time. */
const read = new Map<string, number | undefined>();
const readMax = 1_000;

/** Milliseconds; `fallbackMs` when absent or not a duration (the schema admits only durations). */
export function durationMs(text: string | undefined, fallbackMs: number): number {
  if (text === undefined) return fallbackMs;
  if (!read.has(text)) {
    if (read.size >= readMax) read.clear();
    read.set(text, parse(text));
  }
  return read.get(text) ?? fallbackMs;
}

function parse(text: string): number | undefined {
  if (!/^([0-9]{1,9}(ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9]+)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (units[unit ?? ''] ?? 0);
  }
  return total;
}
