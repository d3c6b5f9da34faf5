import { expect, test } from 'vitest';
import { z } from 'zod';
import { anyObject, micros, name } from '../../api/schema.ts';
import { structuralSchema } from './structural.ts';

const bounded = z.string().max(10);

test.each<[string, z.ZodType, RegExp]>([
  ['a union', z.object({ a: z.union([bounded, z.int()]) }), /K\.a: "anyOf" has no structural form/],
  ['a tuple', z.object({ a: z.tuple([bounded]) }), /K\.a\[\]: "anyOf" has no structural form/],
  ['anything', z.object({ a: z.unknown() }), /K\.a: a type is required/],
  ['a loose object', z.object({ a: z.looseObject({ b: bounded }) }), /K\.a: properties and additionalProperties/],
  ['a string without a maximum', z.object({ a: z.string() }), /K\.a: string needs maxLength/],
  ['a list without a maximum', z.object({ a: z.array(bounded) }), /K\.a: array needs maxItems/],
  ['a map without a maximum', z.object({ a: z.record(z.string(), bounded) }), /K\.a: object needs maxProperties/],
  ['a deep one', z.object({ a: z.array(z.object({ b: z.string() })).max(2) }), /K\.a\[\]\.b: string needs maxLength/],
])('%s is refused by its path', (_, schema, message) => {
  expect(() => structuralSchema(schema, 'K')).toThrow(message);
});

test('what zod says is what the API server gets', () => {
  const schema = z.object({
    name: name().describe('Its name.'),
    cost: micros().optional(),
    few: z.int().min(1).max(9),
    any: z.int(),
    free: anyObject(),
    map: z.record(z.string(), bounded).meta({ maxProperties: 3 }),
    list: z.array(bounded).max(2).meta({ 'x-kubernetes-list-type': 'set' }),
  });
  expect(structuralSchema(schema, 'K')).toEqual({
    type: 'object',
    required: ['name', 'few', 'any', 'free', 'map', 'list'],
    properties: {
      name: {
        type: 'string',
        description: 'Its name.',
        minLength: 1,
        maxLength: 63,
        pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
      },
      cost: { type: 'integer', format: 'int64', minimum: 0, maximum: 9_000_000_000_000_000 },
      few: { type: 'integer', format: 'int32', minimum: 1, maximum: 9 },
      any: { type: 'integer', format: 'int64' },
      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      map: { type: 'object', maxProperties: 3, additionalProperties: { type: 'string', maxLength: 10 } },
      list: {
        type: 'array',
        maxItems: 2,
        'x-kubernetes-list-type': 'set',
        items: { type: 'string', maxLength: 10 },
      },
    },
  });
});
