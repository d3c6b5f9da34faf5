import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { quickAccess } from './quick-kubeconfig.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-kubeconfig-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const encoded = (text: string): string => Buffer.from(text).toString('base64');
const config = (user: object, cluster: object = {}) => ({
  clusters: [
    {
      name: 'signalbox-try',
      cluster: { server: 'https://127.0.0.1:6443/', 'certificate-authority-data': encoded('CA'), ...cluster },
    },
  ],
  users: [{ name: 'u', user }],
  contexts: [
    { name: 'first', context: { cluster: 'signalbox-try', user: 'u', namespace: 'clinic' } },
    { name: 'bare', context: { cluster: 'signalbox-try', user: 'u' } },
  ],
  'current-context': 'first',
});
async function written(content: object): Promise<string> {
  const path = join(folder, `${Math.random()}.yaml`);
  await writeFile(path, stringify(content));
  return path;
}

test('a token: server, authority, namespace, and the instance by the name of the cluster', async () => {
  const access = await quickAccess(await written(config({ token: 't' })));
  expect(access).toMatchObject({ server: 'https://127.0.0.1:6443', ca: 'CA', namespace: 'clinic', instance: 'try' });
  expect(await access?.credentials()).toEqual({ token: 't' });
});

test('a client certificate in files beside the kubeconfig, in another context', async () => {
  await writeFile(join(folder, 'me.crt'), 'CERT');
  const user = { 'client-certificate': 'me.crt', 'client-key-data': encoded('KEY') };
  const access = await quickAccess(await written(config(user)), 'bare');
  expect(access?.namespace).toBe('default');
  expect(await access?.credentials()).toEqual({ cert: 'CERT', key: 'KEY' });
});

test.each([
  ['an exec plugin', config({ exec: { command: 'login' } })],
  ['impersonation', config({ token: 't', as: 'root' })],
  ['a proxy', config({ token: 't' }, { 'proxy-url': 'http://proxy' })],
  ['no context', {}],
])('%s is left to the official library', async (_what, content) => {
  expect(await quickAccess(await written(content))).toBeUndefined();
});

test('a context that is not there is named with those that are', async () => {
  await expect(quickAccess(await written(config({ token: 't' })), 'gone')).rejects.toThrow(
    'context "gone" is not in the kubeconfig; it has: first, bare',
  );
});

test('a file that is not there, or no YAML, is said so', async () => {
  await expect(quickAccess(join(folder, 'gone'))).rejects.toThrow('cannot be read');
  const path = join(folder, 'broken');
  await writeFile(path, 'a: [');
  await expect(quickAccess(path)).rejects.toThrow('is no YAML');
});
