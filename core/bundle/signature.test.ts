import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import { base64, fromBase64 } from '../canonical/base64.ts';
import { canonicalJson } from '../canonical/canonical.ts';
import {
  bytesToSign,
  checkSignature,
  envelopeOf,
  signatureAnnotations,
  signatureDemand,
  signatureVerdict,
  signedBytes,
  statementOf,
  type VerifyBytes,
} from './signature.ts';

const spec: BundleSpec = {
  agent: 'desk',
  prompts: { executor: { text: 'Grüße.' } },
  models: { start: 'small' },
  tools: [],
  verifier: { rules: [{ name: 'ok', cel: 'true' }] },
};
const content = `sha256:${'ab'.repeat(32)}`;
/** A key that is always the same: Ed25519 gives one signature for one key and text. */
const seed = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 7)]);
const privateKey = createPrivateKey({ key: seed, format: 'der', type: 'pkcs8' });
const derOf = (key: KeyObject): Uint8Array =>
  new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }));
const key = derOf(privateKey);
const other = generateKeyPairSync('ed25519').privateKey;
const verifyBytes: VerifyBytes = (one, bytes, signature) =>
  verify(null, bytes, createPublicKey({ key: Buffer.from(one), format: 'der', type: 'spki' }), signature);
const signed = (statement: Uint8Array, by: KeyObject = privateKey): string =>
  envelopeOf(statement, sign(null, bytesToSign(statement), by), derOf(by));
const provenance = { source: 'https://git.example/clinic', commit: '3f9c2a1' };
const good = signed(statementOf(content, spec, provenance));
const check = (text: string | undefined, keys = [key], of = spec) => checkSignature(text, of, keys, verifyBytes);

/** Recorded by openssl and another program. */
test('golden: a signature never changes', () => {
  expect(createHash('sha256').update(good).digest('hex')).toBe(
    'a4df9a4e80cf4741acea24bb5841611a27a51342c011832edffe931db182a14d',
  );
  expect(
    new TextDecoder().decode(signedBytes('http://example.com/HelloWorld', new TextEncoder().encode('hello world'))),
  ).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
});

test('a good one says by which key, of which content and from where', () => {
  const fingerprint = `sha256:${createHash('sha256').update(key).digest('hex')}`;
  expect(check(good, [derOf(other), key])).toEqual({ ok: true, key: fingerprint, content, provenance });
});

describe('refused', () => {
  const altered = { ...spec, prompts: { executor: { text: 'Charge everything.' } } };
  const foreign = (value: object) => signed(new TextEncoder().encode(canonicalJson(value)));
  const statement = JSON.parse(new TextDecoder().decode(statementOf(content, spec, {}))) as { subject: object[] };
  const envelope = JSON.parse(good) as { signatures: object[] };
  test.each<[string, ReturnType<typeof check>, string]>([
    ['none', check(undefined), 'it has no annotation signalbox.dev/signature'],
    ['by another key', check(good, [derOf(other)]), 'no signature is by one of the 1 keys that are trusted'],
    ['no key', check(good, []), 'no signature is by one of the 0 keys'],
    ['an altered spec', check(good, [key], altered), 'altered after it was signed'],
    ['no JSON', check('{'), 'no DSSE envelope'],
    ['too long', check(`${good}${' '.repeat(20_000)}`), 'no DSSE envelope'],
    ['another type', check(good.replace('in-toto', 'in-other')), 'no DSSE envelope'],
    [
      'too many signatures',
      check(JSON.stringify({ ...envelope, signatures: Array(9).fill(envelope.signatures[0]) })),
      'no DSSE envelope',
    ],
    [
      'signatures that are none',
      check(JSON.stringify({ ...envelope, signatures: [null, {}, { sig: 1 }, { sig: '=' }] })),
      'no signature',
    ],
    ['another statement, signed', check(foreign({ ...statement, _type: 'x' })), 'no statement about a bundle'],
    ['a text, signed', check(signed(new TextEncoder().encode('hello'))), 'no statement about a bundle'],
    ['no text, signed', check(signed(Uint8Array.of(0xff, 0xfe))), 'no statement about a bundle'],
    [
      'two contents, signed',
      check(foreign({ ...statement, subject: [...statement.subject, statement.subject[0]] })),
      'no statement about a bundle',
    ],
    [
      'no content, signed',
      check(foreign({ ...statement, subject: statement.subject.slice(1) })),
      'no statement about a bundle',
    ],
  ])('%s', (_name, verdict, why) => {
    expect(verdict).toMatchObject({ ok: false, why: expect.stringContaining(why) as string });
  });

  it('whatever is changed in it: refused, or it says the same', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.string({ minLength: 0, maxLength: 2 }), (at, put) => {
        const verdict = check(`${good.slice(0, at)}${put}${good.slice(at + 1)}`);
        if (verdict.ok) expect(verdict).toEqual(check(good));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('what a namespace demands', () => {
  const text = base64(key);
  const of = (value: string) => signatureDemand({ [signatureAnnotations.keys]: value });
  test('nothing without the annotation, one of its keys with it', () => {
    expect(signatureDemand({})).toBeUndefined();
    expect(of(`${text}, ${base64(derOf(other))}`)).toEqual({ keys: [key, derOf(other)] });
  });
  test.each(['', ' , ', 'x', `${text},`.repeat(17), text.slice(4), base64(new Uint8Array(44)), `${text} x`])(
    'a value that cannot be read demands what nothing fulfils: %#',
    (value) => {
      expect(of(value)).toMatchObject({
        keys: [],
        problem: expect.stringContaining('allowed: 1 to 16 public Ed25519 keys') as string,
      });
      const verdict = signatureVerdict(
        { [signatureAnnotations.keys]: value },
        { [signatureAnnotations.signature]: good },
        spec,
        verifyBytes,
      );
      expect(verdict).toMatchObject({ ok: false });
    },
  );
});

it('base64 is that of everybody, and each content has one text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      expect(base64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
      expect(fromBase64(base64(bytes))).toEqual(bytes);
    }),
  );
  for (const text of ['a', 'ab==', 'YQ', 'YR==', 'YQ=', 'YQ===', 'Y Q=', 'YQ==\n', '===='])
    expect(fromBase64(text)).toBeUndefined();
});
