import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { binaries, cacheName, reportedVersion } from './binaries.ts';
import { assertSupported, resolveAssets } from './resolve.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-assets-'));
  // Nothing but the shell's own programs: no go.
  await mkdir(join(folder, 'bin'));
  vi.stubEnv('PATH', join(folder, 'bin'));
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
  vi.stubEnv('SIGNALBOX_ASSETS', '');
  vi.stubEnv('KUBEBUILDER_ASSETS', '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

async function program(...path: readonly string[]): Promise<string> {
  const file = join(folder, ...path);
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, '#!/bin/sh\necho "thing v1.2.3-rc.1"\n');
  await chmod(file, 0o755);
  return file;
}

test('a folder named by the environment comes before the cache, program by program', async () => {
  vi.stubEnv('SIGNALBOX_ASSETS', join(folder, 'mine'));
  vi.stubEnv('KUBEBUILDER_ASSETS', join(folder, 'theirs'));
  for (const binary of binaries()) await program('cache', 'signalbox', 'assets', cacheName(binary));
  const mine = await program('mine', 'etcd');
  await program('theirs', 'etcd');
  const theirs = await program('theirs', 'kubectl');
  const said: string[] = [];
  const found = await resolveAssets((line) => said.push(line));
  expect(found.etcd).toBe(mine);
  expect(found.kubectl).toBe(theirs);
  expect(found['nats-server']).toMatch(/cache\/signalbox\/assets\/nats-server-2\.15\.2-\w+-\w+$/);
  expect(said).toEqual([]);
  expect(await reportedVersion(mine)).toBe('1.2.3-rc.1');
});

test('where nothing works the error lists every way, why it failed, and what to do', async () => {
  vi.stubEnv('SIGNALBOX_ASSETS', join(folder, 'mine'));
  for (const binary of binaries().slice(1)) await program('cache', 'signalbox', 'assets', cacheName(binary));
  const failure = resolveAssets(() => undefined);
  await expect(failure).rejects.toMatchObject({ code: 'ASSET_UNAVAILABLE' });
  const message = await failure.then(
    () => '',
    (error: Error) => error.message,
  );
  expect(message.split('\n').slice(1, 6)).toEqual([
    'etcd 3.7.3',
    `  - SIGNALBOX_ASSETS, KUBEBUILDER_ASSETS: no executable etcd in ${join(folder, 'mine')}`,
    expect.stringContaining('  - cache: no '),
    expect.stringContaining('  - download: skipped, since no SHA-256 is pinned for https://'),
    '  - go build: go is not installed (not found in PATH)',
  ]);
  expect(message).toContain('set SIGNALBOX_ASSETS to it');
  expect(message).toContain('install Go 1.26');
  expect((await readdir(join(folder, 'cache/signalbox/assets'))).filter((name) => name.includes('etcd'))).toEqual([]);
});

test.each([
  ['linux', 'amd64', true],
  ['linux', 'arm64', true],
  ['darwin', 'arm64', false],
  ['linux', 'riscv64', false],
])('%s on %s: %s', (os, arch, supported) => {
  const check = (): void => assertSupported({ os, arch });
  if (supported) expect(check).not.toThrow();
  else expect(check).toThrow(`runs on Linux (amd64 or arm64), found ${os} (${arch}). Use such a machine`);
});
