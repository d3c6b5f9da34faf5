// Owns: the processes of a benchmark: started, waited for, ended, none left behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Spawned {
  readonly pid: number;
  /** What it said last. */
  said(): string;
  /** Resolves when it has said this; rejects when it ended first or after 60 s. */
  says(words: string): Promise<void>;
  kill(signal?: NodeJS.Signals): Promise<void>;
}

const saysMs = 60_000;
const graceMs = 10_000;
const alive = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** Whatever is still there: after a start that failed half-way. */
export async function killAll(): Promise<void> {
  await Promise.all(
    [...alive].map(async (child) => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await Promise.race([ended, sleep(graceMs)]);
    }),
  );
}

export function start(
  command: string,
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string; readonly uid?: number } = {},
): Spawned {
  const { uid, cwd } = options;
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', HOME: cwd ?? '/nonexistent', ...options.env },
    ...(cwd === undefined ? {} : { cwd }),
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  alive.add(child);
  let said = '';
  const keep = (chunk: Buffer): void => {
    said = (said + chunk.toString()).slice(-16_384);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  let over: string | undefined;
  const ended = new Promise<void>((resolve) => {
    const end = (why: string): void => {
      over ??= why;
      alive.delete(child);
      resolve();
    };
    child.once('error', (error) => end(error.message));
    child.once('exit', (code, signal) => end(`ended with ${code ?? signal}`));
  });
  return {
    pid: child.pid ?? 0,
    said: () => said,
    async says(words) {
      const until = performance.now() + saysMs;
      while (!said.includes(words)) {
        if (over !== undefined) throw new Error(`${command} ${over}:\n${said.slice(-2_000)}`);
        if (performance.now() > until) throw new Error(`${command} did not say "${words}":\n${said.slice(-2_000)}`);
        await sleep(2);
      }
    },
    async kill(signal = 'SIGKILL') {
      child.kill(signal);
      await Promise.race([ended, sleep(graceMs)]);
      if (over === undefined) child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Asks until the answer is yes. */
export async function until(what: string, ready: () => Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await ready().catch(() => false))) {
    if (performance.now() > end) throw new Error(`${what}: not within ${timeoutMs / 1_000} s`);
    await sleep(20);
  }
}

/** Free ports of the loopback interface. Temporal wants them below 32,768. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const found: number[] = [];
  for (let port = 20_000 + (process.pid % 5_000); found.length < count; port += 1) {
    if (await canListen(port)) found.push(port);
  }
  return found;
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
