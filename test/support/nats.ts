// Owns: a nats-server for tests: real, on a free port, durable, with the accounts CONTROL and WORK; gone after `stop`.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveAssets } from '../../local/assets/resolve.ts';

export interface TestNats {
  readonly url: string;
  readonly monitorUrl: string;
  readonly control: { readonly user: string; readonly password: string };
  readonly work: { readonly user: string; readonly password: string };
  /** SIGKILL, then a new process on the same port and store. */
  crash(): Promise<void>;
  /** SIGKILL only. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const READY_MS = 15_000;

export async function startNats(options: { readonly sync?: 'always' | '2m' } = {}): Promise<TestNats> {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-nats-'));
  const [port, monitor] = [await freePort(), await freePort()];
  const file = join(folder, 'nats.conf');
  await writeFile(file, config({ folder, port, monitor, sync: options.sync ?? 'always' }));
  const binary = (await resolveAssets(() => undefined))['nats-server'];
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    child = spawn(binary, ['-c', file], { stdio: 'ignore' });
    await untilHealthy(`http://127.0.0.1:${monitor}/healthz`);
  };
  const kill = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await ended;
  };
  await start();
  const onExit = (): void => void child?.kill('SIGKILL');
  process.once('exit', onExit);
  return {
    url: `nats://127.0.0.1:${port}`,
    monitorUrl: `http://127.0.0.1:${monitor}`,
    control: { user: 'control', password: 'control-password' },
    work: { user: 'work', password: 'work-password' },
    start,
    kill,
    crash: async () => {
      await kill();
      await start();
    },
    stop: async () => {
      process.off('exit', onExit);
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function config(of: { folder: string; port: number; monitor: number; sync: string }): string {
  return `listen: "127.0.0.1:${of.port}"
http: "127.0.0.1:${of.monitor}"
max_payload: 1MB
jetstream { store_dir: ${JSON.stringify(join(of.folder, 'store'))}, sync_interval: ${of.sync}, max_memory_store: 256MB, max_file_store: 16GB }
accounts {
  CONTROL { jetstream: enabled, users: [ { user: control, password: control-password } ] }
  WORK { jetstream: enabled, users: [ { user: work, password: work-password } ] }
}
`;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

async function untilHealthy(url: string): Promise<void> {
  const until = Date.now() + READY_MS;
  for (;;) {
    try {
      const answer = await fetch(url);
      if (answer.ok) return;
    } catch {
      // Not listening yet.
    }
    if (Date.now() > until) throw new Error(`nats-server did not become healthy at ${url} within ${READY_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}
