// Owns: from an OpenAPI schema object to plain JSON Schema: references inlined, words of OpenAPI 3.0 translated.
import type { Json, JsonObject } from '../../api/messages/history.ts';

const DEPTH_MAX = 24;
const dropped = new Set([
  'example',
  'examples',
  'xml',
  'externalDocs',
  'discriminator',
  'nullable',
  'readOnly',
  'writeOnly',
]);

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What `#/components/schemas/Pet` points at; undefined when it points nowhere or outside. */
export function lookUp(root: JsonObject, pointer: string): Json | undefined {
  if (!pointer.startsWith('#/')) return undefined;
  let at: Json | undefined = root;
  for (const part of pointer.slice(2).split('/')) {
    const member = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    at = isObject(at) && Object.hasOwn(at, member) ? at[member] : undefined;
  }
  return at;
}

/** Follows `$ref` of anything but schemas: parameters, bodies, answers. */
export function resolved(root: JsonObject, value: Json | undefined): JsonObject | undefined {
  let at = value;
  for (let hops = 0; hops < 8; hops += 1) {
    if (!isObject(at)) return undefined;
    const ref = at['$ref'];
    if (typeof ref !== 'string') return at;
    at = lookUp(root, ref);
  }
  return undefined;
}

/** JSON Schema without references; where a schema contains itself, the inner one is left open. */
export function plainSchema(root: JsonObject, schema: Json | undefined): JsonObject {
  const plain = inline(root, schema ?? {}, []);
  return isObject(plain) ? plain : {};
}

function inline(root: JsonObject, value: Json, path: readonly string[]): Json {
  if (path.length > DEPTH_MAX) return {};
  if (Array.isArray(value)) return (value as readonly Json[]).map((item) => inline(root, item, path));
  if (!isObject(value)) return value;
  const ref = value['$ref'];
  if (typeof ref === 'string') {
    const target = path.includes(ref) ? undefined : lookUp(root, ref);
    return target === undefined ? {} : inline(root, target, [...path, ref]);
  }
  return translated(value, (member) => inline(root, member, path));
}

function translated(schema: JsonObject, deeper: (value: Json) => Json): JsonObject {
  const plain: Record<string, Json> = {};
  for (const [name, value] of Object.entries(schema)) {
    if (name === 'properties' && isObject(value)) {
      // Here members are names of the user, not words of OpenAPI.
      plain[name] = Object.fromEntries(Object.entries(value).map(([property, inner]) => [property, deeper(inner)]));
    } else if (!dropped.has(name) && !name.startsWith('x-')) {
      plain[name] = name === 'enum' || name === 'default' || name === 'const' ? value : deeper(value);
    }
  }
  return nullable(bounds(plain), schema['nullable'] === true);
}

/** OpenAPI 3.0: `exclusiveMinimum: true` beside `minimum`; JSON Schema: the number itself. */
function bounds(schema: Record<string, Json>): Record<string, Json> {
  for (const [exclusive, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    const value = schema[exclusive];
    if (typeof value !== 'boolean') continue;
    delete schema[exclusive];
    const limit = schema[bound];
    if (!value || limit === undefined) continue;
    delete schema[bound];
    schema[exclusive] = limit;
  }
  return schema;
}

function nullable(schema: Record<string, Json>, isNullable: boolean): Record<string, Json> {
  if (!isNullable) return schema;
  const { type } = schema;
  if (typeof type === 'string') return { ...schema, type: [type, 'null'] };
  return Object.keys(schema).length === 0 ? schema : { anyOf: [schema, { type: 'null' }] };
}
