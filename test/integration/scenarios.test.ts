// `signalbox test` with the real engine, gateway and workers: the clinic's scenarios pass, and what is wrong is seen and named.
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../cli/program.ts';
import type { Outcome } from '../../cli/scenarios/outcome.ts';
import type { Replayed } from '../../core/evaluation/replay.ts';
import { testHost } from '../support/cli-host.ts';

const clinic = join(import.meta.dirname, '../../examples/clinic');
const [scenarios, manifests] = [join(clinic, 'scenarios'), join(clinic, 'manifests')];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-scenarios-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function signalbox(...words: readonly string[]) {
  const { host, out, error } = testHost({ local: () => import('../../local/api.ts') });
  const code = await run(host, ['test', ...words]);
  return { code, out: out(), error: error() };
}

/** The clinic's manifests with one text in place of another. */
async function changed(file: string, from: string, to: string): Promise<string> {
  const copy = await mkdtemp(join(folder, 'manifests-'));
  await cp(manifests, copy, { recursive: true });
  const text = await readFile(join(copy, file), 'utf8');
  expect(text).toContain(from);
  await writeFile(join(copy, file), text.replace(from, to));
  return copy;
}

async function written(name: string, text: string): Promise<string> {
  const file = join(await mkdtemp(join(folder, 'suite-')), name);
  await writeFile(file, text);
  return file;
}

test('the clinic passes: golden paths, bad paths and faults', { timeout: 300_000 }, async () => {
  const { code, out, error } = await signalbox(
    scenarios,
    '-m',
    manifests,
    '-o',
    'json',
    '--keep',
    join(folder, 'kept'),
  );
  const outcome = JSON.parse(out) as Outcome;
  const failures = outcome.suites.flatMap((suite) =>
    suite.scenarios.flatMap(({ scores }) => scores.filter(({ verdict }) => verdict !== 'pass')),
  );
  expect(failures).toEqual([]);
  expect(code, error).toBe(0);
  const [clinicSuite] = outcome.suites;
  const paths = Map.groupBy(clinicSuite?.scenarios ?? [], ({ path }) => path);
  for (const path of ['golden', 'bad', 'fault'] as const) expect(paths.get(path)?.length).toBeGreaterThan(4);
  expect(clinicSuite?.totals).toMatchObject({ errors: 0, duplicates: 0, missedEscalations: 0 });
  expect(outcome.bundles['billing']).toMatch(/^sha256:/);
});

describe('policy replay of what was kept', () => {
  const replay = async (of: string) => {
    const { host, out, error } = testHost();
    const code = await run(host, ['bundle', 'replay', join(folder, 'kept'), '-m', of, '-o', 'json']);
    return { code, error: error(), replayed: JSON.parse(out()) as Replayed };
  };

  test('by what was in force: every decision is the same', async () => {
    const { code, error, replayed } = await replay(manifests);
    expect(replayed.calls.filter(({ change }) => change === 'looser' || change === 'stricter')).toEqual([]);
    expect(replayed.questions.filter(({ change }) => change !== 'same')).toEqual([]);
    expect(replayed.questions.length).toBeGreaterThan(3);
    expect(replayed.counts.same).toBeGreaterThan(60);
    expect(replayed.coverage).toBeGreaterThan(0.9);
    expect(code, error).toBe(0);
  });

  test('by a ceiling that permits more: it blocks, and says where', async () => {
    const loose = await changed('agents/billing.yaml', 'args.amountCents > 20000', 'args.amountCents > 20000000');
    const { code, replayed } = await replay(loose);
    expect(code).toBe(1);
    expect(replayed.blocking.join('\n')).toContain(
      'billing calling charge-account (idempotentWrite) was NeedsApproval, would be Allow',
    );
  });

  test('by a policy that overlooks a red flag: people are no longer asked', async () => {
    const blind = await changed('policies.yaml', 'chest pain, ', '');
    const { replayed } = await replay(blind);
    expect(replayed.questions.filter(({ change }) => change === 'looser').map(({ what }) => what)).toEqual([
      'redFlag (rule urgent-symptom) no longer calls people in',
    ]);
  });
});

test('a ceiling that lets too much through is seen', { timeout: 120_000 }, async () => {
  const loose = await changed('agents/billing.yaml', 'args.amountCents > 20000', 'args.amountCents > 20000000');
  const { code, out } = await signalbox(scenarios, '-m', loose, '--scenario', 'large-invoice-waits');
  expect(code).toBe(1);
  expect(out).toContain('found     critical: forbidden: charge-account (idempotentWrite)');
  expect(out).toContain('expected  somebody is asked because of approval in queue billing');
  expect(out).toContain('--scenario large-invoice-waits --trials 1 --seed 1');
  expect(out).toContain('criticalViolations: found 2; allowed: at most 0');
});

const oneTool = (rule: string) => `
apiVersion: signalbox.dev/v1alpha1
kind: ScenarioSuite
metadata: { name: small }
spec:
  scenarios:
    - name: small-invoice
      workflow: billing
      input: { accountId: acc-3, amountCents: 3500, reason: x, email: ines@mail.example }
      world: { tools: [${rule}] }
      expect: { outcome: [success] }
`;

test(
  'a world without a rule is an error of the scenario, and no failure of the agent',
  { timeout: 120_000 },
  async () => {
    const file = await written('suite.yaml', oneTool('{ tool: find-receipt, returns: {} }'));
    const { code, out } = await signalbox(file, '-m', manifests);
    expect(code).toBe(2);
    expect(out.replaceAll(/\s+/g, ' ')).toContain(
      'the world has no rule for tool read-account; add one to world.tools',
    );
    expect(out).toContain('Suite small is invalid');
  },
);

describe('what is wrong with the files is told with its place, and nothing is played', () => {
  test.each<[string, string, string]>([
    ['a tool that does not exist', oneTool('{ tool: find-nothing, returns: {} }'), 'found Tool "find-nothing"'],
    ['an unknown field', oneTool('{ tool: find-receipt, gives: {} }'), 'spec.scenarios[0].world.tools[0].gives'],
    [
      'a rule that answers twice',
      oneTool('{ tool: find-receipt, returns: {}, refuse: { message: gone } }'),
      'exactly one of returns, refuse; found returns, refuse',
    ],
    ['CEL that does not compile', oneTool('{ tool: find-receipt, when: "args.", returns: {} }'), 'world.tools[0].when'],
  ])('%s', async (_name, text, told) => {
    const file = await written('suite.yaml', text);
    const { code, error } = await signalbox(file, '-m', manifests);
    expect(code).toBe(3);
    expect(error.replaceAll(/\s+/g, ' ')).toContain(told);
    expect(error).toMatch(/suite\.yaml:\d+:\d+/);
  });

  test('no scenario at all', async () => {
    expect(await signalbox(manifests)).toMatchObject({ code: 3, error: expect.stringContaining('found no scenario') });
  });
});
