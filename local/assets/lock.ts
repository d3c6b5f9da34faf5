// Owns: mutual exclusion between processes by a file that names its holder. A holder that died loses the lock.
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, parseIdentity, selfIdentity } from '../plane/identity.ts';

const pollMs = 200;

/** Runs `work` while holding the lock; waits for a living holder as long as it needs. */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  while (!(await takeLock(path))) await sleep(pollMs);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** One try: true when the lock is now ours. The file appears whole (written aside, then linked). */
export async function takeLock(path: string): Promise<boolean> {
  const aside = `${path}.${process.pid}`;
  await writeFile(aside, JSON.stringify(selfIdentity()), { mode: 0o600 });
  try {
    await link(aside, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(aside, { force: true });
  }
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return false;
  const holder = parseIdentity(text);
  if (holder === undefined || !isAlive(holder)) await rm(path, { force: true });
  return false;
}
