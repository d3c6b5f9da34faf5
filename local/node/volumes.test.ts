import { lstat, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Sources } from './environment.ts';
import type { Pod, Volume } from './pod-spec.ts';
import { containerRoot, linkMounts, makeEmptyVolume, replaceVolume, volumeFiles } from './volumes.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-volumes-'));
  await makeEmptyVolume(folder, 'scratch');
});
afterEach(() => rm(folder, { recursive: true }));

const files = (content: Record<string, string>) =>
  new Map(Object.entries(content).map(([path, text]) => [path, Buffer.from(text)]));
const container = {
  name: 'main',
  image: 'signalbox',
  volumeMounts: [
    { name: 'settings', mountPath: '/etc/app/' },
    { name: 'scratch', mountPath: '/var/lib' },
    { name: 'settings', mountPath: '/one/file', subPath: 'a' },
  ],
};

test('a mount shows the volume below the container root, and all of it changes at once', async () => {
  await replaceVolume(folder, 'settings', files({ a: '1', 'deep/b': '2' }), 1);
  await linkMounts(folder, container);
  const root = containerRoot(folder, 'main');
  expect(await readFile(join(root, 'etc/app/deep/b'), 'utf8')).toBe('2');
  expect(await readFile(join(root, 'one/file'), 'utf8')).toBe('1');
  await replaceVolume(folder, 'settings', files({ a: '3' }), 2);
  expect(await readdir(join(root, 'etc/app'))).toEqual(['a']);
  expect(await readFile(join(root, 'one/file'), 'utf8')).toBe('3');
  expect((await lstat(join(root, 'var/lib'))).isSymbolicLink()).toBe(true);
  expect((await readdir(join(folder, 'volumes'))).toSorted()).toEqual(['scratch', 'settings', 'settings.2']);
});

test('a path cannot leave its volume', async () => {
  await replaceVolume(folder, 'settings', files({ '../../escaped': 'x' }), 1);
  expect(await readdir(folder)).toEqual(['volumes']);
  expect(await readdir(join(folder, 'volumes/settings'))).toEqual(['escaped']);
});

test('content comes from all sources; what is absent is named', async () => {
  const pod = { metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec: { containers: [] } } as unknown as Pod;
  const sources: Sources = {
    configMap: (name) => (name === 'cm' ? files({ a: '1', b: '2' }) : undefined),
    secret: () => undefined,
  };
  const input = { pod, podIP: '127.1.1.1', sources, token: () => Promise.resolve('tok') };
  const projected: Volume = {
    name: 'v',
    projected: {
      sources: [
        { serviceAccountToken: { path: 'token' } },
        { configMap: { name: 'cm', items: [{ key: 'b', path: 'x/b' }] } },
        { downwardAPI: { items: [{ path: 'ns', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
        { secret: { name: 'none', optional: true } },
      ],
    },
  };
  expect(await volumeFiles(projected, input)).toEqual(files({ token: 'tok', 'x/b': '2', ns: 'n' }));
  const secret: Volume = { name: 'v', secret: { secretName: 'none' } };
  await expect(volumeFiles(secret, input)).rejects.toThrow('Secret "none" does not exist');
  await expect(volumeFiles({ name: 'disk' }, input)).rejects.toThrow(/volume "disk" is of a type/);
});
