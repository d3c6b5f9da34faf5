// Owns: the types of an expression, found before anything runs.
//   K1: a problem is sure: that operation fails, or is wrong, for every value its operands can have.
//   K2: what has neither problem nor doubt never fails for a type or a missing member, on values of the declared types.
//   K3: `dyn` and functions that are not in the table raise neither: they are left to the evaluation, whose error denies.
import { parse, unparse } from '@bufbuild/cel';
import { type Expression, typeNames } from './expression.ts';
import { type Known, knownWhen, nothingKnown, pathOf, stringOf, together } from './narrow.ts';
import { callType, indexType, type Judge, memberType } from './operations.ts';
import {
  anObject,
  bool,
  dyn,
  type Field,
  int,
  listOf,
  mapOf,
  membersOf,
  never,
  scalar,
  string,
  type Type,
  union,
  words,
} from './type.ts';

export interface Finding {
  /** The part of the expression it is about; undefined for the whole. */
  readonly part: string | undefined;
  readonly found: string;
  readonly allowed: string;
}

export interface Checked {
  readonly type: Type;
  readonly problems: readonly Finding[];
  /** What may fail, depending on the values: then the evaluation is an error, and denies. */
  readonly doubts: readonly Finding[];
}

export type Variables = Readonly<Record<string, Type>>;

/** The source must compile (see `compile`). */
export function checkTypes(source: string, variables: Variables): Checked {
  const { expr } = parse(source);
  const checker = new Checker(expr);
  const type = checker.infer(expr, { variables, known: nothingKnown });
  return { type, problems: checker.problems, doubts: checker.doubts };
}

interface Scope {
  readonly variables: Variables;
  readonly known: Known;
}

/** An accumulator's type is settled after this many rounds, or is `dyn`. */
const roundsMax = 4;
const textMax = 80;

class Checker {
  readonly problems: Finding[] = [];
  readonly doubts: Finding[] = [];
  readonly #whole: Expression;
  #silent = 0;

  constructor(whole: Expression) {
    this.#whole = whole;
  }

  infer(expression: Expression, scope: Scope): Type {
    const kind = expression.exprKind;
    switch (kind.case) {
      case 'constExpr':
        return constant(kind.value.constantKind);
      case 'identExpr':
        return scope.variables[kind.value.name] ?? (typeNames.has(kind.value.name) ? scalar('type') : dyn);
      case 'selectExpr':
        return this.#select(kind.value, scope);
      case 'callExpr':
        return this.#call(expression, kind.value, scope);
      case 'listExpr':
        return listOf(union(kind.value.elements.map((element) => this.infer(element, scope))));
      case 'structExpr':
        return this.#struct(kind.value.entries, scope);
      case 'comprehensionExpr':
        return this.#fold(kind.value, scope);
      case undefined:
        return dyn;
    }
  }

  /** Reports about one expression, in its words; what names itself is about the whole. */
  #judge(expression: Expression): Judge {
    const part = expression === this.#whole ? undefined : textOf(expression);
    const report = (list: Finding[]) => (found: string, allowed: string) => {
      const known = list.some((other) => other.part === part && other.found === found);
      if (this.#silent === 0 && !known) list.push({ part, found, allowed });
    };
    return { wrong: report(this.problems), doubtful: report(this.doubts) };
  }

  #select(select: SelectOf, scope: Scope): Type {
    if (select.operand === undefined) return dyn;
    const operand = this.infer(select.operand, scope);
    const path = pathOf(select.operand);
    const asked = { name: select.field, of: textOf(select.operand), test: select.testOnly };
    const known = path === undefined ? undefined : scope.known.get(`${path}.${select.field}`);
    const type = memberType(operand, { ...asked, known }, this.#judge(this.#whole));
    return select.testOnly ? bool : type;
  }

  #call(expression: Expression, call: CallOf, scope: Scope): Type {
    const judge = this.#judge(expression);
    switch (call.function) {
      case '_&&_':
      case '_||_':
        return this.#logic(call, scope, call.function === '_&&_');
      case '_?_:_':
        return this.#choice(call, scope);
      case '_[_]':
        return this.#index(expression, call, scope);
      case '@not_strictly_false':
      case '__not_strictly_false__':
        for (const argument of call.args) this.infer(argument, scope);
        return bool;
      default: {
        const target = call.target === undefined ? [] : [call.target];
        const operands = [...target, ...call.args].map((operand) => this.infer(operand, scope));
        return callType({ name: call.function, method: target.length > 0, operands }, judge);
      }
    }
  }

  #logic(call: CallOf, scope: Scope, and: boolean): Type {
    const said = call.args.map((argument) => knownWhen(argument, and));
    for (const [position, argument] of call.args.entries()) {
      const others = said.filter((_, other) => other !== position);
      const type = this.infer(argument, { ...scope, known: together([scope.known, ...others]) });
      mustBeBool(type, this.#judge(argument));
    }
    return bool;
  }

  #choice(call: CallOf, scope: Scope): Type {
    const [condition, yes, no] = call.args;
    if (condition === undefined || yes === undefined || no === undefined) return dyn;
    mustBeBool(this.infer(condition, scope), this.#judge(condition));
    const branch = (expression: Expression, holds: boolean): Type =>
      this.infer(expression, { ...scope, known: together([scope.known, knownWhen(condition, holds)]) });
    return union([branch(yes, true), branch(no, false)]);
  }

  #index(expression: Expression, call: CallOf, scope: Scope): Type {
    const [operand, index] = call.args;
    if (operand === undefined || index === undefined) return dyn;
    const [type, by] = [this.infer(operand, scope), this.infer(index, scope)];
    const name = stringOf(index);
    const judge = this.#judge(expression);
    if (name === undefined) return indexType(type, by, judge);
    const path = pathOf(expression);
    const known = path === undefined ? undefined : scope.known.get(path);
    return memberType(type, { name, of: textOf(operand), test: false, known }, this.#judge(this.#whole));
  }

  #struct(entries: StructOf['entries'], scope: Scope): Type {
    const named = entries.map(({ keyKind, value }) => ({
      name: keyKind.case === 'mapKey' ? stringOf(keyKind.value) : undefined,
      key: keyKind.case === 'mapKey' ? this.infer(keyKind.value, scope) : dyn,
      type: value === undefined ? dyn : this.infer(value, scope),
    }));
    const fields: Record<string, Field> = {};
    for (const { name, type } of named) if (name !== undefined) fields[name] = { type, required: true };
    if (named.every(({ name }) => name !== undefined)) return anObject(fields);
    return mapOf(union(named.map(({ type }) => type)), union(named.map(({ key }) => key)));
  }

  #fold(fold: FoldOf, scope: Scope): Type {
    const { iterRange, accuInit, loopCondition, loopStep, result, iterVar, accuVar } = fold;
    if (!iterRange || !accuInit || !loopCondition || !loopStep || !result) return dyn;
    const element = elementOf(this.infer(iterRange, scope), this.#judge(iterRange));
    const inner = (accumulated: Type): Scope => ({
      variables: { ...scope.variables, [iterVar]: element, [accuVar]: accumulated },
      known: without(scope.known, [iterVar, accuVar]),
    });
    let accumulated = this.infer(accuInit, scope);
    this.#silent += 1;
    for (let round = 0; round < roundsMax; round += 1) {
      const next = union([accumulated, this.infer(loopStep, inner(accumulated))]);
      const settled = JSON.stringify(next) === JSON.stringify(accumulated);
      accumulated = settled || round < roundsMax - 1 ? next : dyn;
      if (settled) break;
    }
    this.#silent -= 1;
    this.infer(loopCondition, inner(accumulated));
    this.infer(loopStep, inner(accumulated));
    return this.infer(result, inner(accumulated));
  }
}

type KindOf<C extends Expression['exprKind']['case']> =
  Extract<Expression['exprKind'], { case: C }> extends {
    value: infer V;
  }
    ? V
    : never;
type SelectOf = KindOf<'selectExpr'>;
type CallOf = KindOf<'callExpr'>;
type StructOf = KindOf<'structExpr'>;
type FoldOf = KindOf<'comprehensionExpr'>;

const constants: Readonly<Record<string, Type>> = {
  int64Value: int,
  uint64Value: scalar('uint'),
  doubleValue: scalar('double'),
  boolValue: bool,
  bytesValue: scalar('bytes'),
  nullValue: scalar('null'),
};

function constant(value: KindOf<'constExpr'>['constantKind']): Type {
  if (value.case === 'stringValue') return { kind: 'scalar', name: 'string', values: [value.value] };
  return constants[value.case ?? ''] ?? dyn;
}

/** The source of a part; a macro is named only, since it is expanded before it is checked. */
function textOf(expression: Expression): string {
  try {
    const text = unparse(expression);
    return text.length > textMax ? `${text.slice(0, textMax)}…` : text;
  } catch {
    return 'what a macro gives';
  }
}

/** Names of a comprehension hide those outside. */
function without(known: Known, names: readonly string[]): Known {
  return new Map([...known].filter(([path]) => !names.includes(path.split('.')[0] ?? '')));
}

function mustBeBool(type: Type, judge: Judge): void {
  if (type.kind === 'dyn') return;
  const bools = membersOf(type).filter((member) => member.kind === 'scalar' && member.name === 'bool');
  if (bools.length === membersOf(type).length) return;
  if (bools.length === 0) judge.wrong(`is ${words(type)}`, 'bool: true or false');
  else judge.doubtful(`is ${words(type)}`, 'bool: true or false');
}

/** What a comprehension goes over: the elements of a list, the keys of a map. */
function elementOf(range: Type, judge: Judge): Type {
  const elements = membersOf(range).map((member): Type | undefined => {
    if (member.kind === 'list') return member.element;
    if (member.kind === 'map') return member.key;
    if (member.kind === 'object') return string;
    return member.kind === 'dyn' ? dyn : undefined;
  });
  const known = elements.filter((element) => element !== undefined);
  if (known.length === 0 && elements.length > 0) judge.wrong(`is ${words(range)}`, 'a list or a map to go over');
  else if (known.length < elements.length) judge.doubtful(`is ${words(range)}`, 'a list or a map to go over');
  return known.length === 0 ? (elements.length === 0 ? never : dyn) : union(known);
}
