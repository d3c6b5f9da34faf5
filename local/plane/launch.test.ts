import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { identify, isAlive, signalProcess } from './identity.ts';
import { end, launch, marked, reap, type LaunchSpec } from './launch.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-launch-'));
});
afterEach(async () => {
  await reap(folder);
  await rm(folder, { recursive: true });
});

const shell = (script: string): LaunchSpec => ({
  command: '/bin/sh',
  args: ['-c', script],
  env: { PATH: '/usr/bin:/bin' },
  cwd: '/',
  logFile: join(folder, 'log'),
});

test('an end is told as an exit code, 128 + number for a signal', async () => {
  expect(await (await launch(folder, shell('exit 3'))).ended).toEqual({ exitCode: 3 });
  const killed = await launch(folder, shell('sleep 60'));
  signalProcess(killed.identity, 'SIGKILL');
  expect(await killed.ended).toEqual({ exitCode: 137, signal: 'SIGKILL' });
});

test('a program that ignores SIGTERM is killed after its grace', async () => {
  const stubborn = await launch(folder, shell("trap '' TERM; while :; do sleep 0.05; done"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const startedAt = Date.now();
  await end(stubborn, 300);
  expect(Date.now() - startedAt).toBeGreaterThanOrEqual(290);
  expect(await stubborn.ended).toMatchObject({ signal: 'SIGKILL' });
});

test('a pid whose start time differs is never signalled', async () => {
  const { identity } = await launch(folder, shell('sleep 60'));
  expect(signalProcess({ pid: identity.pid, start: `${identity.start}0` }, 'SIGKILL')).toBe(false);
  expect(isAlive(identity)).toBe(true);
  expect(identify(process.pid)).not.toEqual(identity);
});

test('reaping finds grandchildren by their mark, and nothing of another instance', async () => {
  await launch(folder, shell('setsid sleep 60 & sleep 60'));
  const other = await launch(`${folder}-other`, shell('sleep 60'));
  await expect.poll(() => marked(folder).length).toBe(3);
  expect(await reap(folder)).toBe(3);
  expect(marked(folder)).toEqual([]);
  expect(isAlive(other.identity)).toBe(true);
  await reap(`${folder}-other`);
});

describe('when the parent is killed', () => {
  const program = new URL('./launch.ts', import.meta.url).href;
  const parent = (body: string, path: string) =>
    spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `const { launch, startWarden } = await import(${JSON.stringify(program)});
         const spec = ${JSON.stringify(shell('setsid sleep 60 & sleep 60'))};
         ${body}; await launch(${JSON.stringify(folder)}, spec); console.log('up'); setInterval(() => undefined, 1000);`,
      ],
      { env: { PATH: path }, stdio: ['ignore', 'pipe', 'inherit'] },
    );

  test('the warden alone ends everything, grandchildren too', async () => {
    const child = parent(`startWarden(${JSON.stringify(folder)})`, '/nowhere');
    await once(child.stdout, 'data');
    await expect.poll(() => marked(folder).length).toBe(3);
    child.kill('SIGKILL');
    await expect.poll(() => marked(folder).length, { timeout: 5_000 }).toBe(0);
  });

  test.skipIf(!existsSync('/usr/bin/setpriv'))('the kernel alone ends the children', async () => {
    const child = parent('', process.env['PATH'] ?? '');
    await once(child.stdout, 'data');
    await expect.poll(() => marked(folder).length).toBe(3);
    const [first] = marked(folder);
    child.kill('SIGKILL');
    await expect.poll(() => first !== undefined && isAlive(first), { timeout: 5_000 }).toBe(false);
  });
});
