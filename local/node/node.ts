// Owns: the local node: it binds Pods to itself, runs each as a PodRun, and takes deleted ones down. Level-based: every
// change of a Pod leads to the same question, "what should run for it now?".
import type { Server } from 'node:http';
import { rm, mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Informer, Informers, StoreChange } from '../../ports/cache.ts';
import type { Kube, ObjectKey } from '../../ports/kube.ts';
import { CONFIG_MAP, POD, SECRET, SERVICE } from '../../ports/resources.ts';
import type { Log } from '../../ports/system.ts';
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type { Killed, PodStatusLine } from '../contract.ts';
import { residentMiB } from '../plane/identity.ts';
import type { InstancePaths } from '../plane/paths.ts';
import { claimPort, nodeAddress, PodAddresses } from './addresses.ts';
import { decodeConfigMap, decodeSecret, type Sources } from './environment.ts';
import { startKubeletDoor } from './kubelet-door.ts';
import { nodeName, registerNode, renewNodeLease } from './node-object.ts';
import { PodRun, type NodeGround } from './pod-run.ts';
import { podText, type KeyedValues, type Pod, type PodStatus } from './pod-spec.ts';
import { lostStatus } from './pod-status.ts';
import { startServiceProxy } from './service-proxy.ts';
import { backendOf, parseServiceHost, type Backend, type Service } from './services.ts';

export interface NodeOptions {
  readonly paths: InstancePaths;
  readonly projectRoot: string;
  readonly node: string;
  readonly version: string;
  readonly kube: Kube;
  readonly informers: Informers;
  readonly log: Log;
  readonly images: readonly string[];
  readonly apiserverPort: number;
  readonly podNetwork: number;
}

const leaseEveryMs = 10_000;
const bindRetryMs = 1_000;
const deleteRetryMs = 1_000;
const stopGraceSeconds = 5;
const syncTimeoutMs = 10_000;
const syncPollMs = 20;
const agentLabel = 'signalbox.dev/agent';
const roleLabel = 'app.kubernetes.io/component';

export class LocalNode {
  readonly #options: NodeOptions;
  readonly #pods: Informer<Pod>;
  readonly #services: Informer<Service>;
  readonly #configMaps: Informer<KeyedValues>;
  readonly #secrets: Informer<KeyedValues>;
  readonly #addresses: PodAddresses;
  readonly #ground: NodeGround;
  readonly #runs = new Map<string, PodRun>();
  readonly #endings = new Map<string, Promise<void>>();
  readonly #binding = new Set<string>();
  readonly #over = new AbortController();
  readonly #doors: Server[] = [];
  #lease: NodeJS.Timeout | undefined;
  #turn = 0;

  constructor(options: NodeOptions) {
    this.#options = options;
    const { informers, podNetwork } = options;
    this.#pods = informers.of<Pod>(POD);
    this.#services = informers.of<Service>(SERVICE);
    this.#configMaps = informers.of<KeyedValues>(CONFIG_MAP);
    this.#secrets = informers.of<KeyedValues>(SECRET);
    this.#addresses = new PodAddresses(podNetwork);
    this.#ground = {
      ...options,
      // A password too: clients send no credentials that have only a name.
      proxyUrl: (namespace) => `http://${namespace}:pod@${nodeAddress(podNetwork)}:${claimPort}`,
      sources: (namespace) => this.#sources(namespace),
    };
  }

  /** Where the Service proxy listens, without a namespace (which means `default`). */
  get proxyUrl(): string {
    return `http://${nodeAddress(this.#options.podNetwork)}:${claimPort}`;
  }

  async start(): Promise<void> {
    const { kube, paths, podNetwork, version } = this.#options;
    const address = nodeAddress(podNetwork);
    this.#doors.push(
      await startServiceProxy(address, claimPort, (host, port, namespace) => this.#resolve(host, port, namespace)),
      await startKubeletDoor(address, paths),
    );
    // Folders of an earlier run of this node: its processes were reaped, its tokens are not to be left lying.
    await rm(paths.pods, { recursive: true, force: true });
    await mkdir(paths.pods, { recursive: true, mode: 0o700 });
    await registerNode(kube, version, address, new Date());
    await renewNodeLease(kube, new Date());
    this.#lease = setInterval(() => {
      renewNodeLease(kube, new Date()).catch((error: Error) =>
        this.#options.log.warn('the node lease could not be renewed', { error: error.message }),
      );
    }, leaseEveryMs);
    this.#pods.onChange((change) => this.#podChanged(change));
    for (const informer of [this.#configMaps, this.#secrets]) {
      informer.onChange((change) => this.#sourceChanged(change));
    }
    // Pods last: what they refer to is known when the first one starts.
    const sources = [this.#configMaps, this.#secrets, this.#services];
    for (const informer of sources) void informer.run(this.#over.signal);
    const deadline = Date.now() + syncTimeoutMs;
    while (!sources.every((informer) => informer.synced()) && Date.now() < deadline) await sleep(syncPollMs);
    void this.#pods.run(this.#over.signal);
  }

  /** Ends every process; the Pods stay in the API, so that the next start of the plane runs them again. */
  async stop(): Promise<void> {
    this.#over.abort();
    clearInterval(this.#lease);
    await Promise.all([...this.#runs.values()].map((run) => run.terminate(stopGraceSeconds)));
    await Promise.allSettled(this.#endings.values());
    for (const door of this.#doors) {
      door.closeAllConnections();
      door.close();
    }
  }

  pods(): readonly PodStatusLine[] {
    return [...this.#runs.values()].map((run) => podLine(run));
  }

  run(namespace: string, name: string): PodRun | undefined {
    return [...this.#runs.values()].find(
      ({ pod }) => pod.metadata.namespace === namespace && pod.metadata.name === name,
    );
  }

  /** SIGKILL to one container of a Pod with this role. */
  kill(role: string): Killed {
    for (const run of this.#runs.values()) {
      if (run.pod.metadata.labels?.[roleLabel] !== role) continue;
      const killed = run.kill();
      if (killed !== undefined) return { pid: killed.pid, what: `${podText(run.pod)}/${killed.container}` };
    }
    const roles = new Set(this.pods().map((pod) => pod.role));
    throw new SignalboxError(
      'NOT_FOUND',
      `No running Pod has the label ${roleLabel}=${role}; running are: ${[...roles].filter(Boolean).join(', ') || 'none'}.`,
    );
  }

  /** One ready Pod behind a Service. */
  backend(namespace: string, service: string, port: number | string | undefined): Backend {
    const found = this.#services.store.get({ namespace, name: service });
    if (found === undefined) return { refusal: `there is no Service ${namespace}/${service}` };
    this.#turn += 1;
    return backendOf(found, this.#pods.store.list(namespace), port, this.#turn);
  }

  #resolve(host: string, port: number, clientNamespace: string): Backend | undefined {
    const name = parseServiceHost(host, clientNamespace);
    if (name === undefined) return undefined;
    const exists = this.#services.store.get({ namespace: name.namespace, name: name.service }) !== undefined;
    return exists || name.certain ? this.backend(name.namespace, name.service, port) : undefined;
  }

  #sources(namespace: string): Sources {
    return {
      configMap: (name) => {
        const found = this.#configMaps.store.get({ namespace, name });
        return found === undefined ? undefined : decodeConfigMap(found);
      },
      secret: (name) => {
        const found = this.#secrets.store.get({ namespace, name });
        return found === undefined ? undefined : decodeSecret(found);
      },
    };
  }

  #sourceChanged(change: StoreChange<KeyedValues>): void {
    const namespace = (change.after ?? change.before)?.metadata.namespace;
    for (const run of this.#runs.values()) {
      if (run.pod.metadata.namespace === namespace) run.sourcesChanged();
    }
  }

  #podChanged({ before, after }: StoreChange<Pod>): void {
    const gone = before !== undefined && before.metadata.uid !== after?.metadata.uid ? before : undefined;
    if (gone !== undefined) this.#end(gone, false);
    if (after === undefined || this.#over.signal.aborted) return;
    const { nodeName: boundTo } = after.spec;
    if (boundTo === undefined || boundTo === '') {
      if (after.metadata.deletionTimestamp === undefined) void this.#bind(after);
    } else if (boundTo === nodeName) this.#converge(after);
  }

  #converge(pod: Pod): void {
    const { uid, deletionTimestamp } = pod.metadata;
    const run = this.#runs.get(uid);
    run?.update(pod);
    if (deletionTimestamp !== undefined) {
      this.#end(pod, true);
      return;
    }
    const finished = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    if (run !== undefined || finished) return;
    const lost = lostStatus(pod, new Date().toISOString().replace(/\.\d+Z$/, 'Z'));
    if (lost !== undefined) {
      void this.#fail(pod, lost);
      return;
    }
    const started = new PodRun(pod, this.#addresses.take(pod.status?.podIP), this.#ground);
    this.#runs.set(uid, started);
    started.start();
  }

  async #fail(pod: Pod, status: PodStatus): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    await this.#options.kube
      .mergePatch(POD, { namespace, name }, { metadata: { uid }, status }, 'status')
      .catch((error: Error) =>
        this.#options.log.warn('a lost Pod could not be marked', { pod: podText(pod), error: error.message }),
      );
  }

  /** Takes a Pod down once; `inApi`: it is still there, to be deleted for good when its processes have ended. */
  #end(pod: Pod, inApi: boolean): void {
    const { uid } = pod.metadata;
    if (this.#endings.has(uid)) {
      // Force deletion of a Pod that is still within its grace.
      if (!inApi) void this.#runs.get(uid)?.terminate(0);
      return;
    }
    const ending = this.#takeDown(pod, inApi)
      .catch((error: Error) =>
        this.#options.log.error('a Pod could not be taken down', { pod: podText(pod), error: error.message }),
      )
      .finally(() => this.#endings.delete(uid));
    this.#endings.set(uid, ending);
  }

  async #takeDown(pod: Pod, inApi: boolean): Promise<void> {
    const { uid, namespace, name } = pod.metadata;
    const run = this.#runs.get(uid);
    await run?.terminate(inApi ? Infinity : 0);
    await run?.written();
    if (inApi) await this.#deleteForGood({ namespace, name }, uid);
    await run?.remove();
    this.#runs.delete(uid);
    if (run !== undefined) this.#addresses.release(run.podIP);
  }

  /** Until it is gone: nobody else would try again. */
  async #deleteForGood(key: ObjectKey, uid: string): Promise<void> {
    while (!this.#over.signal.aborted) {
      try {
        await this.#options.kube.delete(POD, key, { uid, gracePeriodSeconds: 0 });
        return;
      } catch (error) {
        // Another Pod has the name: this one is gone.
        if (isSignalboxError(error, 'KUBE_CONFLICT')) return;
        this.#options.log.warn('a Pod could not be deleted yet', { pod: key, error: String(error) });
        await sleep(deleteRetryMs, undefined, { signal: this.#over.signal }).catch(() => undefined);
      }
    }
  }

  async #bind(pod: Pod): Promise<void> {
    const { uid, namespace, name } = pod.metadata;
    if (this.#binding.has(uid)) return;
    this.#binding.add(uid);
    try {
      await this.#options.kube.post(POD, { namespace, name }, 'binding', {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name, namespace, uid },
        target: { apiVersion: 'v1', kind: 'Node', name: nodeName },
      });
    } catch (error) {
      this.#options.log.warn('a Pod could not be bound', { pod: podText(pod), error: String(error) });
      setTimeout(() => {
        const now = this.#pods.store.get({ namespace, name });
        if (now !== undefined) this.#podChanged({ before: now, after: now, initial: false });
      }, bindRetryMs).unref();
    } finally {
      this.#binding.delete(uid);
    }
  }
}

function podLine(run: PodRun): PodStatusLine {
  const { metadata } = run.pod;
  const agent = metadata.labels?.[agentLabel];
  const status = run.status;
  const containers = status.containerStatuses ?? [];
  const waiting = containers.map(({ state }) => ('waiting' in state ? state.waiting : undefined)).find(Boolean);
  const [pid] = run.pids;
  const memory = run.pids.map((one) => residentMiB(one) ?? 0).reduce((sum, one) => sum + one, 0);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    role: metadata.labels?.[roleLabel] ?? '',
    ...(agent === undefined ? {} : { agent }),
    phase: metadata.deletionTimestamp === undefined ? (status.phase ?? 'Pending') : 'Terminating',
    ready: containers.length > 0 && containers.every((container) => container.ready),
    restarts: containers.reduce((sum, container) => sum + container.restartCount, 0),
    ip: run.podIP,
    ...(pid === undefined ? {} : { pid, rssMiB: memory }),
    ...(waiting === undefined
      ? {}
      : { reason: `${waiting.reason}${waiting.message === undefined ? '' : `: ${waiting.message}`}` }),
  };
}
