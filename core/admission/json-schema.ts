// Owns: whether a JSON Schema in a manifest is well formed, as far as its shape goes; adapters compile it for use.
import { type Finding, finding, quote } from './finding.ts';

const types = ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'];
/** Levels of nesting that are allowed. */
const depthMax = 32;

interface Problem {
  readonly path: string;
  readonly found: string;
  readonly allowed: string;
}

/** The schema must be of type object: inputs, results and arguments are named members. */
export function checkObjectSchema(field: string, schema: unknown): readonly Finding[] {
  const problems = [...inspect(schema, field, 0)];
  if (isObject(schema) && schema['type'] !== 'object') {
    problems.unshift({ path: `${field}.type`, found: show(schema['type']), allowed: '"object"' });
  }
  return problems.map(({ path, found, allowed }) => finding('schemaInvalid', path, { found, allowed }));
}

function* inspect(schema: unknown, path: string, depth: number): Generator<Problem> {
  if (depth > depthMax) {
    yield { path, found: 'a deeper schema', allowed: `at most ${depthMax} levels` };
    return;
  }
  if (typeof schema === 'boolean' && depth > 0) return;
  if (!isObject(schema)) {
    yield { path, found: show(schema), allowed: 'a JSON Schema, such as {type: string}' };
    return;
  }
  for (const [keyword, check] of Object.entries(keywords)) {
    if (schema[keyword] === undefined) continue;
    const allowed = check(schema[keyword]);
    if (allowed !== undefined) yield { path: `${path}.${keyword}`, found: show(schema[keyword]), allowed };
  }
  yield* inspectMembers(schema, path, depth + 1);
}

function* inspectMembers(schema: Readonly<Record<string, unknown>>, path: string, depth: number): Generator<Problem> {
  for (const keyword of ['properties', 'patternProperties', '$defs', 'definitions']) {
    const members = schema[keyword];
    if (!isObject(members)) continue;
    for (const [name, member] of Object.entries(members)) yield* inspect(member, `${path}.${keyword}.${name}`, depth);
  }
  for (const keyword of ['items', 'additionalProperties', 'not', 'if', 'then', 'else', 'contains']) {
    if (schema[keyword] !== undefined) yield* inspect(schema[keyword], `${path}.${keyword}`, depth);
  }
  for (const keyword of ['allOf', 'anyOf', 'oneOf']) {
    const branches = schema[keyword];
    if (!Array.isArray(branches)) continue;
    for (const [index, branch] of branches.entries()) yield* inspect(branch, `${path}.${keyword}[${index}]`, depth);
  }
}

/** What is allowed, when the value is not. */
type Check = (value: unknown) => string | undefined;
const must =
  (allowed: string, holds: (value: unknown) => boolean): Check =>
  (value) =>
    holds(value) ? undefined : allowed;

const isType = (value: unknown) => typeof value === 'string' && types.includes(value);
const isStrings = (value: unknown) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string') && new Set(value).size === value.length;
const members = must('a map of names to JSON Schemas', isObject);
const branches = must('a list of at least one JSON Schema', (value) => Array.isArray(value) && value.length > 0);
const size = must('a whole number of at least 0', (value) => Number.isSafeInteger(value) && Number(value) >= 0);
const number = must('a number', (value) => typeof value === 'number');

const keywords: Readonly<Record<string, Check>> = {
  type: must(
    `one of ${types.join(', ')}, or a list of them`,
    (value) => isType(value) || (Array.isArray(value) && value.length > 0 && value.every(isType)),
  ),
  properties: members,
  patternProperties: members,
  $defs: members,
  definitions: members,
  required: must('a list of different names', isStrings),
  enum: must('a list of at least one value', (value) => Array.isArray(value) && value.length > 0),
  allOf: branches,
  anyOf: branches,
  oneOf: branches,
  pattern: must('a regular expression', isPattern),
  $ref: must('a reference inside the schema, such as #/$defs/name', (value) => String(value).startsWith('#')),
  minLength: size,
  maxLength: size,
  minItems: size,
  maxItems: size,
  minProperties: size,
  maxProperties: size,
  minimum: number,
  maximum: number,
};

function isPattern(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  try {
    new RegExp(value, 'u');
    return true;
  } catch {
    return false;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : typeof value === 'string' ? quote(value) : quote(JSON.stringify(value));
}
