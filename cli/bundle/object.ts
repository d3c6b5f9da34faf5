// Owns: one document of a file as an object: its name, and its spec by the schema with the schema's rules; each mistake with its
// place.
import type { z } from 'zod';
import { brokenRules } from './rules.ts';
import type { Mistake, Path, Source } from './source.ts';

export interface Manifest {
  readonly apiVersion?: unknown;
  readonly kind?: unknown;
  readonly metadata?: { readonly name?: unknown };
  readonly spec?: unknown;
  readonly data?: Readonly<Record<string, unknown>>;
}

export const manifestOf = ({ value }: Source): Manifest => (typeof value === 'object' && value !== null ? value : {});

/** What is wrong with its name and its spec. In a cluster the API server says so; a file has only us. */
export function mistakesIn(source: Source, schema: z.ZodType): readonly Mistake[] {
  const { metadata, spec } = manifestOf(source);
  const name = metadata?.name;
  if (typeof name !== 'string' || !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) {
    const message = `metadata.name: found ${JSON.stringify(name)}; allowed: a name of at most 63 small letters, digits and "-"`;
    return [{ place: source.placeOf(['metadata', 'name']), message }];
  }
  const at = (path: Path, message: string): Mistake => ({
    place: source.placeOf(['spec', ...path]),
    message: `${fieldOf(['spec', ...path])}: ${message}`,
  });
  const parsed = schema.safeParse(spec);
  if (!parsed.success) return parsed.error.issues.map(({ path, message }) => at(path as Path, message));
  const unknown = unknownIn(spec, parsed.data);
  if (unknown.length > 0) return unknown.map((path) => at(path, 'found a field that the schema does not have'));
  return brokenRules(schema, spec).map(({ path, message }) => at(path, message));
}

export const fieldOf = (path: Path): string =>
  path.map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`)).join('');

/** Paths of members that parsing left out. */
function unknownIn(given: unknown, parsed: unknown, path: Path = []): readonly Path[] {
  if (typeof given !== 'object' || given === null || typeof parsed !== 'object' || parsed === null) return [];
  const known = parsed as Readonly<Record<string, unknown>>;
  return Object.entries(given).flatMap(([name, value]) => {
    const step = Array.isArray(given) ? Number(name) : name;
    return name in known ? unknownIn(value, known[name], [...path, step]) : [[...path, step]];
  });
}
