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
  /** From text to digest, as another program computed it: JSON of one content in many forms, and contents that are not one. */
  test.each<[string, readonly string[], string]>([
    [
      'order of keys, white space, escapes',
      ['{"a":1,"b":{"c":[1,2],"d":"x"}}', '{ "b": { "d": "\\u0078", "c": [ 1, 2 ] },\n "a": 1 }'],
      '402a3ca52530f07e1029f96879adff54b1f2fdecabcf197cee9b8664e8fc8550',
    ],
    [
      'é as one character',
      ['{"name":"André"}', '{"name":"Andr\\u00e9"}'],
      '4d24cd354066240d6768c418972ad7785e60854adf1bb6d5480353bf530fc68b',
    ],
    [
      'é as e and an accent is other content',
      ['{"name":"Andre\\u0301"}'],
      '8d194331752d2291fc91ffb10958f012d5754a2d3c8292d582ef6d0a21556478',
    ],
    [
      'forms of one',
      ['{"n":1}', '{"n":1.0}', '{"n":1e0}', '{"n":10E-1}'],
      '2bfd14f43d17fc7cea24e0917a8879b4b2f880b8baeec1b9d90fbaad655e71bd',
    ],
    [
      'forms of zero',
      ['{"n":0}', '{"n":-0}', '{"n":0.0}', '{"n":-0e5}'],
      'f3013f933b9fb80ab6d995e7ad9da36f683837ba1d81e950c943d40111eac2f0',
    ],
    [
      'the largest exact integer',
      ['{"n":9007199254740991}', '{"n":9007199254740991.0}'],
      'e1da48c6a6089f06ecb4e0a2259e658e3786b2420f52baccdf929ec6460d7b41',
    ],
    [
      'large: digits',
      ['{"n":1e20}', '{"n":100000000000000000000}'],
      '58d2d5b8dd4228ab5775ce84f996718fa19ed49872271e9649b70cebaca26a09',
    ],
    [
      'larger: an exponent',
      ['{"n":1e21}', '{"n":1000000000000000000000}'],
      'f1ee2b60ee95a3170fdc07a577e5f3514ced26867443d69da265acadead81007',
    ],
    ['small', ['{"n":1e-7}', '{"n":0.0000001}'], '747d6d23b64d1b2d579adb832b44de31c91c875bbef7a8e397f5d183a746b54b'],
    ['a fraction', ['{"n":0.1}', '{"n":1e-1}'], 'c20c34ed16c837e86b4dcdb33f98c274c9f7da1231f64302082d2cd50743f951'],
    ['an empty object', ['{"a":{}}'], '5d8171b9fc362e385a79ccd9d7992c96bcb4afca51d6278068bd1df49863b3a7'],
    ['an empty list', ['{"a":[]}'], '50e8660084976a10f0b3b9b3a6352d5881cbd219b5587a26224971a60ff2cc55'],
    ['an empty text', ['{"a":""}'], '258555fe010df3da34b3920945d0fbc59cebbcff1878bfc2e9206f0f495d81b9'],
    ['null', ['{"a":null}'], 'd091f9c83c091f79652fe8786375b3fe4ce0861a56f5bfbafedbe431877ff0e8'],
    ['nothing', ['{}'], '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'],
  ])('%s', (_name, texts, expected) => {
    for (const text of texts) expect(digest(JSON.parse(text)), text).toBe(`sha256:${expected}`);
  });
  test('a member that is undefined is no content', () => {
    expect(digest({ a: undefined })).toBe(digest({}));
  });
  test('order of members does not matter, order of items does', () => {
    expect(digest({ a: 1, b: 2 })).toBe(digest({ b: 2, a: 1 }));
    expect(digest([1, 2])).not.toBe(digest([2, 1]));
  });
});
