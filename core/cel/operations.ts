// Owns: what one operation gives for operands of known types: members, indexes, calls.
import { fits, type Overload, overloadsOf } from './overloads.ts';
import { nearest } from './suggest.ts';
import { dyn, listOf, membersOf, type ObjectType, own, type Type, union, words } from './type.ts';

/** Where the findings about one operation go. */
export interface Judge {
  /** It fails, or is wrong, for every value. */
  readonly wrong: (found: string, allowed: string) => void;
  /** It fails for some. */
  readonly doubtful: (found: string, allowed: string) => void;
}

export interface Member {
  readonly name: string;
  /** The operand's source, for messages. */
  readonly of: string;
  /** Only asked for with has(). */
  readonly test: boolean;
  /** What the expression around has found out about it. */
  readonly known: 'present' | 'set' | undefined;
}

const namesMax = 12;

export function memberType(operand: Type, member: Member, judge: Judge): Type {
  const alternatives = membersOf(operand).map((one) => memberOf(one, member, judge));
  const possible = alternatives.filter((type) => type !== undefined);
  if (possible.length < alternatives.length) {
    if (possible.length === 0) {
      notThere(operand, member, judge);
      return dyn;
    }
    if (!member.test && member.known === undefined) maybeAbsent(member, judge);
  }
  const type = union(possible);
  return member.known === 'set' ? withoutNull(type) : type;
}

/** Undefined when such a value has no such member. */
function memberOf(operand: Type, member: Member, judge: Judge): Type | undefined {
  switch (operand.kind) {
    case 'dyn':
      return dyn;
    case 'object': {
      const field = own(operand.fields, member.name);
      if (field === undefined) return operand.open ? dyn : undefined;
      if (!field.required && !member.test && member.known === undefined) maybeAbsent(member, judge);
      return field.type;
    }
    case 'map':
      if (!member.test && member.known === undefined) maybeAbsent(member, judge);
      return operand.value;
    case 'scalar':
    case 'list':
    case 'union':
      return undefined;
  }
}

function maybeAbsent({ name, of }: Member, { doubtful }: Judge): void {
  doubtful(
    `${of}.${name} may be absent, and then cannot be evaluated`,
    `has(${of}.${name}) && …, or a schema that requires it on every way here`,
  );
}

function notThere(operand: Type, { name, of }: Member, { wrong }: Judge): void {
  const objects = membersOf(operand).filter((one): one is ObjectType => one.kind === 'object');
  if (objects.length === 0) {
    wrong(`${of} is ${words(operand)} and has no members`, 'members of objects and maps only');
    return;
  }
  // The API server sorts the members of a schema: a finding reads alike before and after.
  const fields = objects
    .flatMap((one) => Object.entries(one.fields))
    .toSorted(([left], [right]) => (left < right ? -1 : 1));
  const names = fields.map(([field]) => field);
  const near = nearest(name, names);
  const listed = fields.slice(0, namesMax).map(([field, { type }]) => `${field} (${words(type)})`);
  const rest = fields.length > namesMax ? `, and ${fields.length - namesMax} more` : '';
  const allowed = listed.length === 0 ? `nothing: ${of} has no members there` : `${listed.join(', ')}${rest}`;
  wrong(`${of} has no member ${name}`, near === undefined ? allowed : `${allowed}; did you mean ${near}?`);
}

function withoutNull(type: Type): Type {
  if (type.kind !== 'union') return type;
  return union(type.members.filter((member) => member.kind !== 'scalar' || member.name !== 'null'));
}

/** An index that is no constant text. */
export function indexType(operand: Type, index: Type, judge: Judge): Type {
  const found = membersOf(operand).map((one): Type | undefined => {
    if (one.kind === 'dyn') return dyn;
    if (one.kind === 'list') return canBe(index, ['int', 'uint', 'double']) ? one.element : undefined;
    if (one.kind === 'map') return canBeEqual(index, one.key) ? one.value : undefined;
    if (one.kind !== 'object' || !canBe(index, ['string'])) return undefined;
    return one.open ? dyn : union(Object.values(one.fields).map((field) => field.type));
  });
  const possible = found.filter((type) => type !== undefined);
  const what = `${words(operand)} indexed by ${words(index)}`;
  if (possible.length === 0 && found.length > 0) judge.wrong(what, 'list[int] or map[string]');
  else if (possible.length < found.length || !always(operand, index)) judge.doubtful(what, 'list[int] or map[string]');
  return possible.length === 0 ? dyn : union(possible);
}

const names = (type: Type): readonly string[] =>
  membersOf(type).map((member) => (member.kind === 'scalar' ? member.name : member.kind));
const canBe = (type: Type, wanted: readonly string[]): boolean =>
  names(type).some((name) => name === 'dyn' || wanted.includes(name));

/** False when some value of the index fits no value of the operand. */
function always(operand: Type, index: Type): boolean {
  const numeric = names(index).every((name) => ['int', 'uint', 'double', 'dyn'].includes(name));
  const text = names(index).every((name) => ['string', 'dyn'].includes(name));
  return membersOf(operand).every((one) => {
    if (one.kind === 'list') return numeric;
    return one.kind === 'object' ? text : true;
  });
}

export interface Call {
  readonly name: string;
  readonly method: boolean;
  readonly operands: readonly Type[];
}

export function callType(call: Call, judge: Judge): Type {
  const overloads = overloadsOf(call.name)?.filter((overload) => overload.operands.length === call.operands.length);
  if (overloads === undefined) return dyn;
  if (call.name === '_==_' || call.name === '_!=_') compare(call, judge);
  if (call.name === '@in') lookUp(call, judge);
  const verdicts = combinations(call.operands).map((operands) => resultOf(overloads, { ...call, operands }));
  const results = verdicts.flatMap(({ result }) => (result === undefined ? [] : [result]));
  if (results.length === 0 && verdicts.length > 0) {
    judge.wrong(describe(call), allowedOf(call));
    return dyn;
  }
  if (results.length < verdicts.length) judge.doubtful(describe(call), allowedOf(call));
  return union(results);
}

/** Combinations beyond this are not looked at. */
const combinationsMax = 256;

function combinations(operands: readonly Type[]): readonly (readonly Type[])[] {
  let all: (readonly Type[])[] = [[]];
  for (const operand of operands) {
    const members = operand.kind === 'list' || operand.kind === 'dyn' ? [operand] : membersOf(operand);
    all = all.flatMap((before) => members.map((member) => [...before, member]));
    if (all.length > combinationsMax) return [operands.map(() => dyn)];
  }
  return all;
}

/** No result: no overload takes such operands. With a `dyn` among them it is what is possible. */
function resultOf(overloads: readonly Overload[], call: Call): { readonly result?: Type } {
  const fitting = overloads.filter(
    ({ method, operands }) =>
      method === call.method && call.operands.every((type, at) => fits(type, operands[at] ?? 'any') !== false),
  );
  if (fitting.length === 0) return {};
  const [left, right] = call.operands;
  if (call.name === '_+_' && left?.kind === 'list' && right?.kind === 'list') {
    return { result: listOf(union([left.element, right.element])) };
  }
  return { result: union(fitting.map(({ result }) => result)) };
}

const comparisons = new Set(['_<_', '_<=_', '_>_', '_>=_']);
const infix = /^_(.+)_$/u;

function describe({ name, method, operands }: Call): string {
  const types = operands.map(words);
  if (infix.test(name)) return `${types.join(` ${infix.exec(name)?.[1] ?? ''} `)}`;
  if (name === '@in') return types.join(' in ');
  if (!method) return `${name.replace(/_$/u, '')}(${types.join(', ')})`;
  return `${types[0] ?? ''}.${name}(${types.slice(1).join(', ')})`;
}

function allowedOf({ name, method, operands }: Call): string {
  if (comparisons.has(name)) return 'two numbers, or two of one of the types string, bool, timestamp, duration';
  const overloads = (overloadsOf(name) ?? []).filter((one) => one.method === method);
  const fitting = overloads.filter((one) => one.operands.length === operands.length);
  const shown = (fitting.length > 0 ? fitting : overloads).slice(0, namesMax);
  const texts = shown.map((one) => {
    if (infix.test(name)) return one.operands.join(` ${infix.exec(name)?.[1] ?? ''} `);
    if (name === '@in') return one.operands.join(' in ');
    if (!method) return `${name.replace(/_$/u, '')}(${one.operands.join(', ')})`;
    return `${one.operands[0] ?? ''}.${name}(${one.operands.slice(1).join(', ')})`;
  });
  return texts.length === 0 ? `${name} in another form` : texts.join(', ');
}

/** Equality of any two values is defined; of values that can never be equal it is a mistake. */
function compare({ operands: [left = dyn, right = dyn] }: Call, judge: Judge): void {
  if (canBeEqual(left, right) || isNull(left) || isNull(right)) return;
  if (sameKind(left, right)) judge.doubtful(...otherValues(left, right));
  else judge.wrong(`${words(left)} compared with ${words(right)}, which is never equal`, 'values of one type');
}

function lookUp({ operands: [left = dyn, right = dyn] }: Call, judge: Judge): void {
  const lists = membersOf(right).filter((member) => member.kind === 'list');
  if (lists.length === 0 || lists.length < membersOf(right).length || isNull(left)) return;
  const elements = union(lists.map(({ element }) => element));
  if (membersOf(elements).length === 0 || canBeEqual(left, elements)) return;
  if (sameKind(left, elements)) judge.doubtful(...otherValues(left, elements));
  else judge.wrong(`${words(left)} in a ${words(right)}, which is never so`, `values of type ${words(elements)}`);
}

const isNull = (type: Type): boolean => type.kind === 'scalar' && type.name === 'null';
const valuesOf = (type: Type): readonly string[] =>
  membersOf(type).flatMap((member) => (member.kind === 'scalar' ? (member.values ?? []) : []));

/** Only the texts differ. */
function sameKind(left: Type, right: Type): boolean {
  return names(left).some((name) => name === 'string' && names(right).includes(name));
}

/** The side with fewer texts is the one somebody wrote. */
function otherValues(left: Type, right: Type): readonly [string, string] {
  const [written, all] = [valuesOf(left), valuesOf(right)].toSorted((one, other) => one.length - other.length);
  const listed = (values: readonly string[] = []): string =>
    values
      .slice(0, namesMax)
      .map((value) => `"${value}"`)
      .join(', ');
  const near = (written ?? []).map((value) => nearest(value, all ?? [])).find((value) => value !== undefined);
  const meant = near === undefined ? '' : `; did you mean "${near}"?`;
  return [`can never be ${listed(written)}`, `${listed(all)}${meant}`];
}

const numeric = new Set(['int', 'uint', 'double']);

/** False when no value of the one equals any of the other. */
export function canBeEqual(left: Type, right: Type): boolean {
  return membersOf(left).some((one) => membersOf(right).some((other) => overlap(one, other)));
}

function overlap(left: Type, right: Type): boolean {
  if (left.kind === 'dyn' || right.kind === 'dyn') return true;
  if (left.kind === 'scalar' && right.kind === 'scalar') {
    if (numeric.has(left.name) && numeric.has(right.name)) return true;
    if (left.name !== right.name) return false;
    const others = right.values;
    return left.values === undefined || others === undefined || left.values.some((value) => others.includes(value));
  }
  const mapped = (type: Type): boolean => type.kind === 'map' || type.kind === 'object';
  return (left.kind === 'list' && right.kind === 'list') || (mapped(left) && mapped(right));
}
