// Owns: cutting the power of the disk under nats-server again and again while runs are in flight, and looking after each cut for
// every fact that was acknowledged. The server is stopped in the middle of whatever it does, the disk is shut down without its
// log being written, the server is killed, and all of it comes back from what is on the disk.
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { EngineStage, type EngineProcess } from '../support/engine-stage.ts';
import { startNats, type TestNats } from '../support/nats.ts';
import { until } from '../support/until.ts';
import { Load } from './load.ts';
import { LoopDisk } from './loop-disk.ts';
import { type Fact, type FactKind, Recorder } from './recorder.ts';
import { commitRecords, look, missingJournals } from './told.ts';

export interface PowercutOptions {
  readonly cuts: number;
  /** `2m` is the server's default, which must lose; see `expectLoss`. */
  readonly sync: 'always' | '2m';
  /** Shows that the check can fail. */
  readonly expectLoss: boolean;
  readonly inFlight?: number;
  readonly say: (line: string) => void;
}

export interface PowercutResult {
  readonly cuts: number;
  readonly acknowledged: number;
  readonly acknowledgedLost: number;
  readonly kinds: Readonly<Partial<Record<FactKind, number>>>;
  readonly lost: readonly Fact[];
  /** Everything else that is wrong: broken histories, runs that did not end, and what makes the check vacuous. */
  readonly problems: readonly string[];
  readonly records: number;
  readonly sharedRecords: number;
}

/** Fewer acknowledgements between two cuts prove nothing. */
const acknowledgedMin = 150;
const workWithinMs = 60_000;
/** Written without fsync before each cut: when it survives, the power was not cut. */
const canary = 'written, not synced';

export async function powercut(options: PowercutOptions): Promise<PowercutResult> {
  const disk = await LoopDisk.make(4_096);
  const recorder = new Recorder();
  let campaign: Campaign | undefined;
  try {
    const nats = await startNats({ sync: options.sync, store: join(disk.path, 'store') });
    const stage = await EngineStage.start({ nats, journalBytesMax: 1_000_000_000 });
    const load = new Load({ stage, recorder, inFlight: options.inFlight ?? 48 });
    campaign = new Campaign({ options, disk, nats, stage, load, recorder });
    return await campaign.run();
  } finally {
    await campaign?.stop();
    recorder.remove();
    await disk.remove();
  }
}

interface Parts {
  readonly options: PowercutOptions;
  readonly disk: LoopDisk;
  readonly nats: TestNats;
  readonly stage: EngineStage;
  readonly load: Load;
  readonly recorder: Recorder;
}

class Campaign {
  readonly #parts: Parts;
  readonly #lost: Fact[] = [];
  readonly #problems: string[] = [];
  #engine: EngineProcess | undefined;
  #engines = 0;
  #cuts = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async run(): Promise<PowercutResult> {
    const { options, load, recorder, stage, disk } = this.#parts;
    this.#startEngine();
    await load.start();
    if (options.expectLoss) {
      // The streams and their beginning are on the disk: what is missing later are facts, not everything.
      await this.#work(recorder.total);
      await disk.flush();
    }
    while (this.#cuts < options.cuts && this.#lost.length === 0) {
      const before = recorder.total;
      await this.#work(before);
      // Every other time the engine is on the machine that loses its power.
      await this.#cut(this.#cuts % 2 === 1);
      load.pause();
      await this.#lookAt(recorder.takeFresh());
      load.resume();
      const { total } = recorder;
      options.say(
        `cut ${this.#cuts}: ${total} acknowledged (${total - before} since the last), ${this.#lost.length} lost`,
      );
    }
    if (this.#lost.length === 0) await this.#finish();
    const { records, shared } = this.#lost.length === 0 ? await commitRecords(stage) : { records: 0, shared: 0 };
    if (this.#lost.length === 0 && shared === 0) this.#problems.push('vacuous: no commit record carried several runs');
    return {
      cuts: this.#cuts,
      acknowledged: recorder.total,
      acknowledgedLost: this.#lost.length,
      kinds: Object.fromEntries(recorder.counts),
      lost: this.#lost,
      problems: this.#problems,
      records,
      sharedRecords: shared,
    };
  }

  async stop(): Promise<void> {
    this.#parts.load.abandon();
    await this.#parts.stage.stop();
  }

  #startEngine(): void {
    const environment = this.#parts.options.sync === 'always' ? {} : { SIGNALBOX_NATS_MONITOR_URL: undefined };
    this.#engine = this.#parts.stage.engineProcess(`engine-${(this.#engines += 1)}`, environment);
  }

  async #work(before: number): Promise<void> {
    const { recorder, load } = this.#parts;
    const failures = load.failures.length;
    const enough = async () => (recorder.total - before >= acknowledgedMin ? true : undefined);
    try {
      await until(`${acknowledgedMin} acknowledgements`, enough, workWithinMs);
    } catch {
      const got = recorder.total - before;
      this.#problems.push(`vacuous: ${got} acknowledgements within ${workWithinMs} ms before cut ${this.#cuts + 1}`);
      this.#problems.push(...load.failures.slice(failures, failures + 5));
    }
    // Not always at the same point of what goes round.
    await pause(Math.random() * 200);
  }

  async #cut(withEngine: boolean): Promise<void> {
    const { disk, nats } = this.#parts;
    // A new file each time: ext4 writes out at once what replaces the content of an old one.
    const file = join(disk.path, `canary-${this.#cuts + 1}`);
    await writeFile(file, canary);
    const pid = nats.pid();
    if (pid === undefined) throw new Error('nats-server does not run');
    process.kill(pid, 'SIGSTOP');
    await disk.cutPower();
    await nats.kill();
    if (withEngine) await this.#engine?.kill();
    await disk.unmount();
    await disk.mount();
    if (existsSync(file) && readFileSync(file, 'utf8') === canary) {
      this.#problems.push(`vacuous: what was not synced survived cut ${this.#cuts + 1}`);
    }
    await nats.start();
    if (withEngine) this.#startEngine();
    this.#cuts += 1;
  }

  async #lookAt(runs: readonly string[], delivered = false): Promise<void> {
    const { stage, recorder } = this.#parts;
    const missing = await missingJournals(stage);
    if (missing.length > 0) {
      this.#problems.push(`the journals of partitions ${missing.join(', ')} are gone`);
      this.#lost.push(...runs.flatMap((run) => recorder.facts(run)));
      return;
    }
    const { lost, broken, refused } = await look(stage, recorder, runs, delivered);
    this.#lost.push(...lost);
    this.#problems.push(...broken, ...refused.slice(0, 5));
    if (refused.length > 0) this.#problems.push(`the engine said: ${this.#engine?.log().slice(-4_000) ?? ''}`);
  }

  /** What was under way ends, and everything that was ever acknowledged is looked for once more. */
  async #finish(): Promise<void> {
    const { load, recorder, options } = this.#parts;
    await load.finish();
    this.#problems.push(...load.failures);
    options.say(`${load.ended} runs ended; looking once more for everything`);
    await this.#lookAt(recorder.runs, true);
    if (load.ended === 0) this.#problems.push('vacuous: no run ended');
  }
}
