// Owns: zod → structural OpenAPI as the API server wants it. What a CRD cannot state is an error here, never lost silently.
import { z } from 'zod';
import type { CelRule } from '../../api/schema.ts';

/** A node of an OpenAPI v3 schema as CRDs allow it. */
export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly enum?: readonly unknown[];
  readonly [keyword: string]: unknown;
}

/** The name under which a bare `on` arrives. */
export const bareOn = 'true';
export const bareOnRule: CelRule = {
  rule: '!has(self.__true__)',
  message: 'found the key true, which is how YAML reads a bare on; write the key in quotes: "on"',
  reason: 'FieldValueForbidden',
};

/** Keywords that go through as they are. */
const kept = [
  'enum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'required',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-validations',
];
const understood = new Set([
  ...kept,
  'type',
  'description',
  'pattern',
  'minimum',
  'maximum',
  'properties',
  'items',
  'additionalProperties',
  'x-signalbox',
]);
const preserve = 'x-kubernetes-preserve-unknown-fields';
const int32Max = 2_147_483_647;

/** @throws Error naming the path when the zod schema has no structural form, or a string, list or map has no maximum. */
export function structuralSchema(schema: z.ZodType, path: string): Schema {
  const json: unknown = z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', reused: 'inline' });
  return convert(json as Schema, path);
}

function convert(node: Schema, path: string): Schema {
  const described = node.description === undefined ? {} : { description: node.description };
  if (node['x-signalbox'] === 'any') {
    return { ...described, type: 'object', [preserve]: true };
  }
  const stranger = Object.keys(node).find((keyword) => !understood.has(keyword));
  if (stranger !== undefined) throw new Error(`${path}: "${stranger}" has no structural form`);
  if (typeof node.type !== 'string') throw new Error(`${path}: a type is required; unions and unknown have none`);
  assertBounded(node, path);
  return { ...described, type: node.type, ...keywords(node), ...children(node, path) };
}

function keywords(node: Schema): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const keyword of kept) if (node[keyword] !== undefined) out[keyword] = node[keyword];
  if (typeof node['pattern'] === 'string') out['pattern'] = node['pattern'].replaceAll('\\/', '/');
  if (node.type === 'integer') {
    const { minimum, maximum } = node;
    out['format'] = typeof maximum === 'number' && maximum <= int32Max ? 'int32' : 'int64';
    if (typeof minimum === 'number' && minimum > Number.MIN_SAFE_INTEGER) out['minimum'] = minimum;
    if (typeof maximum === 'number' && maximum < Number.MAX_SAFE_INTEGER) out['maximum'] = maximum;
  }
  return out;
}

function children(node: Schema, path: string): Partial<Schema> {
  if (node.type === 'array') {
    if (node.items === undefined) throw new Error(`${path}: a list needs items`);
    return { items: convert(node.items, `${path}[]`) };
  }
  if (node.type !== 'object') return {};
  if (node.properties !== undefined) {
    const properties = Object.entries(node.properties).map(([key, child]) => [key, convert(child, `${path}.${key}`)]);
    return bareOnGuard(node, Object.fromEntries(properties) as Record<string, Schema>);
  }
  if (node.additionalProperties === undefined) throw new Error(`${path}: an object needs properties`);
  return { additionalProperties: convert(node.additionalProperties, `${path}[*]`) };
}

/**
 * kubectl reads YAML 1.1, where a bare `on` is the boolean true, so that the member arrives under the name "true". Instead of
 * the API server's "field not declared in schema", whoever writes it is told what to do.
 */
function bareOnGuard(node: Schema, properties: Readonly<Record<string, Schema>>): Partial<Schema> {
  const on = properties['on'];
  if (on === undefined) return { properties };
  const found = on.type === 'object' ? { type: 'object', [preserve]: true } : { type: 'string', maxLength: 64 };
  const rules = (node['x-kubernetes-validations'] as readonly CelRule[] | undefined) ?? [];
  return {
    properties: { ...properties, [bareOn]: { description: 'Never allowed: how YAML 1.1 reads a bare on.', ...found } },
    'x-kubernetes-validations': [...rules, bareOnRule],
  };
}

/** CEL costs are estimated from the maxima: without one, the API server refuses the rule. */
function assertBounded(node: Schema, path: string): void {
  const missing =
    (node.type === 'string' && node.enum === undefined && node['maxLength'] === undefined && 'maxLength') ||
    (node.type === 'array' && node['maxItems'] === undefined && 'maxItems') ||
    (node.type === 'object' && node.properties === undefined && node['maxProperties'] === undefined && 'maxProperties');
  if (missing) throw new Error(`${path}: a ${node.type} needs ${missing}`);
}
