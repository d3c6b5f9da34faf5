// Owns: the life of one instance: lock, servers, foundation, local node, our Deployments; then waiting for the word to
// stop, and stopping in reverse order. Whatever fails on the way up takes everything down again.
import { mkdir, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { dirname, join } from 'node:path';
import { SignalboxError } from '../../api/errors.ts';
import type { Informers } from '../../ports/cache.ts';
import type { Kube } from '../../ports/kube.ts';
import type { Log } from '../../ports/system.ts';
import { takeLock } from '../assets/lock.ts';
import { resolveAssets } from '../assets/resolve.ts';
import type { KillRole, Killed, KubeConnection, PlaneStatus, Progress, ServerName } from '../contract.ts';
import { choosePodNetwork } from '../node/addresses.ts';
import { logs } from '../node/logs.ts';
import { LocalNode } from '../node/node.ts';
import { residentMiB, selfIdentity } from '../plane/identity.ts';
import { readNatsSync } from '../plane/nats-config.ts';
import { instancePaths, nodeBinary, projectVersion, type InstancePaths } from '../plane/paths.ts';
import { startPlane, type RunningPlane } from '../plane/plane.ts';
import { readRecord, writeRecord } from '../plane/record.ts';
import { applyFoundation, rollOut } from '../system/system.ts';
import { startControl } from './control.ts';
import type { SupervisorSettings } from './settings.ts';

/** What only `main.ts` may choose: adapters. */
export interface SupervisorWiring {
  readonly log: Log;
  readonly connect: (connection: KubeConnection) => { readonly kube: Kube; readonly close: () => Promise<void> };
  readonly informers: (kube: Kube) => Informers;
}

const serverOfRole: Readonly<Partial<Record<KillRole, ServerName>>> = {
  etcd: 'etcd',
  apiserver: 'kube-apiserver',
  kcm: 'kube-controller-manager',
  'nats-server': 'nats-server',
};

export class Supervisor {
  readonly #settings: SupervisorSettings;
  readonly #wiring: SupervisorWiring;
  readonly #progress: Progress;
  readonly #paths: InstancePaths;
  readonly #startedAt = Date.now();
  /** What to undo, last first. */
  readonly #undo: (() => Promise<void>)[] = [];
  #stopping: Promise<void> | undefined;
  #node: LocalNode | undefined;

  constructor(settings: SupervisorSettings, wiring: SupervisorWiring, progress: Progress) {
    this.#settings = settings;
    this.#wiring = wiring;
    this.#progress = progress;
    this.#paths = instancePaths(settings);
  }

  /** Resolves when everything is ready; on failure everything is stopped again before it rejects. */
  async start(): Promise<void> {
    try {
      await this.#lock();
      const assets = await resolveAssets(this.#progress);
      const paths = this.#paths;
      this.#goOn();
      this.#undo.push(() => this.#signOff());
      const plane = await startPlane({
        paths,
        assets,
        progress: this.#progress,
        podNetwork: (kept) => choosePodNetwork(paths.root, kept),
      });
      this.#undo.push(plane.stop);
      await this.#announce(plane);
      this.#goOn();
      const { kube, close } = this.#wiring.connect(plane.kube);
      this.#undo.push(close);
      await this.#fill(kube, plane);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Idempotent. Data stays; `down` removes it. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    for (const undo of this.#undo.toReversed()) {
      await undo().catch((error: Error) => this.#wiring.log.error('a part did not stop', { error: error.message }));
    }
  }

  /** Asked to stop while starting: do not begin the next part. */
  #goOn(): void {
    if (this.#stopping !== undefined) throw new SignalboxError('PLANE_FAILED', 'The start was interrupted.');
  }

  async #lock(): Promise<void> {
    const { lockFile, name } = this.#paths;
    await mkdir(dirname(lockFile), { recursive: true });
    // The second try is for a lock whose holder died: the first one removes it.
    if (!(await takeLock(lockFile)) && !(await takeLock(lockFile))) {
      throw new SignalboxError(
        'PLANE_FAILED',
        `The instance "${name}" is being started or stopped by another process.`,
      );
    }
    this.#undo.push(() => rm(lockFile, { force: true }));
  }

  /** From here on `status`, `down` and `killProcess` find this process. */
  async #announce(plane: RunningPlane): Promise<void> {
    const { ports } = plane.record;
    const server = await startControl(ports.control, plane.secrets.controlToken, {
      status: () => this.#status(plane),
      kill: ({ role }) => Promise.resolve(this.#kill(plane, role as KillRole)),
      service: ({ namespace, service, port }) =>
        Promise.resolve(this.#service(String(namespace), String(service), port as string | number | undefined)),
      stop: () => {
        setImmediate(() => void this.stop().then(() => process.exit(0)));
        return Promise.resolve({});
      },
    });
    this.#undo.push(() => closeServer(server));
    const supervisor = { ...selfIdentity(), startedAt: new Date(this.#startedAt).toISOString() };
    await writeRecord(this.#paths, { ...plane.record, supervisor });
  }

  async #signOff(): Promise<void> {
    const record = await readRecord(this.#paths);
    if (record === undefined) return;
    const { supervisor: _ended, ...rest } = record;
    await writeRecord(this.#paths, rest);
  }

  async #fill(kube: Kube, plane: RunningPlane): Promise<void> {
    const { projectRoot, images, system, readyTimeoutMs } = this.#settings;
    const kinds = await applyFoundation(kube, plane.nats, system ? join(projectRoot, 'crds') : undefined);
    if (kinds > 0) this.#progress(`${kinds} kinds are served`);
    // Started after the kinds, so that the garbage collector follows their owners from the first second.
    await plane.startControllerManager();
    this.#goOn();
    const version = projectVersion(projectRoot);
    const node = new LocalNode({
      paths: this.#paths,
      projectRoot,
      node: nodeBinary(projectRoot),
      version,
      kube,
      informers: this.#wiring.informers(kube),
      log: this.#wiring.log,
      images,
      apiserverPort: plane.record.ports.apiserver,
      podNetwork: plane.record.podNetwork,
    });
    this.#node = node;
    this.#undo.push(() => node.stop());
    await node.start();
    this.#progress(`the local node runs Pods of image ${images.join(', ')}`);
    if (!system) return;
    await rollOut({
      kube,
      projectRoot,
      timeoutMs: readyTimeoutMs,
      progress: this.#progress,
      pods: () => node.pods(),
      tail: (pod, lines) => this.#tail(pod.namespace, pod.name, lines),
    });
  }

  async #tail(namespace: string, pod: string, lines: number): Promise<readonly string[]> {
    const { name, stateDir } = this.#settings;
    const found: string[] = [];
    try {
      for await (const line of logs({ name, stateDir, namespace, pod, tail: lines })) found.push(line);
    } catch {
      // A Pod that never started has no log.
    }
    return found;
  }

  async #status(plane: RunningPlane): Promise<PlaneStatus> {
    const nats = await readNatsSync(plane.nats.monitorUrl).catch(() => undefined);
    const rss = residentMiB(process.pid);
    return {
      instance: this.#paths.name,
      stateDir: this.#paths.root,
      running: true,
      supervisorPid: process.pid,
      ...(rss === undefined ? {} : { supervisorRssMiB: rss }),
      uptimeSeconds: Math.round((Date.now() - this.#startedAt) / 1000),
      kubeServer: plane.kube.server,
      natsUrl: plane.nats.natsUrl,
      ...(this.#node === undefined ? {} : { proxyUrl: this.#node.proxyUrl }),
      servers: plane.servers(),
      pods: this.#node?.pods() ?? [],
      ...(nats === undefined ? {} : { nats }),
    };
  }

  #kill(plane: RunningPlane, role: KillRole): Killed {
    const server = serverOfRole[role];
    if (server !== undefined) {
      const pid = plane.kill(server);
      if (pid === undefined) throw new SignalboxError('NOT_FOUND', `${server} does not run right now.`);
      return { pid, what: server };
    }
    if (this.#node === undefined) throw new SignalboxError('NOT_FOUND', 'The local node has not started yet.');
    return this.#node.kill(role);
  }

  #service(namespace: string, service: string, port: number | string | undefined): { readonly url: string } {
    const backend = this.#node?.backend(namespace, service, port) ?? { refusal: 'the local node has not started yet' };
    if ('refusal' in backend) throw new SignalboxError('NOT_FOUND', `${backend.refusal}.`);
    return { url: `http://${backend.host}:${backend.port}` };
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 500).unref();
  });
}
