// The simulator in the size of a unit test: some worlds, each twice. All of it: `make simulate`; with bugs: `make simulate-bugs`.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
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
