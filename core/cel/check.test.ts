import { describe, expect, test } from 'vitest';
import { checkTypes } from './check.ts';
import { typeOfSchema } from './schema-type.ts';
import { words } from './type.ts';

const facts = typeOfSchema({
  type: 'object',
  properties: {
    wish: { type: 'string', enum: ['book', 'cancel', 'refill'] },
    note: { type: 'string' },
    count: { type: 'integer' },
    ratio: { type: 'number' },
    done: { type: 'boolean' },
    offered: { type: 'array', items: { type: 'string' } },
    slots: { type: 'array', items: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] } },
    patient: {
      type: 'object',
      properties: { name: { type: 'string' }, age: { type: 'integer' } },
      required: ['name'],
    },
    maybe: { type: ['integer', 'null'] },
    either: { type: ['integer', 'string'] },
    prices: { type: 'object', additionalProperties: { type: 'integer' } },
    loose: { type: 'object' },
    anything: { anyOf: [{ type: 'string' }] },
    late: { type: 'integer' },
  },
  required: [
    'wish',
    'note',
    'count',
    'ratio',
    'done',
    'offered',
    'slots',
    'patient',
    'maybe',
    'either',
    'prices',
    'loose',
    'anything',
  ],
});
const check = (source: string) => checkTypes(source, { facts });
const said = (
  list: readonly { readonly part: string | undefined; readonly found: string; readonly allowed: string }[],
) => list.map(({ part, found, allowed }) => `${part ?? 'whole'}: ${found}; allowed: ${allowed}`);

describe('sure problems', () => {
  test.each([
    [
      "facts.wihs == 'book'",
      'whole: facts has no member wihs; allowed: anything (any value), count (int), done (bool), either (int or string), late (int), loose (object), maybe (int or null), note (string), offered (list of string), patient (object), prices (map), ratio (number), and 2 more; did you mean wish?',
    ],
    ["facts.patient.adress == 'x'", 'whole: facts.patient has no member adress; allowed: age (int), name (string)'],
    [
      "facts['patient']['nmae'] == 'x'",
      'whole: facts["patient"] has no member nmae; allowed: age (int), name (string); did you mean name?',
    ],
    [
      'has(facts.wishes)',
      'whole: facts has no member wishes; allowed: anything (any value), count (int), done (bool), either (int or string), late (int), loose (object), maybe (int or null), note (string), offered (list of string), patient (object), prices (map), ratio (number), and 2 more; did you mean wish?',
    ],
    ["facts.count == '3'", 'whole: int compared with string, which is never equal; allowed: values of one type'],
    [
      "facts.count > '3'",
      'whole: int > string; allowed: two numbers, or two of one of the types string, bool, timestamp, duration',
    ],
    [
      'facts.note + 1 == "x"',
      'facts.note + 1: string + int; allowed: int + int, uint + uint, double + double, int + double, double + int, string + string, bytes + bytes, duration + duration, list + list, timestamp + duration, duration + timestamp',
    ],
    [
      'size(facts.count) > 1',
      'size(facts.count): size(int); allowed: size(bytes), size(list), size(string), size(map)',
    ],
    ["facts.count.startsWith('1')", 'whole: int.startsWith(string); allowed: string.startsWith(string)'],
    ['facts.note.startsWith()', 'whole: string.startsWith(); allowed: string.startsWith(string)'],
    ['facts.count && facts.done', 'facts.count: is int; allowed: bool: true or false'],
    ['facts.note ? 1 : 2', 'facts.note: is string; allowed: bool: true or false'],
    ['!facts.count', 'whole: !(int); allowed: !(bool)'],
    ['1 in facts.offered', 'whole: int in a list of string, which is never so; allowed: values of type string'],
    ['facts.note.exists(c, c == "a")', 'facts.note: is string; allowed: a list or a map to go over'],
    ['facts.slots.exists(s, s.di == "a")', 'whole: s has no member di; allowed: id (string); did you mean id?'],
    [
      'facts.slots.all(s, s.id > 3)',
      's.id > 3: string > int; allowed: two numbers, or two of one of the types string, bool, timestamp, duration',
    ],
    [
      "facts.offered['a'] == 'x'",
      'whole: facts.offered is list of string and has no members; allowed: members of objects and maps only',
    ],
    [
      'facts.offered[facts.note] == "x"',
      'facts.offered[facts.note]: list of string indexed by string; allowed: list[int] or map[string]',
    ],
    [
      'facts.note.name == "x"',
      'whole: facts.note is string and has no members; allowed: members of objects and maps only',
    ],
    [
      "facts.offered.map(o, size(o)).exists(n, n == 'x')",
      'n == "x": int compared with string, which is never equal; allowed: values of one type',
    ],
    ['-facts.note == "x"', '-facts.note: -(string); allowed: -(int), -(double)'],
  ])('%s', (source, problem) => {
    expect(said(check(source).problems)).toEqual([problem]);
  });
});

describe('doubts: what only some values break', () => {
  test.each([
    [
      'facts.late > 1',
      'whole: facts.late may be absent, and then cannot be evaluated; allowed: has(facts.late) && …, or a schema that requires it on every way here',
    ],
    [
      'facts.patient.age > 17',
      'whole: facts.patient.age may be absent, and then cannot be evaluated; allowed: has(facts.patient.age) && …, or a schema that requires it on every way here',
    ],
    [
      'facts.prices.apple > 1',
      'whole: facts.prices.apple may be absent, and then cannot be evaluated; allowed: has(facts.prices.apple) && …, or a schema that requires it on every way here',
    ],
    [
      'facts.maybe > 1',
      'whole: int or null > int; allowed: two numbers, or two of one of the types string, bool, timestamp, duration',
    ],
    ['facts.ratio % 2 == 1', 'facts.ratio % 2: number % int; allowed: int % int, uint % uint'],
    ["facts.wish == 'boook'", 'whole: can never be "boook"; allowed: "book", "cancel", "refill"; did you mean "book"?'],
    [
      "facts.wish in ['refil', 'boot']",
      'whole: can never be "boot", "refil"; allowed: "book", "cancel", "refill"; did you mean "book"?',
    ],
    [
      'facts.late > 1 || has(facts.late)',
      'whole: facts.late may be absent, and then cannot be evaluated; allowed: has(facts.late) && …, or a schema that requires it on every way here',
    ],
    [
      'has(facts.late) ? facts.count > 1 : facts.late > 1',
      'whole: facts.late may be absent, and then cannot be evaluated; allowed: has(facts.late) && …, or a schema that requires it on every way here',
    ],
  ])('%s', (source, doubt) => {
    const { problems, doubts } = check(source);
    expect({ problems, doubts: said(doubts) }).toEqual({ problems: [], doubts: [doubt] });
  });
});

describe('nothing to say', () => {
  test.each([
    ["facts.wish == 'book'", 'bool'],
    ["facts.wish in ['book', 'other']", 'bool'],
    ['facts.count == 3.0 && facts.ratio < 4', 'bool'],
    ['facts.count + facts.ratio', 'number'],
    ['has(facts.late) && facts.late > 1', 'bool'],
    ['facts.late > 1 && has(facts.late)', 'bool'],
    ['!has(facts.late) || facts.late > 1', 'bool'],
    ['has(facts.late) ? facts.late : 0', 'int'],
    ["'late' in facts && facts.late > 1", 'bool'],
    ['has(facts.patient.age) && (facts.done || facts.patient.age > 17)', 'bool'],
    ['facts.maybe != null && facts.maybe > 1', 'bool'],
    ['facts.maybe == null || facts.maybe > 1', 'bool'],
    ['facts.maybe == 1', 'bool'],
    ["facts.either == 'x' || facts.either == 1", 'bool'],
    ['facts.anything.deep[3].x + 1 > 2', 'bool'],
    ['facts.loose.x == 1', 'bool'],
    ["facts.offered.exists(o, o.startsWith('s')) && facts.offered[0] == facts.note", 'bool'],
    ['facts.slots.map(s, s.id).filter(i, i != facts.note)', 'list of string'],
    ['facts.slots.exists_one(s, s.id == facts.note)', 'bool'],
    ["size([]) == 0 && [].all(x, x > 1) && {'a': 1}.a == 1", 'bool'],
    ['type(facts.count) == int', 'bool'],
    ["facts.prices['apple'] > 1 || !('apple' in facts.prices)", 'bool'],
    ['dyn(facts.count) == "x"', 'bool'],
    ["timestamp('2026-01-01T00:00:00Z') - duration('1h') < timestamp(0)", 'bool'],
  ])('%s', (source, type) => {
    const { problems, doubts, type: found } = check(source);
    expect({ problems: said(problems), doubts: said(doubts), type: words(found) }).toEqual({
      problems: [],
      doubts: [],
      type,
    });
  });
});
