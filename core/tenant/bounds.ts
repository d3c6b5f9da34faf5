// Owns: what a namespace may have and do at most, as its platform team declares it: annotations of the Namespace, or settings of
// the engine where it has none.

export interface TenantBounds {
  /** Runs that have not ended. */
  readonly openRuns?: number;
  readonly startsPerMinute?: number;
}

export const tenantAnnotations = {
  openRuns: 'signalbox.dev/max-open-runs',
  startsPerMinute: 'signalbox.dev/max-starts-per-minute',
} as const;
export const boundMax = 10_000_000;

export interface ReadBounds {
  readonly bounds: TenantBounds;
  /** One sentence for each annotation that cannot be read; the engine's setting holds instead. */
  readonly problems: readonly string[];
}

export function readBounds(annotations: Readonly<Record<string, string>>): ReadBounds {
  const bounds: { -readonly [Name in keyof TenantBounds]: TenantBounds[Name] } = {};
  const problems: string[] = [];
  for (const name of ['openRuns', 'startsPerMinute'] as const) {
    const key = tenantAnnotations[name];
    const found = annotations[key];
    if (found === undefined) continue;
    const value = /^\d{1,8}$/.test(found) ? Number(found) : Number.NaN;
    if (value >= 1 && value <= boundMax) bounds[name] = value;
    else problems.push(`${key}: found "${found.slice(0, 64)}"; allowed: a whole number from 1 to ${boundMax}`);
  }
  return { bounds, problems };
}
