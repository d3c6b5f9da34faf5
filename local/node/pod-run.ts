// Owns: one Pod on this node from its first container to its last file. What it learns goes to the Pod's status, written
// only when it differs; what the API says (deletion) comes in through `update` and `terminate`.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mkdir } from 'node:fs/promises';
import type { Kube } from '../../ports/kube.ts';
import { POD } from '../../ports/resources.ts';
import type { Log } from '../../ports/system.ts';
import type { InstancePaths } from '../plane/paths.ts';
import { ContainerRun, type ContainerHome } from './container.ts';
import { containerEnvironment, type Sources } from './environment.ts';
import { openLogFile, removeLogs } from './logs.ts';
import { PodFiles } from './pod-files.ts';
import { podText, type Container, type ContainerStatus, type Pod, type PodStatus } from './pod-spec.ts';
import { podStatus } from './pod-status.ts';
import { containerRoot, linkMounts } from './volumes.ts';

/** What all Pods of one node share. */
export interface NodeGround {
  readonly paths: InstancePaths;
  /** Where processes run, and what `node` means there. */
  readonly projectRoot: string;
  readonly node: string;
  readonly kube: Kube;
  readonly log: Log;
  readonly images: readonly string[];
  readonly apiserverPort: number;
  readonly proxyUrl: (namespace: string) => string;
  readonly sources: (namespace: string) => Sources;
}

const refreshEveryMs = 10_000;
const statusRetryMs = 1_000;
const statusTriesMax = 30;
const defaultGraceSeconds = 30;
/** From the host: what reaching the outside world over TLS may need. */
const inherited = ['HTTPS_PROXY', 'https_proxy', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'TZ'];

export class PodRun {
  readonly podIP: string;
  readonly #ground: NodeGround;
  readonly #folder: string;
  readonly #files: PodFiles;
  readonly #startTime: string;
  readonly #inits: readonly ContainerRun[];
  readonly #mains: readonly ContainerRun[];
  #pod: Pod;
  #initialized = false;
  #ending = false;
  #running: Promise<void> = Promise.resolve();
  #refusal: string | undefined;
  #refresher: NodeJS.Timeout | undefined;
  #written = '';
  #writing: Promise<void> | undefined;
  #dirty = false;

  constructor(pod: Pod, podIP: string, ground: NodeGround) {
    this.#pod = pod;
    this.podIP = podIP;
    this.#ground = ground;
    this.#folder = join(ground.paths.pods, pod.metadata.uid);
    this.#startTime = pod.status?.startTime ?? new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    const sources = ground.sources(pod.metadata.namespace);
    this.#files = new PodFiles({ kube: ground.kube, folder: this.#folder, podIP, sources });
    const policy = pod.spec.restartPolicy ?? 'Always';
    const make = (past: readonly ContainerStatus[] | undefined, again: typeof policy) => (container: Container) =>
      new ContainerRun(
        container,
        this.#home(),
        again,
        past?.find((status) => status.name === container.name),
      );
    const initPolicy = policy === 'Never' ? 'Never' : 'OnFailure';
    this.#inits = (pod.spec.initContainers ?? []).map(make(pod.status?.initContainerStatuses, initPolicy));
    this.#mains = pod.spec.containers.map(make(pod.status?.containerStatuses, policy));
    this.#refusal = this.#foreignImage();
  }

  get pod(): Pod {
    return this.#pod;
  }

  get pids(): readonly number[] {
    return [...this.#inits, ...this.#mains].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** Computed now, which may be ahead of what the API server has. */
  get status(): PodStatus {
    const refused = this.#refusal;
    const containers = this.#mains.map((main) => main.status());
    return podStatus(
      this.#pod,
      {
        podIP: this.podIP,
        startTime: this.#startTime,
        containers:
          refused === undefined
            ? containers
            : containers.map((status) => ({
                ...status,
                state: { waiting: { reason: 'ImageNotAvailable', message: refused } },
              })),
        initContainers: this.#inits.map((init) => init.status()),
        initialized: this.#initialized,
      },
      new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    );
  }

  /** Starts the containers; returns at once. */
  start(): void {
    this.#statusChanged();
    if (this.#refusal !== undefined) return;
    this.#running = this.#runAll().catch((error: Error) =>
      this.#ground.log.error('a Pod could not be run', { pod: podText(this.#pod), error: error.message }),
    );
  }

  update(pod: Pod): void {
    this.#pod = pod;
  }

  /** A ConfigMap or Secret of the namespace changed. */
  sourcesChanged(): void {
    if (this.#refresher === undefined) return;
    this.#files
      .refresh(this.#pod)
      .catch((error: Error) =>
        this.#ground.log.warn('volumes could not be refreshed', { pod: podText(this.#pod), error: error.message }),
      );
  }

  /** SIGKILL to the first running container, as a fault. */
  kill(): { readonly pid: number; readonly container: string } | undefined {
    for (const run of this.#mains) {
      const pid = run.kill();
      if (pid !== undefined) return { pid, container: run.container.name };
    }
    return undefined;
  }

  /** Ends every container; at most `graceSecondsMax` long where given. Resolves when no process is left. */
  async terminate(graceSecondsMax = Infinity): Promise<void> {
    this.#ending = true;
    const { metadata, spec } = this.#pod;
    const asked = metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? defaultGraceSeconds;
    const graceMs = Math.min(asked, graceSecondsMax) * 1000;
    await Promise.all([...this.#inits, ...this.#mains].map((run) => run.stop(graceMs)));
    await this.#running;
    clearInterval(this.#refresher);
    this.#refresher = undefined;
  }

  /** Resolves when the status of this instant is at the API server, or has been given up. */
  async written(): Promise<void> {
    await this.#writing;
  }

  /** After `terminate`: the files are gone. */
  async remove(): Promise<void> {
    await this.#files.remove();
    await removeLogs(this.#ground.paths, this.#pod);
  }

  async #runAll(): Promise<void> {
    for (const init of this.#inits) {
      await init.run();
      if (this.#ending || init.exitCode !== 0) return;
    }
    this.#initialized = true;
    this.#statusChanged();
    this.#refresher = setInterval(() => this.sourcesChanged(), refreshEveryMs);
    await Promise.all(this.#mains.map((main) => main.run()));
    clearInterval(this.#refresher);
    this.#refresher = undefined;
  }

  #home(): ContainerHome {
    const { paths, projectRoot, node } = this.#ground;
    return {
      instanceRoot: paths.root,
      cwd: projectRoot,
      node,
      podIP: this.podIP,
      prepare: (container) => this.#prepare(container),
      logFile: (container) => openLogFile(paths, this.#pod, container.name),
      changed: () => this.#statusChanged(),
    };
  }

  async #prepare(container: Container): Promise<Record<string, string>> {
    await this.#files.refresh(this.#pod);
    await linkMounts(this.#folder, container);
    const temporary = join(this.#folder, 'tmp');
    await mkdir(temporary, { recursive: true, mode: 0o700 });
    const { projectRoot, apiserverPort, proxyUrl, sources } = this.#ground;
    const { namespace, name } = this.#pod.metadata;
    const proxy = proxyUrl(namespace);
    const loopback = '127.0.0.0/8,127.0.0.1-127.255.255.254,127.0.0.1,localhost';
    const outside = inherited.flatMap((key) => (process.env[key] === undefined ? [] : [[key, process.env[key]]]));
    const base: Record<string, string> = {
      ...(Object.fromEntries(outside) as Record<string, string>),
      PATH: `${join(projectRoot, 'node_modules', '.bin')}:${process.env['PATH'] ?? '/usr/bin:/bin'}`,
      HOME: temporary,
      TMPDIR: temporary,
      HOSTNAME: name,
      LANG: 'C.UTF-8',
      SIGNALBOX_ROOT: containerRoot(this.#folder, container.name),
      SIGNALBOX_POD_IP: this.podIP,
      KUBERNETES_SERVICE_HOST: '127.0.0.1',
      KUBERNETES_SERVICE_PORT: String(apiserverPort),
      KUBERNETES_SERVICE_PORT_HTTPS: String(apiserverPort),
      HTTP_PROXY: proxy,
      http_proxy: proxy,
      NO_PROXY: loopback,
      no_proxy: loopback,
      NODE_USE_ENV_PROXY: '1',
    };
    return containerEnvironment(this.#pod, container, sources(namespace), base);
  }

  #foreignImage(): string | undefined {
    const { images } = this.#ground;
    const names = [...this.#inits, ...this.#mains].map(({ container }) => container.image);
    const foreign = names.find((image) => !images.includes(bareImage(image)));
    if (foreign === undefined) return undefined;
    return `the local node has no image "${foreign}"; it runs ${images.join(', ')} (any tag) as processes of this project`;
  }

  #statusChanged(): void {
    this.#dirty = true;
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
  }

  async #write(): Promise<void> {
    for (let tries = 0; this.#dirty && tries < statusTriesMax;) {
      this.#dirty = false;
      const { status } = this;
      const text = JSON.stringify({
        ...status,
        conditions: status.conditions?.map((c) => [c.type, c.status, c.message]),
      });
      if (text === this.#written) continue;
      try {
        const { namespace, name, uid } = this.#pod.metadata;
        const patch = { metadata: { uid }, status: { hostIP: '127.0.0.1', podIPs: [{ ip: this.podIP }], ...status } };
        this.#pod = await this.#ground.kube.mergePatch<Pod>(POD, { namespace, name }, patch, 'status');
        this.#written = text;
      } catch (error) {
        tries += 1;
        this.#dirty = true;
        this.#ground.log.warn('a Pod status could not be written', {
          pod: podText(this.#pod),
          error: error instanceof Error ? error.message : String(error),
        });
        if (isGone(error)) return;
        await sleep(statusRetryMs);
      }
    }
  }
}

/** The Pod was deleted, or another one has its name. */
function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'NOT_FOUND' || error.code === 'KUBE_CONFLICT');
}

/** `registry/name` without tag and digest. */
export function bareImage(image: string): string {
  const [withoutDigest = ''] = image.split('@');
  return withoutDigest.replace(/:[^/:]*$/, '');
}
