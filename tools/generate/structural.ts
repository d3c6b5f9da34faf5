// Owns: zod → structural OpenAPI as the API server wants it. What a CRD cannot state is an error here, never lost silently.
import { z } from 'zod';

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
  if (node['x-signalbox'] === 'anyValue') return { ...described, [preserve]: true };
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
    if (node.additionalProperties) throw new Error(`${path}: properties and additionalProperties exclude each other`);
    const properties = Object.entries(node.properties).map(([key, child]) => [key, convert(child, `${path}.${key}`)]);
    return { properties: Object.fromEntries(properties) as Record<string, Schema> };
  }
  if (node.additionalProperties === undefined) throw new Error(`${path}: an object needs properties`);
  return { additionalProperties: convert(node.additionalProperties, `${path}[*]`) };
}

/** CEL costs are estimated from the maxima: without one, the API server refuses the rule. */
function assertBounded(node: Schema, path: string): void {
  const missing =
    (node.type === 'string' && node.enum === undefined && node['maxLength'] === undefined && 'maxLength') ||
    (node.type === 'array' && node['maxItems'] === undefined && 'maxItems') ||
    (node.type === 'object' && node.properties === undefined && node['maxProperties'] === undefined && 'maxProperties');
  if (missing) throw new Error(`${path}: ${node.type} needs ${missing}`);
}
