// Owns: how times, spans, money and sizes are said to people.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `38ms`, `0.4s`, `12s`, `3m4s`, `2h5m`, `3d4h`: two units at most. */
export function span(ms: number): string {
  const value = Math.max(0, ms);
  if (value > 0 && value < 100) return `${Math.max(1, Math.round(value))}ms`;
  if (value < 10 * SECOND) return `${trim((value / SECOND).toFixed(1))}s`;
  if (value < MINUTE) return `${Math.floor(value / SECOND)}s`;
  if (value < HOUR) return two(value, MINUTE, 'm', SECOND, 's');
  if (value < DAY) return two(value, HOUR, 'h', MINUTE, 'm');
  return two(value, DAY, 'd', HOUR, 'h');
}

function two(value: number, ...units: [big: number, bigName: string, small: number, smallName: string]): string {
  const [big, bigName, small, smallName] = units;
  const rest = Math.floor((value % big) / small);
  return `${Math.floor(value / big)}${bigName}${rest === 0 ? '' : `${rest}${smallName}`}`;
}

function trim(number: string): string {
  return number.replace(/\.0$/, '');
}

/** As `span`, in one unit: for the AGE column. */
export function age(ms: number): string {
  const value = Math.max(0, ms);
  if (value < 2 * MINUTE) return `${Math.floor(value / SECOND)}s`;
  if (value < 2 * HOUR) return `${Math.floor(value / MINUTE)}m`;
  if (value < 2 * DAY) return `${Math.floor(value / HOUR)}h`;
  return `${Math.floor(value / DAY)}d`;
}

/** Offset within a run: `+0.012s`, `+12.3s`, `+3m04s`, `+2h05m`. */
export function offset(ms: number): string {
  const value = Math.max(0, ms);
  if (value < 10 * SECOND) return `+${(value / SECOND).toFixed(3)}s`;
  if (value < MINUTE) return `+${(value / SECOND).toFixed(1)}s`;
  const small = (n: number): string => String(Math.floor(n)).padStart(2, '0');
  if (value < HOUR) return `+${Math.floor(value / MINUTE)}m${small((value % MINUTE) / SECOND)}s`;
  if (value < DAY) return `+${Math.floor(value / HOUR)}h${small((value % HOUR) / MINUTE)}m`;
  return `+${Math.floor(value / DAY)}d${small((value % DAY) / HOUR)}h`;
}

/** `$0.0123` from millionths: two to four digits, and six below a hundredth of a cent. */
export function money(micros: number): string {
  if (micros === 0) return '$0';
  if (micros < 100) return `$${(micros / 1e6).toFixed(6)}`;
  const [units = '0', digits = ''] = (micros / 1e6).toFixed(4).split('.');
  return `$${units.replaceAll(/\B(?=(\d{3})+$)/g, ',')}.${digits.replace(/0{1,2}$/, '')}`;
}

export function mebibytes(value: number | undefined): string {
  return value === undefined ? '-' : `${Math.round(value)} MiB`;
}

/** `in 4m12s`, or `2m ago`. */
export function until(at: number, now: number): string {
  return at >= now ? `in ${span(at - now)}` : `${span(now - at)} ago`;
}

/** `2026-11-23 06:12:31Z`. */
export function moment(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: SECOND, m: MINUTE, h: HOUR, d: DAY };

/** Milliseconds of `500ms`, `10s`, `1h30m`, `3d`; undefined when it is none. */
export function parseSpan(text: string): number | undefined {
  if (!/^([0-9]{1,9}(ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9]+)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (durationUnits[unit ?? ''] ?? 0);
  }
  return total;
}

/** `1 effect`, `2 effects`. */
export const counted = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;
