// Owns: the four servers of one instance as one thing: start in order, prove durability, stop in reverse order.
import { mkdir, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Assets } from '../assets/resolve.ts';
import type { KubeConnection, PlaneConnection, Progress, ServerName, ServerStatus } from '../contract.ts';
import { kubeconfigText } from './kubeconfig.ts';
import { reap, startWarden } from './launch.ts';
import { assertDurable, natsConfig } from './nats-config.ts';
import type { InstancePaths } from './paths.ts';
import {
  keyFiles,
  kubeConnectionOf,
  natsConnectionOf,
  openRecord,
  readSecrets,
  writeSecret,
  type InstanceRecord,
  type Secrets,
} from './record.ts';
import { Server } from './server.ts';
import { apiserver, controllerManager, etcd, natsServer, serverVersions, type ServerOptions } from './servers.ts';

export interface PlaneOptions {
  readonly paths: InstancePaths;
  readonly assets: Assets;
  readonly progress: Progress;
  /** Default true. Only instances that live as long as one test turn it off. */
  readonly etcdFsync?: boolean;
  /** Second number of the Pods' addresses for a new instance; see `node/addresses.ts`. */
  readonly podNetwork?: (kept: number | undefined) => Promise<number>;
}

/** The servers of one instance; `start` has resolved, so all but the controller-manager answer. */
export interface RunningPlane {
  readonly paths: InstancePaths;
  readonly record: InstanceRecord;
  readonly secrets: Secrets;
  readonly kube: KubeConnection;
  readonly nats: PlaneConnection;
  /** Apart, since the garbage collector knows at once only the kinds that exist when it starts. */
  readonly startControllerManager: () => Promise<void>;
  readonly servers: () => readonly ServerStatus[];
  readonly kill: (name: ServerName) => number | undefined;
  readonly stop: () => Promise<void>;
}

export async function startPlane(options: PlaneOptions): Promise<RunningPlane> {
  const { paths, progress } = options;
  await mkdir(paths.root, { recursive: true, mode: 0o700 });
  const leftovers = await reap(paths.root);
  if (leftovers > 0) progress(`ended ${leftovers} processes that a crashed start had left behind`);
  const record = await openRecord(paths, options.podNetwork ?? (() => Promise.resolve(0)));
  const secrets = await readSecrets(paths);
  const kube = await kubeConnectionOf(paths, record);
  const nats = natsConnectionOf(record, secrets);
  await writeSecret(keyFiles(paths).natsConfig, natsConfig(paths, record, secrets));
  await writeSecret(keyFiles(paths).controllerManagerKubeconfig, kubeconfigText(paths.name, kube));
  const { assets, etcdFsync = true } = options;
  const servers = assemble({ paths, record, assets, versions: await serverVersions(assets), etcdFsync });
  const warden = startWarden(paths.root);
  const stop = async (): Promise<void> => {
    for (const server of [servers.manager, servers.apiserver, servers.etcd, servers.nats]) await server.stop();
    await reap(paths.root);
    warden.dismiss();
  };
  try {
    await startFirst(servers, nats.monitorUrl, progress);
  } catch (error) {
    await stop();
    throw error;
  }
  const all = [servers.etcd, servers.apiserver, servers.manager, servers.nats];
  return {
    paths,
    record,
    secrets,
    kube,
    nats,
    stop,
    startControllerManager: () => timed(servers.manager, progress),
    servers: () => all.map((server) => server.status()),
    kill: (name) => all.find((server) => server.spec.name === name)?.kill(),
  };
}

interface Servers {
  readonly etcd: Server;
  readonly apiserver: Server;
  readonly manager: Server;
  readonly nats: Server;
}

function assemble(options: ServerOptions): Servers {
  const make = (spec: ReturnType<typeof etcd>): Server => new Server(options.paths.root, spec);
  return {
    etcd: make(etcd(options)),
    apiserver: make(apiserver(options)),
    manager: make(controllerManager(options)),
    nats: make(natsServer(options)),
  };
}

/** The API server retries etcd for a while, so all three start at once. */
async function startFirst(servers: Servers, monitorUrl: string, progress: Progress): Promise<void> {
  const started = [servers.etcd, servers.nats, servers.apiserver].map((server) => timed(server, progress));
  const results = await Promise.allSettled(started);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  await assertDurable(monitorUrl);
}

async function timed(server: Server, progress: Progress): Promise<void> {
  const startedAt = Date.now();
  await server.start();
  const { name, version, port } = server.spec;
  progress(`${name} ${version} answers on 127.0.0.1:${port} after ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
}

/** Removes an instance's files; its processes must have ended. */
export async function removeInstance(paths: InstancePaths): Promise<void> {
  // A server that just ended may still be unlinking; a few tries are enough.
  for (let attempt = 0; ; attempt += 1) {
    try {
      await rm(paths.root, { recursive: true, force: true });
      return;
    } catch (error) {
      if (attempt >= 5) throw error;
      await sleep(100);
    }
  }
}
