// K1 and K2 of check.ts, and the table of overloads, held against the evaluator. No schema here is `dyn` (K3).
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { evaluateValue } from './cel.ts';
import { checkTypes } from './check.ts';
import { functionNames, overloadsOf } from './overloads.ts';
import { typeOfSchema } from './schema-type.ts';
import { callType } from './operations.ts';
import { bool, dyn, int, listOf, mapOf, scalar, string, type Type } from './type.ts';

/** What the evaluator says when an operand has the wrong type or a member is not there. */
const typeError =
  /no matching overload|field not found|type mismatch|unsupported key type|unbound function|has no value/;

interface Case {
  readonly schema: Readonly<Record<string, unknown>>;
  readonly values: fc.Arbitrary<unknown>;
}

const leaf: readonly Case[] = [
  { schema: { type: 'string' }, values: fc.constantFrom('', 'book', 'a b', '7') },
  { schema: { type: 'string', enum: ['book', 'refill'] }, values: fc.constantFrom('book', 'refill') },
  { schema: { type: 'integer' }, values: fc.integer({ min: -5, max: 5 }) },
  { schema: { type: 'number' }, values: fc.constantFrom(0, 1, -2, 0.5, 1e300) },
  { schema: { type: 'boolean' }, values: fc.boolean() },
  { schema: { type: ['integer', 'null'] }, values: fc.constantFrom(null, 1, -3) },
  { schema: { type: ['string', 'integer'] }, values: fc.constantFrom('x', 4) },
  { schema: { enum: ['a', 1, null] }, values: fc.constantFrom('a', 1, null) },
];
const names = ['a', 'b', 'c'] as const;

function listCase(item: Case): Case {
  return { schema: { type: 'array', items: item.schema }, values: fc.array(item.values, { maxLength: 3 }) };
}

function mapCase(item: Case): Case {
  const values = fc.dictionary(fc.constantFrom(...names), item.values, { maxKeys: 3 });
  return { schema: { type: 'object', additionalProperties: item.schema }, values };
}

function objectCase(members: readonly (Case & { readonly required: boolean })[]): Case {
  const named = members.map((member, at) => ({ ...member, name: names[at] ?? 'z' }));
  const requiredKeys = named.filter((member) => member.required).map(({ name }) => name);
  const model = Object.fromEntries(named.map(({ name, values }) => [name, values]));
  return {
    schema: {
      type: 'object',
      properties: Object.fromEntries(named.map(({ name, schema }) => [name, schema])),
      required: requiredKeys,
    },
    values: fc.record(model, { requiredKeys }).map((value) => ({ ...value })),
  };
}

const cases: fc.Arbitrary<Case> = fc.letrec<{ any: Case; object: Case }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    fc.constantFrom(...leaf),
    tie('any').map(listCase),
    tie('any').map(mapCase),
    tie('object'),
  ),
  object: fc
    .array(fc.record({ of: tie('any'), required: fc.boolean() }), { minLength: 1, maxLength: 3 })
    .map((members) => objectCase(members.map(({ of, required }) => ({ ...of, required })))),
})).object;

const expressions: fc.Arbitrary<string> = fc.letrec<{ path: string; any: string }>((tie) => ({
  path: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constant('facts'),
    fc.tuple(tie('path'), fc.constantFrom(...names)).map(([path, name]) => `${path}.${name}`),
    fc.tuple(tie('path'), fc.constantFrom(...names)).map(([path, name]) => `${path}['${name}']`),
    tie('path').map((path) => `${path}[0]`),
  ),
  any: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    tie('path'),
    fc.constantFrom('1', '0.5', "'book'", 'true', 'null', '[]', "['a', 'b']", "{'a': 1}"),
    tie('path'),
    tie('path').map((path) => `has(${path}.a)`),
    fc
      .tuple(tie('any'), fc.constantFrom('==', '!=', '<', '>=', '+', '-', '*', '%', 'in'), tie('any'))
      .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
    fc
      .tuple(tie('any'), fc.constantFrom('&&', '||'), tie('any'))
      .map(([left, or, right]) => `(${left} ${or} ${right})`),
    fc.tuple(tie('path'), tie('any')).map(([path, right]) => `(has(${path}.b) && ${path}.b == ${right})`),
    fc.tuple(tie('path'), tie('any')).map(([path, right]) => `(${path} != null && ${path} > ${right})`),
    fc.tuple(tie('path'), tie('any')).map(([path, right]) => `(!has(${path}.c) || ${right} in ${path}.c)`),
    tie('any').map((of) => `!(${of})`),
    tie('any').map((of) => `size(${of})`),
    fc.tuple(tie('any'), tie('any'), tie('any')).map(([when, yes, no]) => `(${when} ? ${yes} : ${no})`),
    fc
      .tuple(tie('path'), fc.constantFrom('x == 1', "x.a == 'b'", 'has(x.b) && x.b', "x.startsWith('b')", 'x > 0'))
      .map(([path, body]) => `${path}.exists(x, ${body})`),
    fc
      .tuple(tie('path'), fc.constantFrom('x', 'x.a', 'size(x)', '[x]', 'x + 1'))
      .map(([path, body]) => `${path}.map(x, ${body})`),
    tie('any').map((of) => `string(${of})`),
    fc.tuple(tie('any'), tie('any')).map(([of, other]) => `${of}.contains(${other})`),
  ),
})).any;

const counted = { clean: 0, evaluated: 0, wrong: 0 };

test('K2: an expression without findings never fails for a type or a missing member', () => {
  fc.assert(
    fc.property(cases, expressions, fc.gen(), ({ schema, values }, source, gen) => {
      const checked = checkTypes(source, { facts: typeOfSchema(schema) });
      if (checked.problems.length > 0) counted.wrong += 1;
      if (checked.problems.length > 0 || checked.doubts.length > 0) return;
      counted.clean += 1;
      for (let tries = 0; tries < 5; tries += 1) {
        const facts = gen(() => values);
        const result = evaluateValue(source, { facts });
        counted.evaluated += result.kind === 'Value' ? 1 : 0;
        if (result.kind === 'Error') {
          const seen = JSON.stringify({ source, schema, facts, message: result.message });
          expect(result.message, seen).not.toMatch(typeError);
        }
      }
    }),
    { numRuns: 2_500 },
  );
  expect(counted.clean).toBeGreaterThan(200);
  expect(counted.evaluated).toBeGreaterThan(500);
  expect(counted.wrong).toBeGreaterThan(200);
}, 60_000);

test('K1: a sure problem of the whole expression fails on every value', () => {
  let seen = 0;
  const single = fc.oneof(
    expressions.filter((source) => /^facts[.[]/.test(source) && !source.includes('(')),
    fc
      .tuple(
        fc.constantFrom('facts.a', 'facts.b', 'facts.a.b', 'facts.a[0]'),
        fc.constantFrom('<', '+', '%', '-'),
        fc.constantFrom('1', "'x'", '[]', 'true', 'null'),
      )
      .map(([left, operator, right]) => `${left} ${operator} ${right}`),
    fc.constantFrom(
      'size(facts.a)',
      '-facts.a',
      '!facts.a',
      "facts.a.startsWith('x')",
      'facts.a[0]',
      'facts.a ? 1 : 2',
    ),
  );
  fc.assert(
    fc.property(cases, single, fc.gen(), ({ schema, values }, source, gen) => {
      if (checkTypes(source, { facts: typeOfSchema(schema) }).problems.length === 0) return;
      seen += 1;
      const facts = gen(() => values);
      expect({ source, facts, ...evaluateValue(source, { facts }) }).toMatchObject({ kind: 'Error' });
    }),
    { numRuns: 2_000 },
  );
  expect(seen).toBeGreaterThan(200);
}, 60_000);

/** A value of each operand type, as the evaluator sees it and as the checker does. */
const samples: readonly { readonly source: string; readonly type: Type }[] = [
  { source: 'true', type: bool },
  { source: '1', type: int },
  { source: '1u', type: scalar('uint') },
  { source: '1.0', type: scalar('double') },
  { source: "'1'", type: string },
  { source: "b'1'", type: scalar('bytes') },
  { source: 'null', type: scalar('null') },
  { source: "timestamp('2026-01-01T00:00:00Z')", type: scalar('timestamp') },
  { source: "duration('1s')", type: scalar('duration') },
  { source: 'int', type: scalar('type') },
  { source: "['1']", type: listOf(string) },
  { source: "{'a': 1}", type: mapOf(int) },
];

test('the table of overloads is the evaluator’s', { timeout: 60_000 }, () => {
  const differing: string[] = [];
  let compared = 0;
  for (const name of functionNames()) {
    const forms = new Set((overloadsOf(name) ?? []).map(({ method, operands }) => `${method}/${operands.length}`));
    for (const form of forms) {
      const [method, count] = [form.startsWith('true'), Number(form.split('/')[1])];
      for (const operands of combinations(count)) {
        const source = sourceOf(
          name,
          method,
          operands.map((operand) => operand.source),
        );
        if (source === undefined) continue;
        compared += 1;
        const result = evaluateValue(`type(${source})`, {});
        const message = result.kind === 'Error' ? result.message : '';
        const takes = !message.includes('no matching overload') && !message.includes('unbound');
        let wrong = false;
        const judge = { wrong: () => (wrong = true), doubtful: () => undefined };
        callType({ name, method, operands: operands.map(({ type }) => type) }, judge);
        // Never equal and never in a list are mistakes, though the evaluator answers.
        const strict = name !== '_==_' && name !== '_!=_' && !(name === '@in' && operands[1]?.type.kind === 'list');
        if (strict && takes === wrong) differing.push(`${source}: evaluator ${takes}, table ${!wrong} ${message}`);
      }
    }
  }
  expect(differing).toEqual([]);
  expect(compared).toBeGreaterThan(1_000);
});

function combinations(count: number): readonly (readonly (typeof samples)[number][])[] {
  if (count === 0) return [[]];
  // Third and fourth operands are only ever texts and numbers.
  const last = count > 2 ? samples.filter(({ source }) => ["'1'", '1', 'true'].includes(source)) : samples;
  return combinations(count - 1).flatMap((before) => last.map((sample) => [...before, sample]));
}

function sourceOf(name: string, method: boolean, operands: readonly string[]): string | undefined {
  const [first = '', second = '', ...rest] = operands;
  const infix = /^_(.+)_$/u.exec(name)?.[1];
  if (infix !== undefined) return `(${first} ${infix} ${second})`;
  if (name === '@in') return `(${first} in ${second})`;
  if (name.endsWith('_')) return `${name.slice(0, -1)}(${first})`;
  return method
    ? `${first}.${name}(${[second, ...rest].filter((text) => text !== '').join(', ')})`
    : `${name}(${operands.join(', ')})`;
}

test('dyn is left to the evaluator', () => {
  for (const source of [
    'facts.a > 1',
    'facts[0].x',
    'facts.exists(x, x.y)',
    'size(facts)',
    '!facts',
    'facts ? 1 : 2',
  ]) {
    expect(checkTypes(source, { facts: dyn })).toMatchObject({ problems: [], doubts: [] });
  }
});
