// The tour runs as it is written: every `sh` block, in order, in one shell, on an instance of its own. A `text` block names
// lines that the block above it must have printed.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { down } from '../../local/api.ts';

const root = join(import.meta.dirname, '..', '..');
const blockEnd = '--- end of block';

interface Block {
  readonly heading: string;
  readonly script: string;
  readonly lines: readonly string[];
}

async function blocksOf(page: string): Promise<readonly Block[]> {
  const text = await readFile(join(root, page), 'utf8');
  const blocks: { heading: string; script: string; lines: string[] }[] = [];
  let heading = '';
  for (const [, title, language, body] of text.matchAll(/^## (.*)$|^```(sh|text)\n([\s\S]*?)^```$/gmu)) {
    if (title !== undefined) heading = title;
    else if (language === 'sh') blocks.push({ heading, script: body ?? '', lines: [] });
    else blocks.at(-1)?.lines.push(...(body ?? '').trimEnd().split('\n'));
  }
  return blocks;
}

let state: string;
beforeAll(async () => {
  state = await mkdtemp(join(tmpdir(), 'signalbox-tour-'));
});
afterAll(async () => {
  await down({ stateDir: join(state, 'signalbox', 'default') }, () => undefined);
  await rm(state, { recursive: true, force: true });
}, 60_000);

test('every block of the tour does what the tour says', async () => {
  const blocks = await blocksOf('docs/tour.md');
  expect(blocks.length).toBeGreaterThan(6);
  const script = blocks.map((block) => `${block.script}echo "${blockEnd}"\n`).join('');
  const { code, output } = await bash(`set -euo pipefail\ncd '${root}'\n${script}`);
  const parts = output.split(`${blockEnd}\n`);
  const reached = blocks[Math.min(parts.length, blocks.length) - 1];
  expect(code, `block under "${reached?.heading}":\n${reached?.script}\nprinted:\n${parts.at(-1)}`).toBe(0);
  for (const [index, block] of blocks.entries()) {
    for (const line of block.lines) expect(parts[index], block.script).toContain(line);
  }
  const printed = (heading: string): string =>
    parts.filter((_part, index) => blocks[index]?.heading.startsWith(heading)).join('');
  expect(printed('2.')).toContain('success');
  expect(printed('3.')).toMatch(/emergency/);
  expect(printed('4.')).toMatch(/charge-account/);
  expect(printed('4.')).toMatch(/status\s+success/);
  expect(printed('5.')).toMatch(/emergency/);
  expect(printed('5.')).not.toMatch(/book-appointment/);
}, 300_000);

/** Runs a script with a clean environment; standard output and standard error together. */
function bash(script: string): Promise<{ code: number | null; output: string }> {
  const { PATH, SIGNALBOX_ASSETS, KUBEBUILDER_ASSETS, XDG_CACHE_HOME } = process.env;
  const kept = { PATH, SIGNALBOX_ASSETS, KUBEBUILDER_ASSETS, XDG_CACHE_HOME };
  const child = spawn('bash', ['-c', script], {
    env: { ...kept, HOME: homedir(), XDG_STATE_HOME: state, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const add = (chunk: Buffer): void => {
    output += chunk.toString('utf8');
  };
  child.stdout.on('data', add);
  child.stderr.on('data', add);
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}
