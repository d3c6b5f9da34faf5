import { describe, expect, test } from 'vitest';
import { checkTemplate, compile, evaluateBoolean, evaluateValue, interpolate } from './cel.ts';

const value = (source: string, bindings: Record<string, unknown> = {}) => {
  const result = evaluateValue(source, bindings);
  return result.kind === 'Value' ? result.value : `Error: ${result.message}`;
};

describe('numbers: JSON in, CEL inside, JSON out', () => {
  test.each<[string, Record<string, unknown>, unknown]>([
    ['args.amountMicros > 50000000', { args: { amountMicros: 50_000_001 } }, true],
    ['args.amountMicros > 50000000', { args: { amountMicros: 50_000_000 } }, false],
    ['args.amountMicros > 50000000', { args: { amountMicros: 50_000_000.5 } }, true],
    ['facts.count == 3', { facts: { count: 3 } }, true],
    ['facts.count == 3.0', { facts: { count: 3 } }, true],
    ['facts.ratio >= 1', { facts: { ratio: 0.5 } }, false],
    ['facts.ratio < 1 && facts.count < 3.5', { facts: { ratio: 0.5, count: 3 } }, true],
    ['facts.count in [1, 2, 3]', { facts: { count: 3 } }, true],
    ['2.5 in facts.list', { facts: { list: [1, 2.5] } }, true],
    ['args.price * 1.2', { args: { price: 10 } }, 12],
    ['1.5 + args.price - 2', { args: { price: 10 } }, 9.5],
    ['7 / 2', {}, 3],
    ['7 / 2.0', {}, 3.5],
    ['7 % 2', {}, 1],
    ['-args.n', { args: { n: 4 } }, -4],
    ['size(facts.list) == 2', { facts: { list: ['a', 'b'] } }, true],
    ['args.big', { args: { big: 1e300 } }, 1e300],
    ['{"a": [1, 2.5, null, true, "x"]}', {}, { a: [1, 2.5, null, true, 'x'] }],
    ['facts', { facts: { deep: { list: [{ n: 1 }], none: undefined } } }, { deep: { list: [{ n: 1 }] } }],
    ['uint(3)', {}, 3],
  ])('%s', (source, bindings, expected) => {
    expect(value(source, bindings)).toEqual(expected);
  });
});

describe('strings and macros', () => {
  test.each<[string, Record<string, unknown>, unknown]>([
    ["facts.wish == 'book'", { facts: { wish: 'book' } }, true],
    ['result.slotId in facts.offered', { result: { slotId: 's2' }, facts: { offered: ['s1', 's2'] } }, true],
    ["calls.exists(c, c.tool == 'find' && c.ok)", { calls: [{ tool: 'find', ok: true }] }, true],
    ['input.items.map(i, i.n).filter(n, n > 1)', { input: { items: [{ n: 1 }, { n: 2 }] } }, [2]],
    ["input.text.matches('(?i)chest pain')", { input: { text: 'Chest Pain' } }, true],
    ["input.text.lowerAscii().split(' ')", { input: { text: 'A b' } }, ['a', 'b']],
    ['has(facts.wish)', { facts: {} }, false],
    ["has(facts.wish) && facts.wish == 'x'", { facts: {} }, false],
    ["facts['a b'] == 1", { facts: { 'a b': 1 } }, true],
  ])('%s', (source, bindings, expected) => {
    expect(value(source, bindings)).toEqual(expected);
  });
});

describe('errors', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ["facts.wish == 'book'", { facts: {} }, 'Error: field not found: wish'],
    ["facts['wish']", { facts: {} }, 'Error: field not found: wish'],
    ['facts.constructor', { facts: {} }, 'Error: field not found: constructor'],
    ['facts.toString', { facts: { a: 1 } }, 'Error: field not found: toString'],
    ['nope > 1', { facts: {}, input: {} }, 'Error: unknown name "nope"; allowed are facts, input'],
    ['[1].all(x, y > 1)', { facts: {} }, 'Error: unknown name "y"; allowed are facts'],
    ['[1].all(x, x > 0) && x > 0', {}, 'Error: unknown name "x"; allowed are no variables'],
    ['facts.foo()', { facts: {} }, 'Error: unknown function "foo"'],
    ['Foo{a: 1}', {}, 'Error: unknown type "Foo"'],
    ['1 / 0', {}, 'Error: int divide by zero'],
    ['9223372036854775807', {}, 'Error: result 9223372036854775807 is beyond the integers JSON can carry exactly'],
    ["duration('1s')", {}, 'Error: result has no JSON form; allowed are null, bool, int, double, string, list and map'],
  ])('%s', (source, bindings, expected) => {
    expect(value(source, bindings)).toBe(expected);
  });

  test('a syntax error says where', () => {
    expect(compile('1 +', [])).toEqual({
      kind: 'Error',
      message: 'syntax error at 1:3: found + but expecting end of input',
    });
  });
  test('a declared variable that is not bound is an error, and only when it is read', () => {
    const program = compile('facts.a == 1', ['facts', 'input']);
    expect(program.kind === 'Program' && program.evaluate({ facts: { a: 1 } })).toEqual({ kind: 'Value', value: true });
    expect(program.kind === 'Program' && program.evaluate({ input: {} })).toEqual({
      kind: 'Error',
      message: '"facts" has no value here',
    });
  });
  test('a result that is no bool is an error of evaluateBoolean', () => {
    expect(evaluateBoolean('1 + 1', {})).toEqual({
      ok: false,
      message: 'the result must be true or false, found a number: 1 + 1',
    });
    expect(evaluateBoolean('true', {})).toEqual({ ok: true, value: true });
    expect(evaluateBoolean('facts.x', { facts: {} }).ok).toBe(false);
  });
  test('deep nesting and long sources are errors, not crashes', () => {
    const deep = 'expression is nested deeper than 200 levels';
    expect(compile('1 + '.repeat(500) + '1', [])).toEqual({ kind: 'Error', message: deep });
    expect(compile(`${'['.repeat(2000)}1${']'.repeat(2000)}`, []).kind).toBe('Error');
    expect(compile('x'.repeat(5000), []).kind).toBe('Error');
    let input: unknown = 1;
    for (let i = 0; i < 5000; i += 1) input = { input };
    expect(value('facts == 1', { facts: input })).toBe('Error: input is nested deeper than 64 levels');
  });
});

describe('C2: no evaluation is long', () => {
  const items = Array.from({ length: 10_000 }, (_, index) => index);
  test('a pass over a long list is fine', () => {
    expect(value('items.all(x, x >= 0)', { items })).toBe(true);
    expect(value('size(items.filter(x, x % 2 == 0))', { items: items.slice(0, 2000) })).toBe(1000);
  });
  test.each([
    'items.all(x, items.all(y, items.all(z, x + y + z >= 0)))',
    'items.exists(x, items.exists(y, x == -1))',
    'items.map(x, items.map(y, items.map(z, z)))',
    'items.all(x, text.matches("(a|aa)+$") || x >= 0)',
    'items.all(x, x in items || true)',
  ])('%s is stopped', (source) => {
    const started = performance.now();
    expect(value(source, { items, text: 'a'.repeat(60_000) })).toMatch(/^Error: expression takes too long/);
    expect(performance.now() - started).toBeLessThan(3_000);
  });
  test('the budget is one evaluation’s own', () => {
    expect(value('items.exists(x, items.exists(y, x == -1))', { items })).toMatch(/^Error/);
    expect(value('items.all(x, x >= 0)', { items })).toBe(true);
  });
});

describe('interpolate', () => {
  const bindings = { args: { id: 'p1', amount: 12, list: [1, 'b'] }, run: { id: 'r-1' } };
  test.each<[unknown, unknown]>([
    ['plain', 'plain'],
    ['', ''],
    ['${args.amount}', 12],
    ['${args.list}', [1, 'b']],
    ['Pay ${args.amount} for ${args.id}.', 'Pay 12 for p1.'],
    ['list ${args.list}', 'list [1,"b"]'],
    ['a $${literal} ${run.id}', 'a ${literal} r-1'],
    ["${ {'a': '}'} }", { a: '}' }],
    [
      { deep: [{ id: '${args.id}', n: 1, none: null }], ok: true },
      { deep: [{ id: 'p1', n: 1, none: null }], ok: true },
    ],
  ])('%j', (template, expected) => {
    expect(interpolate(template, bindings)).toEqual({ kind: 'Value', value: expected });
  });
  test('an error names the expression', () => {
    expect(interpolate({ a: ['x ${args.nope}'] }, bindings)).toEqual({
      kind: 'Error',
      message: '${args.nope}: field not found: nope',
    });
    expect(interpolate('x ${args.id', bindings)).toEqual({
      kind: 'Error',
      message: '"${" without its closing "}": ${args.id',
    });
  });
  test('checkTemplate finds what would fail', () => {
    expect(checkTemplate({ a: 'x ${args.id} ${nope}', b: ['${1 +}'] }, ['args'])).toEqual([
      '${nope}: unknown name "nope"; allowed are args',
      '${1 +}: syntax error at 1:3: found + but expecting end of input',
    ]);
    expect(checkTemplate(['${args.x}', 1, null, '$${'], ['args'])).toEqual([]);
  });
});
