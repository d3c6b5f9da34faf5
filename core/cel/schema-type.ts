// Owns: the type that a JSON Schema promises of a value that was checked against it.
//   J1: what is not understood ($ref, anyOf, oneOf, not …) is `dyn`, never a guess.
//   J2: an object has the members it declares: a member that its schema leaves open without naming it is none to rely on.
//       It is open only where the schema says so itself (additionalProperties, patternProperties) or names no member at all.
//   J3: a whole number beyond 2^53 is a double when it is evaluated, which then is an error, and denies.
import { anObject, dyn, type Field, listOf, mapOf, number, scalar, type Type, union } from './type.ts';

/** Deeper members are `dyn`. */
const depthMax = 16;

type Schema = Readonly<Record<string, unknown>>;

export function typeOfSchema(schema: unknown, depth = 0): Type {
  if (!isObject(schema) || depth > depthMax || schema['$ref'] !== undefined) return dyn;
  const { type } = schema;
  if (type === undefined) return typeOfValues(schema);
  const types = Array.isArray(type) ? type : [type];
  return union(types.map((name) => typeOfName(name, schema, depth)));
}

function typeOfName(name: unknown, schema: Schema, depth: number): Type {
  switch (name) {
    case 'string': {
      const values = valuesOf(schema)?.filter((value) => typeof value === 'string');
      return values === undefined ? scalar('string') : { kind: 'scalar', name: 'string', values: values.toSorted() };
    }
    case 'integer':
      return scalar('int');
    case 'number':
      return number;
    case 'boolean':
      return scalar('bool');
    case 'null':
      return scalar('null');
    case 'array':
      return listOf(schema['prefixItems'] === undefined ? typeOfSchema(schema['items'], depth + 1) : dyn);
    case 'object':
      return typeOfObject(schema, depth);
    default:
      return dyn;
  }
}

/** Keywords that may bring members of their own. */
const bringing = ['allOf', 'anyOf', 'oneOf', 'if', 'then', 'else', 'dependentSchemas', 'patternProperties'];

function typeOfObject(schema: Schema, depth: number): Type {
  const { properties, additionalProperties: others } = schema;
  const open = bringing.some((keyword) => schema[keyword] !== undefined);
  const declared = isObject(properties) ? Object.entries(properties) : [];
  if (declared.length === 0) {
    if (open || others === undefined || others === true) return anObject({}, others !== false);
    return others === false ? anObject() : mapOf(typeOfSchema(others, depth + 1));
  }
  const names: readonly unknown[] = Array.isArray(schema['required']) ? schema['required'] : [];
  const fields = declared.map(([name, member]): [string, Field] => [
    name,
    { type: typeOfSchema(member, depth + 1), required: names.includes(name) },
  ]);
  return anObject(Object.fromEntries(fields), open || (others !== undefined && others !== false));
}

function valuesOf(schema: Schema): readonly unknown[] | undefined {
  if (schema['const'] !== undefined) return [schema['const']];
  return Array.isArray(schema['enum']) ? schema['enum'] : undefined;
}

/** Without a type, only `enum` and `const` promise anything. */
function typeOfValues(schema: Schema): Type {
  const values = valuesOf(schema);
  return values === undefined || values.length === 0 ? dyn : union(values.map(typeOfValue));
}

function typeOfValue(value: unknown): Type {
  if (value === null) return scalar('null');
  if (typeof value === 'string') return { kind: 'scalar', name: 'string', values: [value] };
  if (typeof value === 'boolean') return scalar('bool');
  if (typeof value === 'number') return scalar(Number.isSafeInteger(value) ? 'int' : 'double');
  return dyn;
}

function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
