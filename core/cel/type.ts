// Owns: what is known before evaluation about a CEL value.
//   T1: `dyn` is no knowledge: everything is allowed, and may fail when it is evaluated.
//   T2: types are sets of values: a union holds what any member holds, and nothing else is promised.

export const scalars = [
  'null',
  'bool',
  'int',
  'uint',
  'double',
  'string',
  'bytes',
  'timestamp',
  'duration',
  'type',
] as const;
export type Scalar = (typeof scalars)[number];

export interface Field {
  readonly type: Type;
  /** False: it may be absent, and reading it then is an error. */
  readonly required: boolean;
}

export type Type =
  | { readonly kind: 'dyn' }
  /** `values`: of a string, all it can be. */
  | { readonly kind: 'scalar'; readonly name: Scalar; readonly values?: readonly string[] }
  | { readonly kind: 'list'; readonly element: Type }
  | { readonly kind: 'map'; readonly key: Type; readonly value: Type }
  /** `open`: it may have other members, of which nothing is known. */
  | { readonly kind: 'object'; readonly fields: Readonly<Record<string, Field>>; readonly open: boolean }
  | { readonly kind: 'union'; readonly members: readonly Type[] };

export type ObjectType = Extract<Type, { readonly kind: 'object' }>;

export const dyn: Type = { kind: 'dyn' };
/** No value at all: an element of the empty list. */
export const never: Type = { kind: 'union', members: [] };
export const scalar = (name: Scalar): Type => ({ kind: 'scalar', name });
export const bool = scalar('bool');
export const int = scalar('int');
export const string = scalar('string');
export const listOf = (element: Type): Type => ({ kind: 'list', element });
export const mapOf = (value: Type, key: Type = string): Type => ({ kind: 'map', key, value });
export const anObject = (fields: Readonly<Record<string, Field>> = {}, open = false): ObjectType => ({
  kind: 'object',
  fields,
  open,
});
export const required = (type: Type): Field => ({ type, required: true });
export const optional = (type: Type): Field => ({ type, required: false });

/** Of JSON: a whole number is an int, any other a double. */
export const number: Type = { kind: 'union', members: [int, scalar('double')] };

/** Its alternatives; one for all but unions. */
export const membersOf = (type: Type): readonly Type[] => (type.kind === 'union' ? type.members : [type]);

/** More alternatives than this are no knowledge. */
const membersMax = 8;

export function union(types: readonly Type[]): Type {
  const members = new Map<string, Type>();
  for (const type of types.flatMap(membersOf)) {
    if (type.kind === 'dyn') return dyn;
    const known = members.get(groupOf(type));
    members.set(groupOf(type), known === undefined ? type : merged(known, type));
  }
  const all = [...members.values()];
  const [only] = all;
  if (all.length === 1 && only !== undefined) return only;
  return all.length > membersMax ? dyn : { kind: 'union', members: all };
}

/** Types of the same group are merged: one scalar, one list, one object. */
const groupOf = (type: Type): string => (type.kind === 'scalar' ? type.name : type.kind);

function merged(left: Type, right: Type): Type {
  if (left.kind === 'list' && right.kind === 'list') return listOf(union([left.element, right.element]));
  if (left.kind === 'map' && right.kind === 'map') {
    return mapOf(union([left.value, right.value]), union([left.key, right.key]));
  }
  if (left.kind === 'object' && right.kind === 'object') return joined(left, right);
  if (left.kind !== 'scalar' || right.kind !== 'scalar') return dyn;
  if (left.values === undefined || right.values === undefined) return scalar(left.name);
  return { ...left, values: [...new Set([...left.values, ...right.values])].toSorted() };
}

/** What holds of an object that is one of the two: a member is there for sure only if both have it for sure. */
export function joined(left: ObjectType, right: ObjectType): ObjectType {
  const names = new Set([...Object.keys(left.fields), ...Object.keys(right.fields)]);
  const fields = [...names].toSorted().map((name): [string, Field] => {
    const both = [left, right].map((type) => own(type.fields, name));
    const known = both.filter((field) => field !== undefined);
    const hidden = (left.open && both[0] === undefined) || (right.open && both[1] === undefined);
    const type = hidden ? dyn : union(known.map((field) => field.type));
    return [name, { type, required: known.length === 2 && known.every((field) => field.required) }];
  });
  return anObject(Object.fromEntries(fields), left.open || right.open);
}

/** The object after members of `right` were put over those of `left`. */
export function overlaid(left: ObjectType, right: ObjectType): ObjectType {
  const fields: Record<string, Field> = { ...left.fields };
  if (right.open) {
    for (const [name, field] of Object.entries(fields)) fields[name] = { ...field, type: dyn };
  }
  for (const [name, field] of Object.entries(right.fields)) {
    const before = own(left.fields, name);
    if (field.required) fields[name] = field;
    else if (before === undefined) fields[name] = left.open ? optional(dyn) : field;
    else fields[name] = { type: union([before.type, field.type]), required: before.required };
  }
  return anObject(fields, left.open || right.open);
}

export function own<T>(fields: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/** In a person's words. */
export function words(type: Type): string {
  switch (type.kind) {
    case 'dyn':
      return 'any value';
    case 'scalar':
      return type.name;
    case 'list':
      return type.element.kind === 'dyn' || type.element === never ? 'list' : `list of ${words(type.element)}`;
    case 'map':
      return 'map';
    case 'object':
      return 'object';
    case 'union': {
      const names = type.members.map(words);
      const rest = names.filter((name) => name !== 'int' && name !== 'double');
      return (names.length - rest.length === 2 ? ['number', ...rest] : names).join(' or ');
    }
  }
}
