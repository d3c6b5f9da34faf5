import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testHost } from '../../test/support/cli-host.ts';
import { exitCodes } from '../failure.ts';
import { run } from '../program.ts';

const clinic = join(import.meta.dirname, '../../examples/clinic/manifests');
let folder: string;
const file = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-signing-'));
  for (const name of ['release', 'stranger']) {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    await writeFile(file(`${name}.pem`), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await writeFile(file(`${name}.pub.pem`), publicKey.export({ type: 'spki', format: 'pem' }));
  }
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(file('ec.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(file('no.pem'), 'no key');
  await writeFile(file('built.yaml'), (await typed('build', clinic, '--bundle', 'billing-v1')).out);
  await writeFile(file('signed.yaml'), (await sign('--commit', '3f9c2a1')).out);
});
afterAll(() => rm(folder, { recursive: true }));

async function typed(...words: readonly string[]) {
  const { host, out, error } = testHost({ columns: 400 });
  const code = await run(host, ['bundle', ...words]);
  return { code, out: out(), error: error().replaceAll(`${folder}/`, '') };
}
const sign = (...more: readonly string[]) => typed('sign', file('built.yaml'), '--key', file('release.pem'), ...more);
const verify = (name: string, ...more: readonly string[]) =>
  typed('verify', file(name), '--key', file('stranger.pub.pem'), ...more);

test('what was signed is verified by the public key, and says from where it is', async () => {
  const { code, out } = await verify('signed.yaml', '--key', file('release.pub.pem'), '--with', clinic);
  expect([code, out]).toEqual([
    exitCodes.ok,
    expect.stringMatching(/^billing-v1 sha256:[0-9a-f]{64} is signed by sha256:[0-9a-f]{64}, from 3f9c2a1\n$/),
  ]);
});

test('the next step is to make a namespace demand it', async () => {
  expect((await sign()).error).toMatch(
    /^next: kubectl annotate namespace NAMESPACE signalbox.dev\/bundle-keys=MCow[^ ]+, once/,
  );
});

test.each<[string, (text: string) => string, readonly string[], string]>([
  ['by another key', (text) => text, [], 'no signature is by one of the 1 keys'],
  [
    'altered',
    (text) => text.replace('maxTurns: 10', 'maxTurns: 64'),
    ['release.pub.pem'],
    'what is signed is another spec',
  ],
  [
    'with another digest',
    (text) => text.replace(/digest: sha256:..../, 'digest: sha256:0000'),
    ['release.pub.pem'],
    'its annotation says sha256:0000',
  ],
  [
    'without a signature',
    (text) => text.replace(/^ +signalbox.dev\/signature: .*\n/m, ''),
    ['release.pub.pem'],
    'it has no annotation',
  ],
])('%s it is refused with exit code 4', async (_name, alter, keys, why) => {
  const { readFile } = await import('node:fs/promises');
  const text = await readFile(file('signed.yaml'), 'utf8');
  const altered = alter(text);
  if (keys.length > 0) expect(altered).not.toBe(text);
  await writeFile(file('altered.yaml'), altered);
  const { code, error } = await verify('altered.yaml', ...keys.flatMap((key) => ['--key', file(key)]));
  expect(error).toContain(`error: Bundle "billing-v1" is not signed well enough: `);
  expect(error).toContain(why);
  expect(code).toBe(exitCodes.refused);
});

test('with other Tools than those it was signed with it is refused', async () => {
  const { code, error } = await verify(
    'signed.yaml',
    '--key',
    file('release.pub.pem'),
    '--with',
    join(clinic, 'agents'),
  );
  expect([code, error]).toEqual([
    exitCodes.refused,
    expect.stringContaining('the files of --with lack Tools or Models'),
  ]);
});

test.each<[string, readonly string[], string]>([
  [
    'another kind of key',
    ['sign', 'built.yaml', '--key', 'ec.pem'],
    '--key ec.pem: found a key of type ec; allowed: a private Ed25519 key in PEM',
  ],
  ['no key', ['sign', 'built.yaml', '--key', 'no.pem'], '--key no.pem: found no key that can be read'],
  [
    'a public key to sign with',
    ['sign', 'built.yaml', '--key', 'release.pub.pem'],
    'found no key that can be read; allowed: a private',
  ],
  ['no manifest', ['sign', 'no.pem', '--key', 'release.pem'], 'found an object of kind undefined; allowed: Bundles'],
])('%s is a mistake of the command line', async (_name, words, said) => {
  const { code, error } = await typed(...words.map((word) => (/[.]/.test(word) ? file(word) : word)));
  expect(error).toContain(said);
  expect(code).toBe(exitCodes.usage);
});
