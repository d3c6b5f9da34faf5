// Owns: a nats-server for measurements: durable, on free ports, its store in the given folder.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { binaries } from '../../local/assets/binaries.ts';
import { resolveAssets } from '../../local/assets/resolve.ts';
import { freePorts, type Spawned, start, until } from './spawned.ts';

export interface BenchNats {
  readonly server: Spawned;
  readonly url: string;
  readonly monitorUrl: string;
  readonly version: string;
  /** Messages that were ever stored on disk: with `sync_interval: always` each is one write with fsync. */
  readonly stored: () => Promise<number>;
}

export const control = { user: 'control', password: 'control-password' };
export const work = { user: 'work', password: 'work-password' };
export const system = { user: 'system', password: 'system-password' };

export async function startNats(folder: string): Promise<BenchNats> {
  const [port = 0, monitor = 0] = await freePorts(2);
  const file = join(folder, 'nats.conf');
  await writeFile(file, config(folder, port, monitor));
  const server = start((await resolveAssets(() => undefined))['nats-server'], ['-c', file]);
  const monitorUrl = `http://127.0.0.1:${monitor}`;
  await until('nats-server', async () => (await fetch(`${monitorUrl}/healthz`)).ok);
  const version = binaries().find(({ name }) => name === 'nats-server')?.version ?? '?';
  return { server, url: `nats://127.0.0.1:${port}`, monitorUrl, version, stored: () => stored(monitorUrl) };
}

interface Jsz {
  readonly account_details?: readonly {
    readonly stream_detail?: readonly {
      readonly config: { readonly storage: string };
      readonly state: { readonly last_seq: number };
    }[];
  }[];
}

async function stored(monitorUrl: string): Promise<number> {
  const answer = await fetch(`${monitorUrl}/jsz?streams=true&config=true`);
  const { account_details: accounts = [] } = (await answer.json()) as Jsz;
  return accounts
    .flatMap((account) => account.stream_detail ?? [])
    .filter(({ config: { storage } }) => storage === 'file')
    .reduce((sum, { state }) => sum + state.last_seq, 0);
}

function config(folder: string, port: number, monitor: number): string {
  const user = (of: typeof control): string => `users: [ { user: ${of.user}, password: ${of.password} } ]`;
  return `listen: "127.0.0.1:${port}"
http: "127.0.0.1:${monitor}"
max_payload: 1MB
jetstream { store_dir: ${JSON.stringify(join(folder, 'jetstream'))}, sync_interval: always, max_memory_store: 512MB, max_file_store: 64GB }
accounts {
  CONTROL { jetstream: enabled, ${user(control)} }
  WORK { jetstream: enabled, ${user(work)} }
  SYS { ${user(system)} }
}
system_account: SYS
`;
}
