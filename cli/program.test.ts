import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { SignalboxError } from '../api/errors.ts';
import { testHost } from '../test/support/cli-host.ts';
import { exitCodes, report, VerbError } from './failure.ts';
import { examples } from './options.ts';
import { widthOf } from './output/width.ts';
import { buildProgram, run } from './program.ts';
import { leaves, referencePage } from './reference.ts';

const typed = async (...words: readonly string[]) => {
  const { host, out, error } = testHost();
  const code = await run(host, words);
  return { code, out: out(), error: error() };
};

describe('a command line that is not valid ends with 2 and says what to type', () => {
  test.each([
    [['rnu'], "error: unknown command 'rnu'\ntry: signalbox run\n"],
    [['run', 'strat'], "error: unknown command 'strat'\ntry: signalbox run start\n"],
    [['runs', '--watc'], "error: unknown option '--watc'\ntry: signalbox runs --watch\n"],
    [['quux'], "error: unknown command 'quux'\ntry: signalbox --help\n"],
    [['trace'], "error: missing required argument 'run'\ntry: signalbox trace --help\n"],
    [
      ['decide', 'x', 'approve'],
      "error: required option '--reason <text>' not specified\ntry: signalbox decide --help\n",
    ],
    [
      ['decide', 'x', 'maybe', '--reason', 'y'],
      "error: command-argument value 'maybe' is invalid for argument 'answer'. Allowed choices are approve, reject.\ntry: signalbox decide --help\n",
    ],
    [
      ['runs', '--limit', '-3'],
      "error: option '--limit <number>' argument '-3' is invalid. It must be a whole number, 0 or more.\ntry: signalbox runs --help\n",
    ],
    [
      ['runs', '--request-timeout', '5'],
      "error: option '--request-timeout <duration>' argument '5' is invalid. It must be a duration such as 500ms, 10s, 5m or 1h30m.\ntry: signalbox runs --help\n",
    ],
  ])('%j', async (words, error) => {
    expect(await typed(...words)).toEqual({ code: exitCodes.usage, out: '', error });
  });
});

describe('help', () => {
  const program = buildProgram(testHost().host);

  test('is on standard output, ends with 0 and fits 80 columns', async () => {
    const { code, out, error } = await typed('--help');
    expect([code, error]).toEqual([0, '']);
    for (const line of out.split('\n')) expect(widthOf(line), line).toBeLessThanOrEqual(80);
    await expect(out).toMatchFileSnapshot('golden/help.txt');
  });

  test('is what one sees without a verb', async () => {
    expect((await typed()).out).toBe((await typed('--help')).out);
  });

  test('every verb has a summary, a description and examples that begin with the program', () => {
    for (const verb of leaves(program)) {
      expect(verb.summary(), verb.name()).not.toBe('');
      expect(verb.description(), verb.name()).toMatch(/\.$/);
      expect(examples(verb).length, verb.name()).toBeGreaterThan(0);
      for (const { line } of examples(verb))
        expect(line).toContain(`signalbox ${verb.parent === program ? '' : `${verb.parent?.name()} `}${verb.name()}`);
    }
  });

  test('the reference page is what the verbs say', () => {
    const page = readFileSync(new URL('../docs/reference/cli.md', import.meta.url), 'utf8');
    expect(page, 'write it again: bin/signalbox __reference > docs/reference/cli.md').toBe(referencePage(program));
  });
});

describe('a failure', () => {
  const said = (failure: unknown) => {
    const { host, error } = testHost();
    return [report(failure, host.screen), error()];
  };

  test.each([
    [new SignalboxError('NOT_FOUND', 'no run "x"'), 3],
    [new SignalboxError('KUBE_FORBIDDEN', 'no right'), 4],
    [new SignalboxError('DENIED', 'no right'), 4],
    [new SignalboxError('UNAUTHENTICATED', 'who are you'), 4],
    [new SignalboxError('INVALID_INPUT', 'no JSON'), 2],
    [new SignalboxError('TIMEOUT', 'too late'), 1],
    [new Error('a bug'), 1],
    [new VerbError('TIMEOUT', 'x', { exit: 4 }), 4],
  ])('%s ends with %i', (failure, code) => expect(said(failure)[0]).toBe(code));

  test('says what happened and what to try, wrapped and harmless', () => {
    const failure = new VerbError('NOT_FOUND', `no run is called "${'x'.repeat(80)}\u001b[2J"`, {
      attempt: 'signalbox runs',
    });
    expect(said(failure)).toEqual([
      3,
      `error: no run is called\n       "${'x'.repeat(72)}\n       ${'x'.repeat(8)}\\u001b[2J"\ntry: signalbox runs\n`,
    ]);
  });
});
