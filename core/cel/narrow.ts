// Owns: what an expression says about paths when it holds, or does not: `has(a.b)`, `'b' in a`, `a.b != null`.
// CEL's && and || are commutative: an error on one side counts only when the other side does not decide. So what one operand
// says holds for all the others, before and behind it.
import type { Expression } from './expression.ts';

/** `present` and `set`: the path is there; `set`: and not null. */
export type Known = ReadonlyMap<string, 'present' | 'set'>;
export const nothingKnown: Known = new Map();

/** `a.b['c']` as `a.b.c`; undefined for what is no path from a variable. */
export function pathOf(expression: Expression | undefined): string | undefined {
  const kind = expression?.exprKind;
  if (kind?.case === 'identExpr') return kind.value.name;
  if (kind?.case === 'selectExpr' && !kind.value.testOnly) return below(kind.value.operand, kind.value.field);
  if (kind?.case !== 'callExpr' || kind.value.function !== '_[_]') return undefined;
  const [operand, index] = kind.value.args;
  const key = stringOf(index);
  return key === undefined ? undefined : below(operand, key);
}

function below(operand: Expression | undefined, member: string): string | undefined {
  const path = pathOf(operand);
  return path === undefined ? undefined : `${path}.${member}`;
}

export function stringOf(expression: Expression | undefined): string | undefined {
  const kind = expression?.exprKind;
  if (kind?.case !== 'constExpr' || kind.value.constantKind.case !== 'stringValue') return undefined;
  return kind.value.constantKind.value;
}

const isNull = (expression: Expression | undefined): boolean =>
  expression?.exprKind.case === 'constExpr' && expression.exprKind.value.constantKind.case === 'nullValue';

/** What is known when the expression is `holds`. */
export function knownWhen(expression: Expression, holds: boolean): Known {
  const kind = expression.exprKind;
  if (kind.case === 'selectExpr' && kind.value.testOnly && holds) {
    return known(below(kind.value.operand, kind.value.field), 'present');
  }
  if (kind.case !== 'callExpr') return nothingKnown;
  return knownByCall(kind.value.function, kind.value.args, holds);
}

function knownByCall(name: string, args: readonly Expression[], holds: boolean): Known {
  const [left, right] = args;
  if (name === '!_' && left !== undefined) return knownWhen(left, !holds);
  if (name === (holds ? '_&&_' : '_||_')) return together(args.map((arg) => knownWhen(arg, holds)));
  if (name === '@in' && holds) return known(below(right, stringOf(left) ?? ''), 'present');
  if (name === (holds ? '_!=_' : '_==_')) {
    if (isNull(right)) return known(pathOf(left), 'set');
    if (isNull(left)) return known(pathOf(right), 'set');
  }
  return nothingKnown;
}

const known = (path: string | undefined, what: 'present' | 'set'): Known =>
  path === undefined ? nothingKnown : new Map([[path, what]]);

export function together(all: readonly Known[]): Known {
  const merged = new Map<string, 'present' | 'set'>();
  for (const one of all) {
    for (const [path, what] of one) if (merged.get(path) !== 'set') merged.set(path, what);
  }
  return merged;
}
