import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonical, foreignStatus, isPartOf, sameJson } from './compare.ts';

const container = (name: string, extra: object = {}): object => ({ name, image: 'signalbox', ...extra });

describe('isPartOf', () => {
  test.each([
    [
      'defaults of the server are no difference',
      { spec: { replicas: 1 } },
      { spec: { replicas: 1, paused: false } },
      true,
    ],
    ['a changed value is', { spec: { replicas: 1 } }, { spec: { replicas: 2 } }, false],
    ['a removed field is', { data: { a: '1' } }, {}, false],
    ['an undefined field is not wanted', { a: undefined }, {}, true],
    ['an empty map is there when nothing is', { labels: {} }, {}, true],
    [
      'items are found by name in any order',
      [container('a'), container('b')],
      [container('b', { x: 1 }), container('a')],
      true,
    ],
    ['an item added by others is no difference', [container('a')], [container('a'), container('injected')], true],
    ['a missing item is', [container('a'), container('b')], [container('a')], false],
    ['plain lists are compared by position', ['a', 'b'], ['b', 'a'], false],
    ['and by length', ['a'], ['a', 'b'], false],
    ['an emptied list is a difference', [], ['a'], false],
    ['rules without names are compared whole', [{ verbs: ['get'] }], [{ verbs: ['get'] }, { verbs: ['*'] }], false],
    [
      'items that share a name are compared by position',
      [
        { name: 'a', p: 1 },
        { name: 'a', p: 2 },
      ],
      [
        { name: 'a', p: 1 },
        { name: 'a', p: 2 },
      ],
      true,
    ],
    [
      'quantities are numbers',
      { limits: { cpu: '1000m', memory: '1024Mi' } },
      { limits: { cpu: '1', memory: '1Gi' } },
      true,
    ],
    ['other quantities differ', { limits: { cpu: '1000m' } }, { limits: { cpu: '2' } }, false],
    ['the same text elsewhere is text', { data: { cpu: '1000m' } }, { data: { cpu: '1' } }, false],
    ['a number is not its text', { port: 80 }, { port: '80' }, false],
    ['null is not absent', { a: null }, {}, false],
  ])('%s', (_, wanted, live, expected) => {
    expect(isPartOf(wanted, live)).toBe(expected);
  });

  test('everything is part of itself and of itself with more', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(isPartOf(value, structuredClone(value))).toBe(true);
        if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
          expect(isPartOf(value, { ...value, 'added by another': 1 })).toBe(true);
        }
      }),
    );
  });

  test('a changed leaf is always seen', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.integer(), { minKeys: 1 }), fc.nat(), (fields, at) => {
        const names = Object.keys(fields);
        const name = names[at % names.length] ?? '';
        expect(isPartOf(fields, { ...fields, [name]: (fields[name] ?? 0) + 1 })).toBe(false);
      }),
    );
  });
});

describe('canonical', () => {
  test('does not depend on the order of fields and leaves out what is undefined', () => {
    expect(canonical({ b: 1, a: { d: [1, { y: 1, x: 2 }], c: undefined } })).toBe(
      '{"a":{"d":[1,{"x":2,"y":1}]},"b":1}',
    );
    expect(sameJson({ a: 1, b: undefined }, { a: 1 })).toBe(true);
  });
});

describe('foreignStatus', () => {
  test('is what remains without our fields and our conditions', () => {
    const status = { digest: 'x', theirs: 1, conditions: [{ type: 'Ready' }, { type: 'Theirs' }] };
    const ours = { digest: 'y', conditions: [{ type: 'Ready' }] } as never;
    expect(foreignStatus(status, ours)).toEqual({ theirs: 1, conditions: [{ type: 'Theirs' }] });
  });
});
