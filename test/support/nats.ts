// Owns: a nats-server for tests: real, on a free port, durable, with the accounts CONTROL and WORK; gone after `stop`.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveAssets } from '../../local/assets/resolve.ts';
import { freePorts } from '../../local/plane/ports.ts';

export interface TestNats {
  readonly url: string;
  /** Of the server that runs now; undefined while none does. */
  pid(): number | undefined;
  readonly monitorUrl: string;
  /** JetStream's folder on disk. */
  readonly store: string;
  readonly control: { readonly user: string; readonly password: string };
  readonly work: { readonly user: string; readonly password: string };
  /** SIGKILL, then a new process on the same port and store. */
  crash(): Promise<void>;
  /** SIGKILL only. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const READY_MS = 60_000;

export interface NatsOptions {
  readonly sync?: 'always' | '2m';
  /** Where the store lies; default: in a folder that is removed at the end. */
  readonly store?: string;
  /** Bound of what lies on disk; default 16 GB. */
  readonly fileStoreMax?: string;
  /** Bound of what lies in memory; default 256 MB. */
  readonly memoryStoreMax?: string;
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export async function startNats(options: NatsOptions = {}): Promise<TestNats> {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-nats-'));
  const [port = 0, monitor = 0] = await freePorts(2);
  const file = join(folder, 'nats.conf');
  await writeFile(file, config({ ...options, store: options.store ?? join(folder, 'store'), port, monitor }));
  const binary = (await resolveAssets(() => undefined))['nats-server'];
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    child = spawn(binary, ['-c', file], { stdio: 'ignore' });
    running.add(child);
    await untilHealthy(`http://127.0.0.1:${monitor}/healthz`);
  };
  const kill = async (): Promise<void> => {
    const killed = child;
    child = undefined;
    if (killed === undefined) return;
    running.delete(killed);
    if (killed.exitCode !== null) return;
    const ended = new Promise((resolve) => killed.once('exit', resolve));
    killed.kill('SIGKILL');
    await ended;
  };
  await start();
  return {
    url: `nats://127.0.0.1:${port}`,
    pid: () => child?.pid,
    monitorUrl: `http://127.0.0.1:${monitor}`,
    store: join(folder, 'store'),
    control: { user: 'control', password: 'control-password' },
    work: { user: 'work', password: 'work-password' },
    start,
    kill,
    crash: async () => {
      await kill();
      await start();
    },
    stop: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function config(of: NatsOptions & { readonly store: string; readonly port: number; readonly monitor: number }): string {
  const { sync = 'always', fileStoreMax = '64GB', memoryStoreMax = '512MB' } = of;
  return `listen: "127.0.0.1:${of.port}"
http: "127.0.0.1:${of.monitor}"
max_payload: 1MB
jetstream { store_dir: ${JSON.stringify(of.store)}, sync_interval: ${sync}, max_memory_store: ${memoryStoreMax}, max_file_store: ${fileStoreMax} }
accounts {
  CONTROL { jetstream: enabled, users: [ { user: control, password: control-password } ] }
  WORK { jetstream: enabled, users: [ { user: work, password: work-password } ] }
}
`;
}

export async function untilHealthy(url: string): Promise<void> {
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
