// Owns: a real control plane with its operator, which is armed, dies, and is started again; a real engine beside it.
import type { ChildProcess } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { connectNats, natsBusAdmin, type NatsBus } from '../../adapters/nats/nats.ts';
import type { EngineReply } from '../../api/messages/asks.ts';
import type { HistoryEvent } from '../../api/messages/history.ts';
import { buckets, engineSubject, type EngineVerb } from '../../api/messages/subjects.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import type { BusAdmin, Bucket } from '../../ports/bus.ts';
import type { ServerName } from '../../local/contract.ts';
import { startProcess } from '../support/gateway-stage.ts';
import { admit, get, type Told } from '../support/kubectl.ts';
import { startOperator, type TestOperator } from '../support/operator.ts';
import { startPlane, type TestPlane } from '../support/plane.ts';
import { until } from '../support/until.ts';

/** kill: the operator dies there. nats, apiserver: it is held there while that server dies and comes back. */
export type PlaneFault = 'kill' | 'nats' | 'apiserver';

const partitions = 4;
const REACHED_MS = 60_000;
const AGAIN_MS = 500;
const PATIENCE_MS = 90_000;

export class PlaneStage {
  readonly admin: BusAdmin;
  readonly catalog: Bucket<unknown>;
  readonly #plane: TestPlane;
  readonly #operator: TestOperator;
  readonly #buses: readonly [control: NatsBus, work: NatsBus];
  readonly #processes: Set<ChildProcess>;
  readonly #patienceMs: number;
  #starts = 0;

  private constructor(of: {
    plane: TestPlane;
    operator: TestOperator;
    buses: readonly [NatsBus, NatsBus];
    catalog: Bucket<unknown>;
    processes: Set<ChildProcess>;
    patienceMs: number;
  }) {
    this.#plane = of.plane;
    this.#operator = of.operator;
    this.#buses = of.buses;
    this.#processes = of.processes;
    this.catalog = of.catalog;
    this.#patienceMs = of.patienceMs;
    this.admin = natsBusAdmin({ control: of.buses[0], work: of.buses[1] });
  }

  static async start(patienceMs = PATIENCE_MS): Promise<PlaneStage> {
    const plane = await startPlane({ crds: true, controllerManager: true });
    const processes = new Set<ChildProcess>();
    const operator = await startOperator(plane, true);
    await admit(plane, 'ann', 'bob', 'eve');
    const { natsUrl: url, users } = plane.nats;
    await startProcess('dist/engine.mjs', processes, {
      SIGNALBOX_NATS_URL: url,
      SIGNALBOX_NATS_CONTROL_USER: users.engine.user,
      SIGNALBOX_NATS_CONTROL_PASSWORD: users.engine.password,
      SIGNALBOX_NATS_WORK_USER: users['engine-work'].user,
      SIGNALBOX_NATS_WORK_PASSWORD: users['engine-work'].password,
      SIGNALBOX_PARTITIONS: String(partitions),
      SIGNALBOX_HTTP_PORT: '0',
      POD_NAME: 'engine-0',
    });
    const control = await connectNats({ url, ...users.operator, name: 'sweep' });
    const work = await connectNats({ url, ...users['operator-work'], name: 'sweep' });
    const catalog = await control.bucket(buckets.catalog);
    return new PlaneStage({ plane, operator, buses: [control, work], catalog, processes, patienceMs });
  }

  async stop(): Promise<void> {
    this.#starts += 1;
    await Promise.allSettled(this.#buses.map((bus) => bus.close()));
    for (const child of this.#processes) child.kill('SIGKILL');
    await this.#operator.stop();
    await this.#plane.stop();
  }

  /** What the operator said, newest last. */
  lines(): readonly string[] {
    return this.#operator.lines;
  }

  /** An armed operator takes the place of the one that runs; as `stage.ts` says. */
  async arm(at: readonly string[], fault: PlaneFault): Promise<{ readonly taken: Promise<void> }> {
    const held = `${this.#plane.servers.paths.root}/held`;
    this.#starts += 1;
    await this.#operator.kill();
    // Streams in memory are gone: a start that is cut off leaves them missing.
    if (at[0] === 'operator.streams.made') await this.#crash('nats-server');
    const mode = fault === 'kill' ? '' : `:hold=${held}`;
    const armings = at.map((moment, index) => `${moment}${index + 1 === at.length ? mode : ''}`);
    await this.#start(armings[0]);
    const taken = this.#take(armings, { fault, held });
    taken.catch(() => undefined);
    return { taken };
  }

  async #take(armings: readonly string[], { fault, held }: { fault: PlaneFault; held: string }): Promise<void> {
    const killed = fault === 'kill' ? armings : armings.slice(0, -1);
    for (const [index, arming] of killed.entries()) {
      await this.#said(`failpoint ${arming}: reached`);
      await this.#operator.ended();
      await this.#start(armings[index + 1]);
    }
    if (fault === 'kill') return;
    await until('the operator is held', async () => (existsSync(held) ? true : undefined), REACHED_MS);
    try {
      await this.#crash(fault === 'nats' ? 'nats-server' : 'kube-apiserver');
    } finally {
      rmSync(held, { force: true });
      this.#startAgain();
    }
  }

  /** One that could not renew its lease has lost it and ends, as it must; its Deployment would start it again, and again. */
  #startAgain(): void {
    const starts = this.#starts;
    void this.#operator.ended().then(async () => {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      if (this.#starts !== starts) return;
      // That it is not ready in time is found by whoever waits for what it does.
      this.#start(undefined).catch(() => undefined);
      this.#startAgain();
    });
  }

  /** SIGKILL; it is back when this resolves. */
  async kill(victim: 'operator' | ServerName): Promise<void> {
    this.#startAgain();
    if (victim !== 'operator') return this.#crash(victim);
    this.#starts += 1;
    await this.#operator.kill();
    const started = this.#start(undefined);
    this.#startAgain();
    await started;
  }

  async #crash(server: ServerName): Promise<void> {
    const pid = this.#plane.servers.kill(server);
    if (pid === undefined) throw new Error(`${server} does not run`);
    await until(
      `${server} is back`,
      async () => {
        const status = this.#plane.servers.servers().find(({ name }) => name === server);
        return status?.pid !== undefined && status.pid !== pid && status.state === 'running' ? true : undefined;
      },
      REACHED_MS,
    );
  }

  #start(arming: string | undefined): Promise<void> {
    this.#starts += 1;
    return this.#operator.start(arming === undefined ? {} : { SIGNALBOX_FAILPOINT: arming });
  }

  async #said(words: string): Promise<void> {
    const { lines } = this.#operator;
    await until(`the operator says "${words}"`, async () => (lines.includes(words) ? true : undefined), REACHED_MS);
  }

  /** Until the API server and the webhook take it. */
  async apply(objects: readonly object[], as?: string): Promise<void> {
    const text = objects.map((one) => JSON.stringify(one)).join('\n---\n');
    const args = [...(as === undefined ? [] : ['--as', as]), 'apply', '-f', '-'];
    await until('it is applied', async () => (await this.#plane.kubectl(args, text), true), this.#patienceMs);
  }

  /** Resolves when they are gone, finalizers and all. */
  async remove(objects: readonly object[]): Promise<void> {
    const text = objects.map((one) => JSON.stringify(one)).join('\n---\n');
    const args = ['delete', '--ignore-not-found', '--timeout=30s', '-f', '-'];
    await until('it is deleted', async () => (await this.#plane.kubectl(args, text), true), this.#patienceMs);
  }

  get(namespace: string, what: string): Promise<Told | undefined> {
    return get(this.#plane, namespace, what);
  }

  /** Names of everything of these kinds. */
  async names(namespace: string, kinds: string): Promise<readonly string[]> {
    const args = ['-n', namespace, 'get', kinds, '-o', 'name'];
    const text = await until('they are listed', () => this.#plane.kubectl(args), this.#patienceMs);
    return text.split('\n').filter((name) => name !== '');
  }

  wait<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    return until(what, look, this.#patienceMs);
  }

  async history(run: string): Promise<readonly HistoryEvent[]> {
    return (await this.#ask<{ readonly events: readonly HistoryEvent[] }>(run, 'history', { run })).events;
  }

  #ask<T>(run: string, verb: EngineVerb, payload: object): Promise<T> {
    const [control] = this.#buses;
    const subject = engineSubject(partitionOf(run, partitions), verb);
    return this.wait(`the engine answers ${verb}`, async () => {
      const reply = await control.request<EngineReply<T>>(subject, payload, 2_000);
      if (!reply.ok) throw new Error(`${reply.code}: ${reply.message}`);
      return reply.result;
    });
  }
}
