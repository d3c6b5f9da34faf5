import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { instancePaths } from '../plane/paths.ts';
import { cutLog, logs, openLogFile, removeLogs } from './logs.ts';
import type { Pod } from './pod-spec.ts';

const pod = { metadata: { name: 'echo-1', namespace: 'n', uid: 'u' }, spec: { containers: [] } } as unknown as Pod;
let stateDir: string;
let file: string;
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'signalbox-logs-'));
  file = await openLogFile(instancePaths({ stateDir }), pod, 'main');
});
afterEach(() => rm(stateDir, { recursive: true }));

const read = async (more: { tail?: number; container?: string } = {}): Promise<string[]> => {
  const lines: string[] = [];
  for await (const line of logs({ stateDir, namespace: 'n', pod: 'echo-1', ...more })) lines.push(line);
  return lines;
};

test('a file over its bound is cut, and both halves are read in order', async () => {
  await appendFile(file, 'one\ntwo\n');
  await cutLog(file, 100);
  expect(await read()).toEqual(['one', 'two']);
  await cutLog(file, 4);
  await appendFile(file, 'three\n');
  expect(await read()).toEqual(['one', 'two', 'three']);
  expect(await read({ tail: 2 })).toEqual(['two', 'three']);
  expect(await read({ tail: 0 })).toEqual([]);
});

test('following survives a cut and ends when the Pod is gone', async () => {
  await appendFile(file, 'one\n');
  const seen: string[] = [];
  const following = (async () => {
    for await (const line of logs({ stateDir, namespace: 'n', pod: 'echo-1', follow: true })) seen.push(line);
  })();
  await expect.poll(() => seen).toEqual(['one']);
  await appendFile(file, 'two\nhalf');
  await expect.poll(() => seen).toEqual(['one', 'two']);
  await appendFile(file, ' line\n');
  await expect.poll(() => seen).toEqual(['one', 'two', 'half line']);
  await cutLog(file, 1);
  await appendFile(file, 'after\n');
  await expect.poll(() => seen.at(-1)).toBe('after');
  await appendFile(file, 'last words\n');
  await removeLogs(instancePaths({ stateDir }), pod);
  await following;
  expect(seen.at(-1)).toBe('last words');
});

test('an unknown Pod or container is named', async () => {
  await appendFile(file, 'one\n');
  await expect(read({ container: 'side' })).rejects.toThrow('has no logs of a container "side"; it has: main.');
  const absent = logs({ stateDir, namespace: 'n', pod: 'echo' });
  await expect(absent.next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
