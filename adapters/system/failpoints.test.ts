// An armed process really dies, stands still, or is held: tried on processes of their own.
import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseArming } from './failpoints.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-failpoint-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A process that passes `engine.append.before` three times and says so. */
const program = `
  const { armFromEnvironment } = await import('./failpoints.ts');
  const { failpoint } = await import('../../ports/failpoint.ts');
  armFromEnvironment(process.env);
  for (let time = 1; time <= 3; time += 1) {
    failpoint('engine.task.before');
    failpoint('engine.ask.received', 'start');
    failpoint('engine.append.before');
    console.log(time);
  }
`;

function passing(arming: string) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: import.meta.dirname,
    env: { SIGNALBOX_FAILPOINT: arming },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, error] = ['', ''];
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  child.stderr.on('data', (chunk) => (error += String(chunk)));
  return new Promise<{ signal: string | null; out: string; error: string }>((resolve) =>
    child.once('close', (_code, signal) => resolve({ signal, out, error })),
  );
}

describe('an armed process', () => {
  test('is killed when it passes the moment for the n-th time, and said so before', async () => {
    const { signal, out, error } = await passing('engine.append.before@2');
    expect(signal).toBe('SIGKILL');
    expect(out).toBe('1\n');
    expect(error).toContain('failpoint engine.append.before@2: reached\n');
  });

  test('is killed only for the subject that is named', async () => {
    expect((await passing('engine.ask.received/start')).signal).toBe('SIGKILL');
    expect(await passing('engine.ask.received/cancel')).toEqual({ signal: null, out: '1\n2\n3\n', error: '' });
  });

  test('stands still and goes on', async () => {
    expect(await passing('engine.append.before:pause=20')).toMatchObject({ signal: null, out: '1\n2\n3\n' });
  });

  test('is held until it is let go', async () => {
    const path = join(folder, 'held');
    const ended = passing(`engine.append.before:hold=${path}`);
    await expect.poll(() => existsSync(path), { timeout: 10_000 }).toBe(true);
    rmSync(path);
    expect(await ended).toMatchObject({ signal: null, out: '1\n2\n3\n' });
  });

  test('that is not armed passes', async () => {
    expect(await passing('')).toEqual({ signal: null, out: '1\n2\n3\n', error: '' });
  });
});

test.each([
  ['engine.nowhere', 'allowed moments are listed in ports/failpoint.ts'],
  ['engine.ask.received', 'allowed moments are listed in ports/failpoint.ts'],
  ['engine.append.before@0', 'allowed is moment[@n][:pause=<ms> or :hold=<path>]'],
  ['engine.append.before:pause=soon', 'allowed modes are pause=<ms> and hold=<path>'],
])('%s is refused', (text, allowed) => {
  expect(() => parseArming(text)).toThrow(`SIGNALBOX_FAILPOINT is "${text}"; ${allowed}`);
});
