import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { buildProgram } from '../program.ts';
import { testHost } from '../../test/support/cli-host.ts';
import { candidateLines, complete } from './candidates.ts';
import { scripts } from './scripts.ts';

const program = buildProgram(testHost().host);
const texts = (...words: readonly string[]): readonly string[] => {
  const completion = complete(program, words);
  return completion.kind === 'Known' ? completion.candidates.map(({ text }) => text) : [completion.kind];
};

describe('completion', () => {
  test('of verbs, without the hidden ones', () => {
    expect(texts('r')).toEqual(['run', 'runs', 'rollout']);
    expect(texts('')).toContain('escalations');
    expect(texts('')).not.toContain('__complete');
    expect(texts('run', '')).toEqual(['start', 'show', 'cancel', 'signal', 'freeze', 'resume', 'readonly']);
  });

  test('of flags, the verb’s own and those it shares', () => {
    expect(texts('run', 'start', '--in')).toEqual(['--input']);
    expect(texts('runs', '-')).toEqual(
      expect.arrayContaining(['--workflow', '--watch', '--output', '--kubeconfig', '--help']),
    );
  });

  test('of values that are known', () => {
    expect(texts('runs', '--status', '')).toEqual(['Running', 'Waiting', 'Frozen', 'Closed']);
    expect(texts('runs', '-o', 'j')).toEqual(['json']);
    expect(texts('decide', 'some-escalation', '')).toEqual(['approve', 'reject']);
    expect(texts('completion', 'z')).toEqual(['zsh']);
  });

  test.each([
    [['run', 'start', ''], 'workflow'],
    [['run', 'start', '--input', 'x.json', '-n', 'clinic', 'b'], 'workflow'],
    [['trace', ''], 'run'],
    [['explain', 'b'], 'agent'],
    [['decide', ''], 'escalation'],
    [['escalation', 'show', ''], 'escalation'],
    [['rollout', 'abort', ''], 'rollout'],
    [['runs', '-n', ''], 'namespace'],
    [['escalations', '--queue', ''], 'queue'],
    [['logs', ''], 'pod'],
  ])('after %j comes the name of a %s', (words, noun) => {
    expect(complete(program, words)).toMatchObject({ kind: 'Names', noun });
  });

  test('what only the user knows is left to the shell', () => {
    expect(texts('run', 'start', 'billing', '--input', '')).toEqual(['Free']);
    expect(texts('run', 'start', 'billing', '')).toEqual(['Free']);
  });

  test('candidates are lines of text, tab and words', () => {
    expect(
      candidateLines([
        { text: 'a', says: 'b' },
        { text: 'c', says: '' },
      ]),
    ).toBe('a\tb\nc\tc\n');
  });
});

describe('the bash script', () => {
  const bash = (words: readonly string[], answer: string): readonly string[] => {
    const script = `
      signalbox() { printf '%s\\n' "$*" > "$ASKED"; printf '${answer}'; }
      ${scripts.bash}
      COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
      _signalbox; printf '%s\\n' "\${COMPREPLY[@]}"; cat "$ASKED"`;
    const asked = `/tmp/signalbox-completion-${process.pid}`;
    return execFileSync('bash', ['-c', `${script}; rm -f "$ASKED"`], { env: { ...process.env, ASKED: asked } })
      .toString()
      .trimEnd()
      .split('\n');
  };

  test('hands the words on and takes the names', () => {
    expect(bash(['signalbox', 'run', 'st'], 'start\\tstart a run\\nstop me\\tx\\n')).toEqual([
      'start',
      'stop me',
      '__complete -- run st',
    ]);
  });
});
