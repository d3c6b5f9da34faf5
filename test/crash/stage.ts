// Owns: engine, gateway, worker and nats-server of one lane, of which one at a time is armed, dies, and is started again.
import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GatewayProcess } from '../support/gateway-stage.ts';
import { type RunStage, startRunStage } from '../support/run-stage.ts';
import { until } from '../support/until.ts';
import { contentFor, policies, rulesOf, workflows } from './content.ts';
import { type Acted, Recording } from './recording.ts';
import { type Sink, startSink } from './sink.ts';

export const owners = ['engine', 'gateway', 'worker'] as const;
export type Owner = (typeof owners)[number];
/**
 * kill: the process dies there. nats: it is held there while nats-server dies and comes back. pause: it stands still for longer
 * than its lease, with another engine beside it.
 */
export type Fault = 'kill' | 'nats' | 'pause';

export interface Arming {
  readonly owner: Owner;
  /** `moment[@n]`: the fault is taken at the last of them; the process is killed at each one before. */
  readonly at: readonly string[];
  readonly fault: Fault;
}

const PAUSE_MS = 8_000;
const REACHED_MS = 60_000;

/** A run of a few steps meets a checkpoint. */
const checkpointsOften = { SIGNALBOX_CHECKPOINT_RECORDS: '2' };

export class CrashStage {
  readonly runs: RunStage;
  readonly sink: Sink;
  readonly recording: Recording;
  readonly #folder: string;
  readonly #running = new Map<Owner, GatewayProcess>();
  #workers = 0;
  #unfollow: () => void = () => undefined;

  private constructor(of: { runs: RunStage; sink: Sink; recording: Recording; folder: string }) {
    this.runs = of.runs;
    this.sink = of.sink;
    this.recording = of.recording;
    this.#folder = of.folder;
  }

  static async start(): Promise<CrashStage> {
    let hear: (acted: Acted) => void = () => undefined;
    const sink = await startSink((acted) => hear(acted));
    const runs = await startRunStage(contentFor(sink.url), workflows, { built: true, policies });
    const recording = new Recording(1, rulesOf(runs.bundle.digest));
    hear = (acted) => recording.acted(acted);
    const folder = await mkdtemp(join(tmpdir(), 'signalbox-crash-'));
    const stage = new CrashStage({ runs, sink, recording, folder });
    stage.#unfollow = recording.follow(runs.control);
    await Promise.all(owners.map((owner) => stage.#start(owner)));
    return stage;
  }

  async stop(): Promise<void> {
    this.#unfollow();
    await this.runs.stop();
    await this.sink.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Puts an armed process in the place of the one that runs. The promise inside resolves once the fault was taken and is over. */
  async arm(arming: Arming): Promise<{ readonly taken: Promise<void> }> {
    const { owner, at, fault } = arming;
    const held = join(this.#folder, 'held');
    const mode = { kill: '', nats: `:hold=${held}`, pause: `:pause=${PAUSE_MS}` }[fault];
    await this.#running.get(owner)?.kill();
    const armed = await this.#start(owner, { SIGNALBOX_FAILPOINT: `${at[0]}${at.length === 1 ? mode : ''}` });
    const taking = this.#take(arming, armed, { held, mode }).then(() => {
      this.recording.note({ kind: 'Faulted', fault: `${fault} ${at.join(' then ')}` });
      this.recording.note({ kind: 'Recovered', after: fault });
    });
    taking.catch(() => undefined);
    return { taken: taking };
  }

  async #take(
    { owner, at, fault }: Arming,
    first: GatewayProcess,
    { held, mode }: { held: string; mode: string },
  ): Promise<void> {
    let armed = first;
    for (const [index] of at.slice(1).entries()) {
      await reached(armed);
      await armed.ended;
      const last = index + 2 === at.length;
      armed = await this.#start(owner, { SIGNALBOX_FAILPOINT: `${at[index + 1]}${last ? mode : ''}` });
    }
    if (fault === 'kill') await this.#died(owner, armed);
    else if (fault === 'nats') await this.#crashNats(armed, held);
    else await this.#paused(armed);
  }

  async #start(owner: Owner, environment: Readonly<Record<string, string>> = {}): Promise<GatewayProcess> {
    const started = await {
      engine: () => this.runs.startEngine({ ...checkpointsOften, ...environment }),
      gateway: () => this.runs.startGateway(environment),
      worker: () => this.runs.startWorker(`worker-${(this.#workers += 1)}`, environment),
    }[owner]();
    this.#running.set(owner, started);
    return started;
  }

  async #died(owner: Owner, armed: GatewayProcess): Promise<void> {
    await reached(armed);
    await armed.ended;
    await this.#start(owner);
  }

  async #crashNats(armed: GatewayProcess, held: string): Promise<void> {
    await reached(armed);
    await until('it is held', async () => (existsSync(held) ? true : undefined), REACHED_MS);
    try {
      await this.runs.nats.crash();
    } finally {
      rmSync(held, { force: true });
    }
  }

  /** The other engine has to take over meanwhile, or nothing was tried. */
  async #paused(armed: GatewayProcess): Promise<void> {
    const standby = await this.runs.startEngine({ ...checkpointsOften, POD_NAME: 'engine-1' });
    try {
      await reached(armed);
      await said(standby, 'serving a partition');
      await said(armed, ': over\n');
    } finally {
      await standby.kill();
    }
  }
}

/** Rejects when the process never passed the moment it is armed for. */
async function reached(armed: GatewayProcess): Promise<void> {
  await said(armed, ': reached\n');
}

async function said(by: GatewayProcess, words: string): Promise<void> {
  await until(`it says "${words.trim()}"`, async () => (by.log().includes(words) ? true : undefined), REACHED_MS);
}
