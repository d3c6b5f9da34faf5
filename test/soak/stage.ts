// Owns: the processes of the soak, each of which may be killed or stopped at any moment and comes back.
import { contentFor, policies, rulesOf, workflows } from '../crash/content.ts';
import { type Acted, Recording } from '../crash/recording.ts';
import type { Played } from '../crash/played.ts';
import { type Sink, startSink } from '../crash/sink.ts';
import type { GatewayProcess } from '../support/gateway-stage.ts';
import { type RunStage, startRunStage } from '../support/run-stage.ts';

export const victims = ['engine-0', 'engine-1', 'gateway', 'worker-0', 'worker-1', 'nats-server'] as const;
export type Victim = (typeof victims)[number];

const partitions = 2;
/** Faults may follow each other: an engine that is killed while the other one stands still. */
const PATIENCE_MS = 60_000;
/** Longer than a lease: another engine takes over meanwhile. */
const STOP_MS = 5_000;

export class SoakStage implements Played {
  readonly runs: RunStage;
  readonly sink: Sink;
  readonly recording: Recording;
  readonly #running = new Map<Victim, GatewayProcess>();

  private constructor(runs: RunStage, sink: Sink, recording: Recording) {
    this.runs = runs;
    this.sink = sink;
    this.recording = recording;
  }

  static async start(): Promise<SoakStage> {
    let hear: (acted: Acted) => void = () => undefined;
    const sink = await startSink((acted) => hear(acted));
    const runs = await startRunStage(contentFor(sink.url), workflows, {
      built: true,
      policies,
      partitions,
      patienceMs: PATIENCE_MS,
    });
    const recording = new Recording(partitions, rulesOf(runs.bundle.digest));
    hear = (acted) => recording.acted(acted);
    const stage = new SoakStage(runs, sink, recording);
    for (const victim of victims) await stage.#start(victim);
    return stage;
  }

  async stop(): Promise<void> {
    await this.runs.stop();
    await this.sink.stop();
  }

  /** SIGKILL, and after a while another process in its place. */
  async kill(victim: Victim, downMs: number): Promise<void> {
    if (victim === 'nats-server') await this.runs.nats.kill();
    else await this.#running.get(victim)?.kill();
    this.recording.note({ kind: 'Faulted', fault: `kill ${victim}` });
    await new Promise((resolve) => setTimeout(resolve, downMs));
    await (victim === 'nats-server' ? this.runs.nats.start() : this.#start(victim));
    this.recording.note({ kind: 'Recovered', after: `kill ${victim}` });
  }

  /** It stands still past its lease, then goes on as if nothing had been. */
  async pause(victim: Exclude<Victim, 'nats-server'>): Promise<void> {
    const pid = this.#running.get(victim)?.pid;
    if (pid === undefined) return;
    process.kill(pid, 'SIGSTOP');
    this.recording.note({ kind: 'Faulted', fault: `pause ${victim}` });
    await new Promise((resolve) => setTimeout(resolve, STOP_MS));
    process.kill(pid, 'SIGCONT');
    this.recording.note({ kind: 'Recovered', after: `pause ${victim}` });
  }

  async #start(victim: Victim): Promise<void> {
    switch (victim) {
      case 'nats-server':
        return;
      case 'engine-0':
      case 'engine-1':
        this.#running.set(victim, await this.runs.startEngine({ POD_NAME: victim }));
        return;
      case 'gateway':
        this.#running.set(victim, await this.runs.startGateway());
        return;
      case 'worker-0':
      case 'worker-1':
        this.#running.set(victim, await this.runs.startWorker(victim));
    }
  }
}
