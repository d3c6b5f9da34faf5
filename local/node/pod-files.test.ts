import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Kube } from '../../ports/kube.ts';
import { PodFiles } from './pod-files.ts';
import type { Pod } from './pod-spec.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-tokens-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const volume = { name: 't', projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'gateway' } }] } };
const pod = {
  metadata: { name: 'p', namespace: 'n', uid: 'u1' },
  spec: { serviceAccountName: 'worker', containers: [], volumes: [volume] },
} as unknown as Pod;

test('a token is asked for once, renewed at 80 % of its life, and kept while the API server is away', async () => {
  let now = Date.parse('2026-01-01T00:00:00Z');
  vi.spyOn(Date, 'now').mockImplementation(() => now);
  const asked: unknown[] = [];
  let away = false;
  const post = (_: unknown, key: unknown, subresource: string, body: { spec: object }): Promise<unknown> => {
    if (away) return Promise.reject(new Error('unreachable'));
    asked.push([key, subresource, body.spec]);
    const expirationTimestamp = new Date(now + 600_000).toISOString();
    return Promise.resolve({ status: { token: `token-${asked.length}`, expirationTimestamp } });
  };
  const sources = { configMap: () => undefined, secret: () => undefined };
  const files = new PodFiles({ kube: { post } as unknown as Kube, folder, podIP: '127.1.1.1', sources });
  const token = async (afterMs: number): Promise<string> => {
    now += afterMs;
    await files.refresh(pod);
    return readFile(join(folder, 'volumes/t/token'), 'utf8');
  };
  expect(await token(0)).toBe('token-1');
  expect(asked).toEqual([
    [
      { namespace: 'n', name: 'worker' },
      'token',
      {
        audiences: ['gateway'],
        expirationSeconds: 3600,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u1' },
      },
    ],
  ]);
  expect(await token(479_000)).toBe('token-1');
  away = true;
  expect(await token(2_000)).toBe('token-1');
  away = false;
  expect(await token(10_000)).toBe('token-2');
});
