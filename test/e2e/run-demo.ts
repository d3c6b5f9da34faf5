// Owns: running the demo as a person would, and reading its last line.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Result } from '../../cli/demo/report.ts';

const root = join(import.meta.dirname, '..', '..');

export interface DemoRun {
  readonly code: number | null;
  readonly output: string;
  /** The last line, when it is one. */
  readonly result: Result | undefined;
}

/** `signalbox demo --json` with further options, in a state folder of its own. */
export async function runDemo(...options: readonly string[]): Promise<DemoRun> {
  const state = await mkdtemp(join(tmpdir(), 'signalbox-demo-'));
  const child = spawn(join(root, 'bin', 'signalbox'), ['demo', '--json', ...options], {
    env: { ...process.env, XDG_STATE_HOME: state, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const add = (chunk: Buffer): void => {
    output += chunk.toString('utf8');
  };
  child.stdout.on('data', add);
  child.stderr.on('data', add);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  await rm(state, { recursive: true, force: true });
  const last = output.trimEnd().split('\n').at(-1) ?? '';
  return { code, output, result: last.startsWith('{') ? (JSON.parse(last) as Result) : undefined };
}
