// Owns: CEL for guards, keys, approval conditions, verifier rules, scripted models and templates. JSON in, JSON out.
//   C1: an expression names only declared variables; a missing key is an error, never a default.
//   C2: evaluation is pure, bounded (see expression.ts) and never throws.
//   C3: integral JSON numbers are ints; arithmetic and comparison may mix int and double.
import { celEnv, celFunc, type CelInput, CelScalar, isCelError, parse, plan } from '@bufbuild/cel';
import { strings } from '@bufbuild/cel/ext';
import { meterExpression, meteringFunctions, resetBudget } from './expression.ts';
import { splitTemplate } from './template.ts';
import { fromCel, toCel } from './values.ts';

export type Value = { readonly kind: 'Value'; readonly value: unknown };
export type Failure = { readonly kind: 'Error'; readonly message: string };
export type Bindings = Readonly<Record<string, unknown>>;
export interface Program {
  readonly kind: 'Program';
  /** Each declared variable that the expression reads must be bound. */
  readonly evaluate: (bindings: Bindings) => Value | Failure;
}

/** Characters of an expression; the schemas allow less. */
const sourceMax = 4096;
/** Sources that are kept, and sets of variables of each. */
const cacheMax = 1_000;
const variantsMax = 16;
const cache = new Map<string, Map<string, Program | Failure>>();

const { DOUBLE, INT } = CelScalar;
const mixed = (operator: string, apply: (left: number, right: number) => number) => [
  celFunc(operator, [INT, DOUBLE], DOUBLE, (left, right) => apply(Number(left), right)),
  celFunc(operator, [DOUBLE, INT], DOUBLE, (left, right) => apply(left, Number(right))),
];
const env = celEnv({
  funcs: [
    ...strings,
    ...mixed('_+_', (left, right) => left + right),
    ...mixed('_-_', (left, right) => left - right),
    ...mixed('_*_', (left, right) => left * right),
    ...mixed('_/_', (left, right) => left / right),
    ...meteringFunctions,
  ],
});

/** Parses and checks once; equal sources with equal variables share one program (at most 1,000 sources are kept). */
export function compile(source: string, variables: readonly string[]): Program | Failure {
  const variants = cache.get(source) ?? new Map<string, Program | Failure>();
  const names = variables.join(',');
  const known = variants.get(names);
  if (known !== undefined) return known;
  const compiled = compileAnew(source, variables);
  if (variants.size === 0 && cache.size >= cacheMax) cache.delete(cache.keys().next().value ?? '');
  if (variants.size >= variantsMax) variants.clear();
  cache.set(source, variants.set(names, compiled));
  return compiled;
}

function compileAnew(source: string, variables: readonly string[]): Program | Failure {
  if (source.length > sourceMax) {
    return { kind: 'Error', message: `expression has ${source.length} characters; allowed are at most ${sourceMax}` };
  }
  try {
    const { expression, reads, problems } = meterExpression(parse(source).expr, variables, env);
    if (problems.length > 0) return { kind: 'Error', message: problems.join('; ') };
    const run = plan(env, expression);
    return { kind: 'Program', evaluate: (bindings) => evaluate(run, reads, bindings) };
  } catch (error) {
    return { kind: 'Error', message: reason(error) };
  }
}

function evaluate(run: ReturnType<typeof plan>, reads: readonly string[], bindings: Bindings): Value | Failure {
  try {
    const bound: Record<string, CelInput> = {};
    for (const name of reads) {
      const value = Object.hasOwn(bindings, name) ? bindings[name] : undefined;
      if (value === undefined) return { kind: 'Error', message: `"${name}" has no value here` };
      bound[name] = toCel(value);
    }
    resetBudget();
    const result = run(bound);
    if (isCelError(result)) return { kind: 'Error', message: reason(result) };
    return { kind: 'Value', value: fromCel(result) };
  } catch (error) {
    return { kind: 'Error', message: reason(error) };
  }
}

function reason(error: unknown): string {
  if (error instanceof RangeError) return 'expression is nested too deeply';
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^<input>:/, 'syntax error at ');
}

/** Compiles with the names of `bindings` as variables and evaluates; a result that is no bool is an error. */
export function evaluateBoolean(
  source: string,
  bindings: Bindings,
): { readonly ok: true; readonly value: boolean } | { readonly ok: false; readonly message: string } {
  const result = evaluateValue(source, bindings);
  if (result.kind === 'Error') return { ok: false, message: result.message };
  if (typeof result.value === 'boolean') return { ok: true, value: result.value };
  return { ok: false, message: `the result must be true or false, found ${typeName(result.value)}: ${source}` };
}

/** Compiles with the names of `bindings` as variables and evaluates. */
export function evaluateValue(source: string, bindings: Bindings): Value | Failure {
  const program = compile(source, Object.keys(bindings));
  return program.kind === 'Error' ? program : program.evaluate(bindings);
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'a map' : `a ${typeof value}`;
}

/**
 * Replaces `${cel}` in every string of a JSON value (keys stay as they are). A string that is exactly one `${…}` takes the
 * value with its type; elsewhere strings go in as they are and other values as JSON. `$${` stands for a plain `${`.
 */
export function interpolate(template: unknown, bindings: Bindings): Value | Failure {
  try {
    return { kind: 'Value', value: fill(template, bindings) };
  } catch (error) {
    return { kind: 'Error', message: reason(error) };
  }
}

function fill(template: unknown, bindings: Bindings): unknown {
  if (typeof template === 'string') return fillString(template, bindings);
  if (Array.isArray(template)) return template.map((item) => fill(item, bindings));
  if (typeof template !== 'object' || template === null) return template;
  return Object.fromEntries(Object.entries(template).map(([key, member]) => [key, fill(member, bindings)]));
}

function fillString(template: string, bindings: Bindings): unknown {
  const parts = splitTemplate(template);
  const values = parts.map((part) => {
    if (part.kind === 'Text') return part.text;
    const result = evaluateValue(part.source, bindings);
    if (result.kind === 'Error') throw new Error(`\${${part.source}}: ${result.message}`);
    return result.value;
  });
  if (parts.length === 1 && parts[0]?.kind === 'Expression') return values[0];
  return values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join('');
}

/** What is wrong with the `${cel}` of a JSON value, in words; empty when every expression compiles. */
export function checkTemplate(template: unknown, variables: readonly string[]): readonly string[] {
  if (typeof template === 'string') return checkString(template, variables);
  if (typeof template !== 'object' || template === null) return [];
  return Object.values(template).flatMap((member) => checkTemplate(member, variables));
}

function checkString(template: string, variables: readonly string[]): readonly string[] {
  try {
    return splitTemplate(template).flatMap((part) => {
      if (part.kind === 'Text') return [];
      const compiled = compile(part.source, variables);
      return compiled.kind === 'Error' ? [`\${${part.source}}: ${compiled.message}`] : [];
    });
  } catch (error) {
    return [reason(error)];
  }
}
