// Bundles from files to a cluster: what `signalbox bundle` builds and signs, on a real API server with the operator and its webhook.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { BundleManifest } from '../../cli/bundle/built.ts';
import { run } from '../../cli/program.ts';
import { testHost } from '../support/cli-host.ts';
import { readyReason, type Told } from '../support/kubectl.ts';
import { operatorStage } from '../support/operator-stage.ts';
import { until } from '../support/until.ts';

const root = join(import.meta.dirname, '../..');
const clinic = join(root, 'examples/clinic/manifests');
const folder = mkdtempSync(join(tmpdir(), 'signalbox-bundles-'));
const file = (name: string): string => join(folder, name);
const stage = operatorStage();

async function bundle(words: readonly string[], input = ''): Promise<string> {
  const { host, out, error } = testHost({ columns: 400, readStdin: () => Promise.resolve(input) });
  const code = await run(host, ['bundle', ...words]);
  if (code !== 0) throw new Error(`exit ${code}: ${error()}`);
  return out();
}
/** Keys as people make them. */
function newKey(name: string): { readonly path: string; readonly word: string } {
  execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', file(name)]);
  const der = execFileSync('openssl', ['pkey', '-in', file(name), '-pubout', '-outform', 'DER']);
  return { path: file(name), word: der.toString('base64') };
}
const kubectl = (words: readonly string[], input?: string) => stage.plane.kubectl([...words], input);
async function refusal(namespace: string, manifest: string): Promise<string> {
  return kubectl(['apply', '-n', namespace, '-f', '-'], manifest).then(
    () => 'nothing was refused',
    (error: unknown) => (error as { readonly stderr: string }).stderr,
  );
}
const reasonIs = (namespace: string, what: string, reason: string) =>
  until(`${what} is ${reason}`, async () => {
    const found = await stage.get<Told>(namespace, what);
    return readyReason(found) === reason ? found : undefined;
  });

let release: ReturnType<typeof newKey>;
let stranger: ReturnType<typeof newKey>;
beforeAll(() => {
  [release, stranger] = [newKey('release.pem'), newKey('stranger.pem')];
});
afterAll(() => rmSync(folder, { recursive: true }));

test('every digest of the clinic is the one that the operator computes', async () => {
  await kubectl(['create', 'namespace', 'clinic']);
  await kubectl(['apply', '-n', 'clinic', '-R', '-f', clinic]);
  const built = (await bundle(['build', clinic, '-o', 'digest']))
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  expect(built).toHaveLength(7);
  for (const [name = '', digest] of built) {
    const found = await reasonIs('clinic', `bundle ${name}`, 'Published');
    expect(found.status?.['digest'], name).toBe(digest);
  }
});

test('files are read as kubectl reads them, value by value', async () => {
  const odd = `apiVersion: signalbox.dev/v1alpha1
kind: Tool
metadata: { name: odd }
spec:
  description: yes, and no
  http: { url: http://clinic-tools/odd }
  effect: read
  input:
    type: object
    properties:
      at: { enum: [09:00, 2026-12-07, 2026-12-07T10:00:00Z, y, 'n', On, off, 0777, 0x1F, 1_000, 1e3, 1.0, -0, +1, .5, ~, 0o7, 0b11] }
      far: { enum: [9007199254740991, 1e21, 1.7976931348623157e308, 5e-324, 0.1, 123456789.125] }
      text: { description: "Andre\\u0301, André, \\U0001F600", examples: [null, {}, [], ''] }
---
apiVersion: signalbox.dev/v1alpha1
kind: Model
metadata: { name: small }
spec: { scripted: { replies: [{ text: Hello. }] } }
---
apiVersion: signalbox.dev/v1alpha1
kind: Bundle
metadata: { name: odd-v1 }
spec:
  agent: odd
  prompts: { executor: { text: "Use odd.\\n" } }
  models: { start: small }
  tools: [odd]
  verifier: { rules: [{ name: ok, cel: 'true' }] }
`;
  writeFileSync(join(folder, 'odd.yaml'), odd);
  await kubectl(['create', 'namespace', 'odd']);
  await kubectl(['apply', '-n', 'odd', '-f', file('odd.yaml')]);
  const found = await reasonIs('odd', 'bundle odd-v1', 'Published');
  const [, digest] = (await bundle(['build', file('odd.yaml'), '-o', 'digest'])).trim().split(' ');
  const [ours, theirs] = [
    parse(await bundle(['build', file('odd.yaml'), '-o', 'content'])),
    await stage.get('odd', 'tool odd'),
  ];
  expect((ours as { tools: { odd: { spec: object } } }).tools.odd.spec).toEqual(theirs?.spec);
  expect(digest).toBe(found.status?.['digest']);
});

describe('a namespace that demands signatures', () => {
  const namespace = 'signed';
  let unsigned: string;
  let manifest: BundleManifest;
  beforeAll(async () => {
    await kubectl(['create', 'namespace', namespace]);
    await kubectl(['annotate', 'namespace', namespace, `signalbox.dev/bundle-keys=${release.word}`]);
    for (const name of ['tools-desk', 'policies'])
      await kubectl(['apply', '-n', namespace, '-f', join(clinic, `${name}.yaml`)]);
    const agent = join(clinic, 'agents/receptionist.yaml');
    await kubectl(['apply', '-n', namespace, '-f', agent]).catch(() => undefined);
    unsigned = await bundle(['build', join(clinic, 'tools-desk.yaml'), agent, '--by-digest']);
    manifest = parse(unsigned) as BundleManifest;
  });
  const signed = (key: { readonly path: string }, text = unsigned) =>
    bundle(
      ['sign', '-', '--key', key.path, '--source', 'https://git.example/clinic', '--commit', '3f9c2a1', '-o', 'json'],
      text,
    );

  test('what was applied without one is not there, all else is', async () => {
    expect(await stage.get(namespace, 'bundle receptionist-v1')).toBeUndefined();
    expect(await stage.get(namespace, 'agent receptionist')).toBeDefined();
  });

  test('unsigned, by a stranger, altered: each is refused, and says why', async () => {
    const words = 'found a Bundle that is not signed well enough: ';
    expect(await refusal(namespace, unsigned)).toContain(`${words}it has no annotation signalbox.dev/signature`);
    expect(await refusal(namespace, await signed(stranger))).toContain(`${words}no signature is by one of the 1 keys`);
    const altered = (await signed(release)).replace('No medical advice, ever', 'Give medical advice');
    expect(altered).toContain('Give medical advice');
    expect(await refusal(namespace, altered)).toContain(`${words}what is signed is another spec`);
  });

  test('signed by the key: published, with where it is from', async () => {
    await kubectl(['apply', '-n', namespace, '-f', '-'], await signed(release));
    const { name, annotations } = manifest.metadata;
    const found = await reasonIs(namespace, `bundle ${name}`, 'Published');
    expect(found.status).toMatchObject({
      digest: annotations['signalbox.dev/digest'],
      provenance: {
        source: 'https://git.example/clinic',
        commit: '3f9c2a1',
        key: expect.stringMatching(/^sha256:/) as string,
      },
    });
  });

  test('signed, and the Tools here are others: not published until they are those', async () => {
    const other = unsigned
      .replaceAll(/receptionist-v1-[0-9a-f]{8}/g, 'receptionist-v2')
      .replace('maxTurns: 12', 'maxTurns: 11');
    const sources = join(folder, 'v2.yaml');
    writeFileSync(sources, other);
    const text = await signed(
      release,
      await bundle([
        'build',
        join(clinic, 'tools-desk.yaml'),
        join(clinic, 'agents/receptionist.yaml'),
        sources,
        '--bundle',
        'receptionist-v2',
      ]),
    );
    const tool = ['-n', namespace, 'patch', 'tool', 'find-slots', '--type=merge', '-p'];
    const before = (await stage.get<Told & { spec: { description: string } }>(namespace, 'tool find-slots'))?.spec
      .description;
    await kubectl([...tool, JSON.stringify({ spec: { description: 'Lists every slot.' } })]);
    await kubectl(['apply', '-n', namespace, '-f', '-'], text);
    const refused = await reasonIs(namespace, 'bundle receptionist-v2', 'ContentMismatch');
    expect(refused.status).not.toHaveProperty('digest');
    await kubectl([...tool, JSON.stringify({ spec: { description: before } })]);
    await reasonIs(namespace, 'bundle receptionist-v2', 'Published');
  });

  test('an annotation that cannot be read refuses every bundle', async () => {
    await kubectl(['annotate', '--overwrite', 'namespace', namespace, 'signalbox.dev/bundle-keys=oops']);
    const again = (await signed(release)).replaceAll(manifest.metadata.name, 'receptionist-v3');
    expect(await refusal(namespace, again)).toContain(
      'metadata.annotations signalbox.dev/bundle-keys: found "oops"; allowed: 1 to 16 public Ed25519 keys',
    );
    // What was published before stays.
    expect(readyReason(await stage.get(namespace, 'bundle receptionist-v2'))).toBe('Published');
  });
});
