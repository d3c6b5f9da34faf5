import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { identify } from '../plane/identity.ts';
import { lockHolder, takeLock, withLock } from './lock.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-lock-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('work under one lock never overlaps, and waiting is said', async () => {
  let inside = 0;
  let most = 0;
  let waits = 0;
  const work = (): Promise<void> =>
    withLock(
      join(folder, 'a'),
      () => (waits += 1),
      async () => {
        inside += 1;
        most = Math.max(most, inside);
        await new Promise((resolve) => setTimeout(resolve, 450));
        inside -= 1;
      },
    );
  await Promise.all([work(), work()]);
  expect({ most, waits }).toEqual({ most: 1, waits: 1 });
  expect(await readdir(folder)).toEqual([]);
});

test('a holder that died, or whose pid was given to another process, loses the lock', async () => {
  const path = join(folder, 'b');
  const self = identify(process.pid);
  for (const left of [JSON.stringify({ ...self, start: 'another boot/1' }), 'torn']) {
    await writeFile(path, left);
    expect(await lockHolder(path)).toBeUndefined();
    expect(await takeLock(path)).toBe(false);
    expect(await takeLock(path)).toBe(true);
    expect(await lockHolder(path)).toEqual(self);
    expect(await takeLock(path)).toBe(false);
    await rm(path);
  }
});
