// The simulator in the size of a unit test: some worlds, each twice. All of it: `make simulate`; with bugs: `make simulate-bugs`.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { infect } from './simulator/bugs/bug.ts';
import { bugs } from './simulator/bugs/bugs.ts';

const run = promisify(execFile);

test(
  '60 worlds with every kind of fault keep the invariants, and are the same world each time',
  { timeout: 240_000 },
  async () => {
    const program = join(import.meta.dirname, 'simulator/main.ts');
    const options = { env: { ...process.env, SEEDS: '60', TIMES: '2' }, maxBuffer: 1 << 26 };
    const { stdout } = await run(process.execPath, [program], options).catch(
      (error: unknown) => error as { readonly stdout: string },
    );
    const last = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Readonly<Record<string, number>>;
    expect(last, stdout.slice(-4_000)).toMatchObject({ seeds: 60, failures: 0 });
    expect(last['faults']).toBeGreaterThan(300);
    expect(last['steps']).toBeGreaterThan(10_000);
  },
);

test('there are enough seeded bugs, each with a name of its own', () => {
  expect(bugs.length).toBeGreaterThanOrEqual(25);
  expect(new Set(bugs.map(({ name }) => name)).size).toBe(bugs.length);
});

test.each(bugs.map((bug) => [bug.name, bug] as const))(
  'the seeded bug %s still fits the source',
  async (_name, bug) => {
    for (const edit of bug.edits) {
      const source = await readFile(join(import.meta.dirname, '..', edit.file), 'utf8');
      expect(infect(source, edit)).not.toBe(source);
    }
  },
);

test('a seeded bug whose text is gone from the source, or stands there twice, is an error', () => {
  const edit = { file: 'x.ts', find: 'a', replace: 'b' };
  expect(() => infect('c', edit)).toThrow('found 0 times');
  expect(() => infect('aa', edit)).toThrow('found 2 times');
  expect(infect('xay', edit)).toBe('xby');
});
