// Owns: a cluster of three nats-servers for tests and measurements, on free loopback ports; gone after `stop`.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveAssets } from '../../local/assets/resolve.ts';
import { freePorts } from '../../local/plane/ports.ts';
import { untilHealthy } from './nats.ts';

export interface TestCluster {
  readonly urls: readonly string[];
  readonly monitorUrl: string;
  readonly control: { readonly user: string; readonly password: string };
  readonly work: { readonly user: string; readonly password: string };
  stop(): Promise<void>;
}

const size = 3;

export async function startNatsCluster(sync: 'always' | '2m' = '2m'): Promise<TestCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-nats-cluster-'));
  const servers = [];
  for (let n = 0; n < size; n += 1) {
    const [port = 0, http = 0, route = 0] = await freePorts(3);
    servers.push({ n, port, http, route });
  }
  const routes = servers.map(({ route }) => `nats-route://127.0.0.1:${route}`).join(', ');
  const binary = (await resolveAssets(() => undefined))['nats-server'];
  const children: ChildProcess[] = [];
  for (const server of servers) {
    const file = join(folder, `${server.n}.conf`);
    await writeFile(file, config({ ...server, folder, routes, sync }));
    children.push(spawn(binary, ['-c', file], { stdio: 'ignore' }));
  }
  const onExit = (): void => {
    for (const child of children) child.kill('SIGKILL');
  };
  process.once('exit', onExit);
  const [first] = servers;
  for (const { http } of servers) await untilHealthy(`http://127.0.0.1:${http}/healthz`);
  return {
    urls: servers.map(({ port }) => `nats://127.0.0.1:${port}`),
    monitorUrl: `http://127.0.0.1:${first?.http ?? 0}`,
    control: { user: 'control', password: 'control-password' },
    work: { user: 'work', password: 'work-password' },
    async stop() {
      process.off('exit', onExit);
      const ended = children.map((child) => new Promise((resolve) => child.once('exit', resolve)));
      onExit();
      await Promise.all(ended);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function config(of: {
  readonly n: number;
  readonly port: number;
  readonly http: number;
  readonly route: number;
  readonly folder: string;
  readonly routes: string;
  readonly sync: string;
}): string {
  // Without quotes `2m` would be two million seconds.
  const sync = of.sync === 'always' ? 'always' : JSON.stringify(of.sync);
  const store = JSON.stringify(join(of.folder, `store-${of.n}`));
  return `server_name: n${of.n}
listen: "127.0.0.1:${of.port}"
http: "127.0.0.1:${of.http}"
max_payload: 1MB
cluster { name: test, listen: "127.0.0.1:${of.route}", routes: [${of.routes}] }
jetstream { store_dir: ${store}, sync_interval: ${sync}, max_memory_store: 256MB, max_file_store: 8GB }
accounts {
  CONTROL { jetstream: enabled, users: [ { user: control, password: control-password } ] }
  WORK { jetstream: enabled, users: [ { user: work, password: work-password } ] }
}
`;
}
