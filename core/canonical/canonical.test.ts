import { describe, expect, test } from 'vitest';
import { canonicalJson, digest } from './canonical.ts';

/** RFC 8785 §3.2.2 and §3.2.3, and appendix B for numbers. */
describe('canonicalJson: golden vectors', () => {
  test.each<[string, unknown, string]>([
    [
      'the example of the RFC',
      {
        numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
        string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
        literals: [null, true, false],
      },
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    ],
    [
      'members by UTF-16 code units, not by code points',
      {
        '\u20ac': 'Euro',
        '\r': 'CR',
        '\ufb33': 'Hebrew',
        '1': 'One',
        '\ud83d\ude00': 'Emoji',
        '\u0080': 'Control',
        ö: 'o',
      },
      '{"\\r":"CR","1":"One","\u0080":"Control","ö":"o","€":"Euro","😀":"Emoji","\ufb33":"Hebrew"}',
    ],
    ['integer-like keys as text', { '10': 1, '9': 2, a: 3 }, '{"10":1,"9":2,"a":3}'],
    [
      'numbers',
      [0, -0, 1.0, 1e21, 1e20, 123456789012345680000, 5e-324, 1.7976931348623157e308, 1e-7],
      '[0,0,1,1e+21,100000000000000000000,123456789012345680000,5e-324,1.7976931348623157e+308,1e-7]',
    ],
    ['escapes', '\b\t\n\f\r\u0001\u007f"\\/', '"\\b\\t\\n\\f\\r\\u0001\u007f\\"\\\\/"'],
    ['undefined members are absent', { a: undefined, b: [undefined] }, '{"b":[null]}'],
    ['empty', [{}, [], ''], '[{},[],""]'],
  ])('%s', (_, value, expected) => {
    expect(canonicalJson(value)).toBe(expected);
  });

  test.each<[string, unknown]>([
    ['NaN', Number.NaN],
    ['infinity', [Infinity]],
    ['bigint', 1n],
    ['undefined', undefined],
    ['a lone surrogate', '\ud800'],
  ])('%s is refused', (_, value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError);
  });
  test('a cycle is refused, a shared part is not', () => {
    const shared = { n: 1 };
    expect(canonicalJson([shared, shared])).toBe('[{"n":1},{"n":1}]');
    const cycle: Record<string, unknown> = {};
    cycle['self'] = { cycle };
    expect(() => canonicalJson(cycle)).toThrow('cycle');
  });
});

describe('digest: golden vectors, never to change', () => {
  test.each<[unknown, string]>([
    [{}, 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'],
    ['', 'sha256:12ae32cb1ec02d01eda3581b127c1fee3b0dc53572ed6baf239721a03d82e126'],
    [{ b: 1, a: 'ä😀' }, 'sha256:aaf450f6ddf30e6bd46388a73c6961510e903376774f01be5310c292daaca25e'],
  ])('%j', (value, expected) => {
    expect(digest(value)).toBe(expected);
  });
  test('order of members does not matter, order of items does', () => {
    expect(digest({ a: 1, b: 2 })).toBe(digest({ b: 2, a: 1 }));
    expect(digest([1, 2])).not.toBe(digest([2, 1]));
  });
});
