// Owns: what is done to a parsed expression before it may run.
//   E1: every free name is a declared variable or a type name; every function exists.
//   E2: no evaluation is long: each turn of a comprehension, and each value that a call inside one reads, is charged to one
//       budget, and at its end the evaluation is an error.
import {
  celFunc,
  type CelFunc,
  type CelEnv,
  CelScalar,
  type CelValue,
  isCelList,
  isCelMap,
  type parse,
} from '@bufbuild/cel';

export type Expression = ReturnType<typeof parse>['expr'];
type ExpressionKind = Expression['exprKind'];
type Call = Extract<ExpressionKind, { case: 'callExpr' }>['value'];
type Comprehension = Extract<ExpressionKind, { case: 'comprehensionExpr' }>['value'];

/**
 * Units of one evaluation. A comprehension turn costs one, a read of a string or list one per 64 characters or items, a
 * regular expression one per 4 characters.
 */
export const budgetMax = 100_000;
/** Levels of an expression: what is deeper could overflow the stack of whoever walks it. */
const depthMax = 200;
const unitSize = 64;
const matchedUnitSize = 4;

/** Names that stand for types where a variable could stand. */
export const typeNames = new Set([
  'bool',
  'bytes',
  'double',
  'dyn',
  'int',
  'list',
  'map',
  'null_type',
  'string',
  'type',
  'uint',
]);
/** Calls that the planner resolves itself; their arguments must stay as they are. */
const operators = new Set(['_&&_', '_||_', '_?_:_', '_[_]', '@not_strictly_false', '__not_strictly_false__']);

/** Evaluation is synchronous and never nested, so one meter serves all programs. */
const meter = { left: budgetMax };

export function resetBudget(): void {
  meter.left = budgetMax;
}

function charge(units: number): void {
  meter.left -= units;
  if (meter.left < 0) throw new Error(`expression takes too long: more than ${budgetMax} steps over this input`);
}

function sizeOf(value: CelValue): number {
  if (typeof value === 'string') return value.length;
  return isCelList(value) || isCelMap(value) ? value.size : 0;
}

export const meteringFunctions: CelFunc[] = [
  celFunc('@step', [CelScalar.BOOL], CelScalar.BOOL, (condition) => {
    charge(1);
    return condition;
  }),
  celFunc('@read', [CelScalar.DYN], CelScalar.DYN, (value) => {
    charge(Math.ceil(sizeOf(value as CelValue) / unitSize));
    return value;
  }),
  celFunc('@match', [CelScalar.DYN], CelScalar.DYN, (value) => {
    charge(Math.ceil(sizeOf(value as CelValue) / matchedUnitSize));
    return value;
  }),
];

export interface Metered {
  readonly expression: Expression;
  /** Declared variables that the expression reads. */
  readonly reads: readonly string[];
  /** What breaks E1, in words; empty when all is well. */
  readonly problems: readonly string[];
}

/** Checks E1 and returns the expression with E2 built in. */
export function meterExpression(source: Expression, variables: readonly string[], env: CelEnv): Metered {
  const walk = new Walk(variables, env);
  const expression = walk.visit(source, []);
  return { expression, reads: [...walk.reads], problems: walk.problems };
}

class Walk {
  readonly reads = new Set<string>();
  readonly problems: string[] = [];
  readonly #variables: readonly string[];
  readonly #env: CelEnv;
  #depth = 0;

  constructor(variables: readonly string[], env: CelEnv) {
    this.#variables = variables;
    this.#env = env;
  }

  /** `locals` are the variables of the comprehensions around; inside one (not empty) reads are charged. */
  visit(expression: Expression, locals: readonly string[]): Expression {
    if (this.#depth >= depthMax) throw new Error(`expression is nested deeper than ${depthMax} levels`);
    this.#depth += 1;
    const visited = this.#visit(expression, locals);
    this.#depth -= 1;
    return visited;
  }

  #visit(expression: Expression, locals: readonly string[]): Expression {
    const kind = expression.exprKind;
    switch (kind.case) {
      case 'identExpr':
        this.#ident(kind.value.name, locals);
        return expression;
      case 'callExpr':
        return { ...expression, exprKind: { case: 'callExpr', value: this.#call(kind.value, locals) } };
      case 'selectExpr': {
        const operand = this.#maybe(kind.value.operand, locals);
        return { ...expression, exprKind: { case: 'selectExpr', value: { ...kind.value, operand } } };
      }
      case 'listExpr': {
        const elements = kind.value.elements.map((element) => this.visit(element, locals));
        return { ...expression, exprKind: { case: 'listExpr', value: { ...kind.value, elements } } };
      }
      case 'structExpr':
        return { ...expression, exprKind: { case: 'structExpr', value: this.#struct(kind.value, locals) } };
      case 'comprehensionExpr':
        return {
          ...expression,
          exprKind: { case: 'comprehensionExpr', value: this.#comprehension(kind.value, locals) },
        };
      case 'constExpr':
      case undefined:
        return expression;
    }
  }

  #maybe(expression: Expression | undefined, locals: readonly string[]): Expression | undefined {
    return expression === undefined ? undefined : this.visit(expression, locals);
  }

  #ident(name: string, locals: readonly string[]): void {
    if (locals.includes(name) || typeNames.has(name)) return;
    if (this.#variables.includes(name)) this.reads.add(name);
    else this.problems.push(`unknown name "${name}"; allowed are ${this.#variables.join(', ') || 'no variables'}`);
  }

  #call(call: Call, locals: readonly string[]): Call {
    const operator = operators.has(call.function);
    if (!operator && this.#env.funcs.find(call.function) === undefined) {
      this.problems.push(`unknown function "${call.function}"`);
    }
    const read = (argument: Expression) => {
      const visited = this.visit(argument, locals);
      if (operator || locals.length === 0) return visited;
      return callOf(call.function === 'matches' ? '@match' : '@read', visited);
    };
    return { ...call, target: call.target === undefined ? undefined : read(call.target), args: call.args.map(read) };
  }

  #struct(struct: Extract<ExpressionKind, { case: 'structExpr' }>['value'], locals: readonly string[]): typeof struct {
    if (struct.messageName !== '') this.problems.push(`unknown type "${struct.messageName}"`);
    const entries = struct.entries.map((entry) => ({
      ...entry,
      keyKind:
        entry.keyKind.case === 'mapKey'
          ? { case: 'mapKey' as const, value: this.visit(entry.keyKind.value, locals) }
          : entry.keyKind,
      value: this.#maybe(entry.value, locals),
    }));
    return { ...struct, entries };
  }

  #comprehension(fold: Comprehension, locals: readonly string[]): Comprehension {
    const inner = [...locals, fold.iterVar, fold.iterVar2, fold.accuVar].filter((name) => name !== '');
    const condition = this.#maybe(fold.loopCondition, inner);
    return {
      ...fold,
      iterRange: this.#maybe(fold.iterRange, locals),
      accuInit: this.#maybe(fold.accuInit, locals),
      loopCondition: condition === undefined ? undefined : callOf('@step', condition),
      loopStep: this.#maybe(fold.loopStep, inner),
      result: this.#maybe(fold.result, inner),
    };
  }
}

function callOf(name: string, argument: Expression): Expression {
  return {
    $typeName: 'cel.expr.Expr',
    id: argument.id,
    exprKind: { case: 'callExpr', value: { $typeName: 'cel.expr.Expr.Call', function: name, args: [argument] } },
  };
}
