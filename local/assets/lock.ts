// Owns: mutual exclusion between processes by a file that names its holder. A holder that died loses the lock.
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, parseIdentity, selfIdentity, type ProcessIdentity } from '../plane/identity.ts';

const pollMs = 200;

/** Runs `work` while holding the lock; waits for a living holder as long as it needs, and says so once. */
export async function withLock<T>(path: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; !(await takeLock(path)); tries += 1) {
    // The first refusal may only have removed the lock of a holder that died.
    if (tries === 2) onWait();
    await sleep(pollMs);
  }
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
  if ((await lockHolder(path)) === undefined) await removeStale(path, aside);
  return false;
}

/** Moved away first: of two that saw a dead holder, one gets the file, and a fresh lock is put back. */
async function removeStale(path: string, aside: string): Promise<void> {
  const moved = await rename(path, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return;
  if ((await lockHolder(aside)) !== undefined) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

/** The living process that holds the lock. */
export async function lockHolder(path: string): Promise<ProcessIdentity | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  const holder = text === undefined ? undefined : parseIdentity(text);
  return holder !== undefined && isAlive(holder) ? holder : undefined;
}
