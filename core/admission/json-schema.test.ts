import { expect, test } from 'vitest';
import { checkObjectSchema } from './json-schema.ts';

const paths = (schema: unknown) => checkObjectSchema('spec.input', schema).map(({ field }) => field);
const member = (schema: unknown) => ({ type: 'object', properties: { a: schema } });

test.each<[string, unknown]>([
  ['no constraint', { type: 'object' }],
  ['booleans inside', { type: 'object', additionalProperties: false, properties: { a: true } }],
  ['a list of types', member({ type: ['string', 'null'] })],
  [
    'branches',
    member({
      anyOf: [
        { type: 'string', minLength: 1 },
        { type: 'integer', minimum: 0 },
      ],
    }),
  ],
  ['own definitions', { type: 'object', $defs: { id: { type: 'string' } }, properties: { a: { $ref: '#/$defs/id' } } }],
  ['unknown keywords', member({ type: 'string', 'x-hint': 'a', format: 'date', description: 'b', default: 1 })],
])('%s is well formed', (_, schema) => {
  expect(paths(schema)).toEqual([]);
});

test.each<[string, unknown, readonly string[]]>([
  ['no schema', 'string', ['spec.input']],
  ['a list', { type: 'array' }, ['spec.input.type']],
  ['no type', { properties: {} }, ['spec.input.type']],
  ['a wrong type', member({ type: 'text' }), ['spec.input.properties.a.type']],
  ['properties as a list', { type: 'object', properties: ['a'] }, ['spec.input.properties']],
  ['a member that is text', member('string'), ['spec.input.properties.a']],
  ['required as text', { type: 'object', required: 'a' }, ['spec.input.required']],
  ['required twice', { type: 'object', required: ['a', 'a'] }, ['spec.input.required']],
  ['an empty enum', member({ enum: [] }), ['spec.input.properties.a.enum']],
  ['a broken pattern', member({ pattern: '(' }), ['spec.input.properties.a.pattern']],
  ['a foreign reference', member({ $ref: 'https://example.com/a.json' }), ['spec.input.properties.a.$ref']],
  ['a negative bound', member({ maxLength: -1 }), ['spec.input.properties.a.maxLength']],
  [
    'items inside branches',
    member({ oneOf: [{ items: { type: 'x' } }] }),
    ['spec.input.properties.a.oneOf[0].items.type'],
  ],
])('%s is not', (_, schema, expected) => {
  expect(paths(schema)).toEqual(expected);
});

test('depth is bounded', () => {
  let deep: unknown = { type: 'string' };
  for (let level = 0; level < 1000; level += 1) deep = { type: 'object', properties: { a: deep } };
  expect(checkObjectSchema('spec.input', deep)).toHaveLength(1);
});
