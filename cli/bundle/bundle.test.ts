import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { testHost } from '../../test/support/cli-host.ts';
import { exitCodes } from '../failure.ts';
import { run } from '../program.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-bundle-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}
async function typed(...words: readonly string[]) {
  const { host, out, error } = testHost({ columns: 400 });
  const code = await run(host, ['bundle', ...words]);
  const short = (text: string) => text.replaceAll(`${folder}/`, '');
  return { code, out: short(out()), error: short(error()) };
}

const parts = `apiVersion: signalbox.dev/v1alpha1
kind: Tool
metadata: { name: find-patient }
spec:
  description: Finds a patient.
  http: { url: 'http://clinic-tools/find' }
  input: { type: object, properties: { phone: { type: string } } }
  effect: read
---
apiVersion: signalbox.dev/v1alpha1
kind: Model
metadata: { name: small }
spec: { scripted: { replies: [{ text: 'yes' }] } }
---
apiVersion: signalbox.dev/v1alpha1
kind: Agent
metadata: { name: desk }
spec: { role: Answers., bundleRef: { name: desk-v1 }, permissions: [{ tool: find-patient, mode: read }] }
`;
const bundle = (executor: string, more = ''): string => `apiVersion: signalbox.dev/v1alpha1
kind: Bundle
metadata: { name: desk-v1 }
spec:
  agent: desk
  prompts:
    executor: ${executor}
  models: { start: small }
  tools: [find-patient]
  verifier: { rules: [{ name: 'on', cel: 'true' }] }
${more}`;
const whole = bundle('{ text: "Find the patient.\\nThen answer.\\n" }', '  policy: { maxTurns: 4 }\n');

describe('build', () => {
  test('parts of other files and of ConfigMaps are the same content as written in place', async () => {
    await write({ 'parts.yaml': parts, 'whole/b.yaml': whole });
    const { out, code } = await typed('build', join(folder, 'parts.yaml'), join(folder, 'whole'), '-o', 'digest');
    expect([code, out]).toEqual([exitCodes.ok, expect.stringMatching(/^desk-v1 sha256:[0-9a-f]{64}\n$/)]);
    await write({
      'apart/b.yaml': bundle('{ file: prompts/executor.md }', '  policy: { file: policy.yaml }\n'),
      'apart/prompts/executor.md': 'Find the patient.\nThen answer.\n',
      'apart/policy.yaml': '# the policy\nmaxTurns: 4\n',
      'mapped/b.yaml': `${bundle('{ configMap: { name: prompts, key: executor } }', '  policy: { configMap: { name: prompts, key: policy } }\n')}---
apiVersion: v1
kind: ConfigMap
metadata: { name: prompts }
data:
  executor: |
    Find the patient.
    Then answer.
  policy: |
    maxTurns: 4
`,
    });
    expect((await typed('build', join(folder, 'parts.yaml'), join(folder, 'apart'), '-o', 'digest')).out).toBe(out);
    expect((await typed('build', join(folder, 'parts.yaml'), join(folder, 'mapped'), '-o', 'digest')).out).toBe(out);
  });

  test('the content is the JSON that the digest is of, and the manifest says which digest it is', async () => {
    await write({ 'parts.yaml': parts, 'b.yaml': whole });
    const { out: content } = await typed('build', folder, '-o', 'content');
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    const { out } = await typed('build', folder, '--by-digest');
    expect(parse(out)).toMatchObject({
      metadata: {
        name: `desk-v1-${digest.slice(7, 15)}`,
        annotations: { 'signalbox.dev/digest': digest },
      },
      spec: { prompts: { executor: { text: 'Find the patient.\nThen answer.\n' } } },
    });
    // kubectl reads YAML 1.1, where a bare on is no text.
    expect(parseAllDocuments(out, { version: '1.1' })[0]?.toJS()).toMatchObject({
      spec: { verifier: { rules: [{ name: 'on', cel: 'true' }] } },
    });
  });

  test('scalars are those of kubectl: compared with it in test/integration/bundles.test.ts', async () => {
    const odd = 'enum: [09:00, 2026-12-07, y, off, 0777, 0o7, -0o7, 0x1F, 1_000, 1e3, 1.0, .5, ~]';
    await write({ 'parts.yaml': parts.replace('type: string', odd), 'b.yaml': whole });
    const { out } = await typed('build', folder, '-o', 'content');
    expect(/"enum":(\[[^\]]*\])/.exec(out)?.[1]).toBe(
      JSON.stringify(['09:00', '2026-12-07', true, false, 511, 7, -7, 31, 1_000, 1_000, 1, 0.5, null]),
    );
  });

  test('a Tool that changed under its name gives another digest, one that is not named does not', async () => {
    await write({ 'parts.yaml': parts, 'b.yaml': whole });
    const before = (await typed('build', folder, '-o', 'digest')).out;
    await write({ 'more.yaml': parts.split('---')[0]?.replace('find-patient', 'other') ?? '' });
    expect((await typed('build', folder, '-o', 'digest')).out).toBe(before);
    await write({ 'parts.yaml': parts.replace('Finds a patient.', 'Finds patients.') });
    expect((await typed('build', folder, '-o', 'digest')).out).not.toBe(before);
  });

  test.each<[string, Readonly<Record<string, string>>, string]>([
    ['no Bundle', { 'parts.yaml': parts }, 'error: the files declare no Bundle'],
    [
      'a missing Tool',
      { 'b.yaml': whole },
      'b.yaml:9:11: error: spec.tools[0]: found Tool "find-patient", which does not exist',
    ],
    [
      'a field that there is not',
      { 'b.yaml': `${whole}  flags: {}\n` },
      'b.yaml:12:10: error: spec.flags: found a field that the schema does not have',
    ],
    [
      'a value that does not fit',
      { 'b.yaml': whole.replace('maxTurns: 4', 'maxTurns: many') },
      'b.yaml:11:23: error: spec.policy.maxTurns: Invalid input',
    ],
    [
      'a file that is not there',
      { 'b.yaml': bundle('{ file: gone.md }') },
      'b.yaml:7:15: error: gone.md cannot be read: it does not exist',
    ],
    [
      'a file that lies elsewhere',
      { 'b.yaml': bundle('{ file: ../../../etc/passwd }') },
      'b.yaml:7:15: error: found "../../../etc/passwd", which lies elsewhere; allowed: a file below',
    ],
    [
      'a key that is not there',
      { 'b.yaml': bundle('{ configMap: { name: a, key: b } }') },
      'b.yaml:7:15: error: found configMap "a" with key "b"',
    ],
    [
      'a part that is no YAML',
      { 'b.yaml': bundle('{ text: x }', '  policy: { file: p.txt }\n'), 'p.txt': 'a:\n  - b\n c' },
      'p.txt:3:2: error:',
    ],
    [
      'a mistake in a part',
      { 'b.yaml': bundle('{ text: x }', '  policy: { file: p.yaml }\n'), 'p.yaml': 'maxTurns: 4\nmaxRepairs: 99\n' },
      'p.yaml:2:13: error: spec.policy.maxRepairs',
    ],
    [
      'a rule that the API server holds',
      { 'b.yaml': whole.replace('start: small', 'start: small, backup: small') },
      'b.yaml:8:35: error: spec.models.backup: models.backup and models.start are both "small"; name another Model, or remove backup',
    ],
    ['no YAML', { 'b.yaml': 'apiVersion: signalbox.dev/v1alpha1\nkind: [' }, 'b.yaml:2:8: error:'],
    [
      'a name twice',
      { 'b.yaml': whole, 'c.yaml': whole, 'parts.yaml': parts },
      'c.yaml:3:19: error: found Bundle "desk-v1" a second time (first at b.yaml:1)',
    ],
    [
      'a number that is not exact',
      { 'b.yaml': whole, 'parts.yaml': parts.replace('type: string', 'maximum: 9007199254740993') },
      'parts.yaml:7:58: error: found the number 9007199254740993, which not every program keeps exactly',
    ],
  ])('%s ends with words, file and line', async (_name, files, said) => {
    await write(files);
    const paths = Object.keys(files).filter((name) => name.endsWith('.yaml') && !name.startsWith('p.'));
    const { code, out, error } = await typed('build', ...paths.map((name) => join(folder, name)));
    expect(out).toBe('');
    expect(error).toContain(said);
    expect(code).toBe(said.startsWith('error: the files') ? exitCodes.notFound : exitCodes.usage);
  });
});

test('a link to a file that lies elsewhere is not followed', async () => {
  await write({ 'b.yaml': bundle('{ file: key.md }') });
  await symlink('/etc/passwd', join(folder, 'key.md'));
  const { code, out, error } = await typed('build', join(folder, 'b.yaml'));
  expect([code, out]).toEqual([exitCodes.usage, '']);
  expect(error).toContain('found "key.md", which lies elsewhere');
});

describe('lint', () => {
  test.each<[string, Readonly<Record<string, string>>, string]>([
    [
      'in a block of the manifest',
      { 'b.yaml': bundle('\n      text: |\n        Find the patient.\n        With find-pateint.') },
      'b.yaml:10:14: error:',
    ],
    [
      'in a file',
      { 'b.yaml': bundle('{ file: p.md }'), 'p.md': '# Executor\n\nLook: find-pateint.\n' },
      'p.md:3:7: error:',
    ],
    [
      'in a ConfigMap',
      {
        'b.yaml': `${bundle('{ configMap: { name: p, key: k } }')}---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: p }\ndata:\n  k: |\n    Find\n    find-pateint\n`,
      },
      'b.yaml:18:5: error:',
    ],
    ['in a quoted text', { 'b.yaml': bundle('{ text: "a\\nfind-pateint" }') }, 'b.yaml:7:23: error:'],
  ])('a prompt that names a tool that there is not, %s', async (_name, files, place) => {
    await write({ 'parts.yaml': parts, ...files });
    const { code, out, error } = await typed('lint', folder);
    expect(out).toContain(
      `${place} spec.prompts.executor.text: found the tool "find-pateint" (did you mean "find-patient"?)`,
    );
    expect([code, error]).toEqual([exitCodes.usage, '1 bundle: 1 error, 0 warnings\n']);
  });

  test('warnings alone are no failure, and programs read everything', async () => {
    await write({ 'parts.yaml': parts.replace('mode: read }]', 'mode: write }]'), 'b.yaml': whole });
    const { code, out } = await typed('lint', folder, '-o', 'json');
    expect(code).toBe(exitCodes.ok);
    expect(JSON.parse(out)).toEqual([
      expect.objectContaining({
        file: 'parts.yaml',
        line: 18,
        severity: 'warning',
        check: 'ceilingTooWide',
        kind: 'Agent',
        name: 'desk',
      }),
    ]);
  });
});

describe('diff', () => {
  const next = whole
    .replace('name: desk-v1', 'name: desk-v2')
    .replace('Then answer.', 'Then answer politely.')
    .replace("cel: 'true'", "cel: 'result.ok'")
    .replace('maxTurns: 4', 'maxTurns: 20');
  test('says what is another, and what of it is high-risk', async () => {
    await write({ 'parts.yaml': parts, 'b.yaml': whole, 'c.yaml': next });
    const { code, out } = await typed('diff', `${folder}#desk-v1`, `${folder}#desk-v2`);
    expect(out.replaceAll(/sha256:[0-9a-f]{8}/g, 'D')).toBe(`desk-v1 D → desk-v2 D
prompts.executor:
    Find the patient.
  - Then answer.
  + Then answer politely.
verifier.rules.on.cel: true → result.ok
policy.maxTurns: 4 → 20
high-risk:
  verifier rule on is another: result.ok
  policy.maxTurns is 20; before: 4
`);
    expect(code).toBe(exitCodes.ok);
  });
  test('programs read the same, and permissions come from the Agent of each side', async () => {
    const wider = parts.replace('effect: read', 'effect: write').replace('mode: read', 'mode: recommendOnly');
    await write({ 'a/p.yaml': wider, 'a/b.yaml': whole });
    await write({ 'b/p.yaml': wider.replace('mode: recommendOnly', 'mode: write'), 'b/b.yaml': whole });
    const { out } = await typed('diff', join(folder, 'a'), join(folder, 'b'), '-o', 'json');
    const digest = expect.stringMatching(/^sha256:/) as string;
    expect(JSON.parse(out)).toEqual({
      before: { name: 'desk-v1', digest },
      after: { name: 'desk-v1', digest },
      changes: [{ part: 'permissions', field: 'find-patient.mode', before: 'recommendOnly', after: 'write' }],
      highRisk: ['a permission is wider: a call of find-patient acts; before: recommends'],
    });
  });
  test('the same is the same, several need a name', async () => {
    await write({ 'parts.yaml': parts, 'b.yaml': whole });
    expect((await typed('diff', folder, folder)).out).toMatch(/^the same content: sha256:/);
    await write({ 'c.yaml': next });
    const { code, error } = await typed('diff', folder, folder);
    expect([code, error]).toEqual([
      exitCodes.usage,
      `error: ${folder} declares 2 bundles: desk-v1, desk-v2\ntry: ${folder}#desk-v1\n`,
    ]);
  });
});

test('the clinic is built and has no error', async () => {
  const clinic = join(import.meta.dirname, '../../examples/clinic/manifests');
  const { out: built, code } = await typed('build', clinic, '-o', 'digest');
  expect([code, built.trim().split('\n').length]).toEqual([exitCodes.ok, 7]);
  const { out, error } = await typed('lint', clinic, '-o', 'json');
  expect(error).toBe('7 bundles: 0 errors, 3 warnings\n');
  // The receptionist lists tools that its one workflow has no task for.
  const found = (JSON.parse(out) as { check: string; found: string }[]).map(
    (one) => `${one.check} ${one.found.split(',')[0]}`,
  );
  expect(found).toEqual(
    ['find-appointment', 'find-transfer', 'cancel-appointment'].map((name) => `toolNeverOffered "${name}"`),
  );
});
