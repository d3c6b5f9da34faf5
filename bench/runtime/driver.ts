// Owns: the one driver: how each engine is measured, with the same work, in the same order.
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMsOf, load, memoryMiBOf } from './machine.ts';
import { type Arena, stepsOfRun } from './peer.ts';
import { until } from './spawned.ts';

export interface Sizes {
  readonly latencyRuns: number;
  readonly latencyWarm: number;
  readonly throughputRuns: number;
  readonly throughputWarm: number;
  readonly kills: number;
  readonly waitingRuns: number;
  /** When memory is looked at after the last start; the least of them counts. */
  readonly settleMs: readonly number[];
  /** No measurement of one kind takes longer: slow engines do fewer runs. */
  readonly partMsMax: number;
}

export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly runs: number;
}

export interface Throughput extends Latency {
  readonly perSecond: number;
  /** Server, worker and driver. */
  readonly cpuMsPerRun: number;
  readonly cpuMsOf: { readonly server: number; readonly worker: number; readonly driver: number };
  readonly durableWritesPerStep?: number;
}

export interface Recovery {
  /** From the kill to the end of the run, less the second that the interrupted step takes again. */
  readonly p50: number;
  readonly max: number;
  readonly kills: number;
}

export interface Waiting {
  readonly runs: number;
  readonly before: Memory;
  readonly after: Memory;
  readonly startsPerSecond: number;
}
export interface Memory {
  readonly server: number;
  readonly worker: number;
}

const slowStepMs = 1_000;
const killAfterMs = 300;
const startsInFlight = 100;

/** One run at a time. */
export async function latency(arena: Arena, sizes: Sizes): Promise<Latency> {
  const end = performance.now() + sizes.partMsMax;
  for (let run = 0; run < sizes.latencyWarm && performance.now() < end; run += 1) await arena.run(0);
  const took: number[] = [];
  while (took.length < sizes.latencyRuns && (performance.now() < end || took.length < 3)) {
    const started = performance.now();
    await arena.run(0);
    took.push(performance.now() - started);
  }
  return spread(took);
}

/** A closed loop: when one run ends the next begins. */
export async function throughput(arena: Arena, sizes: Sizes, inFlight: number): Promise<Throughput> {
  await loop(arena, { runs: sizes.throughputWarm, inFlight, msMax: sizes.partMsMax / 4 });
  const { server, worker } = arena.pids();
  const cpu = (): readonly number[] => [cpuMsOf(server), cpuMsOf(worker), driverCpuMs()];
  const [before, writes, started] = [cpu(), await arena.durableWrites?.(), performance.now()];
  const took = await loop(arena, { runs: sizes.throughputRuns, inFlight, msMax: sizes.partMsMax });
  const seconds = (performance.now() - started) / 1_000;
  const [ofServer = 0, ofWorker = 0, ofDriver = 0] = cpu().map((ms, at) => (ms - (before[at] ?? 0)) / took.length);
  const written = writes === undefined ? undefined : ((await arena.durableWrites?.()) ?? 0) - writes;
  return {
    ...spread(took),
    perSecond: took.length / seconds,
    cpuMsPerRun: ofServer + ofWorker + ofDriver,
    cpuMsOf: { server: ofServer, worker: ofWorker, driver: ofDriver },
    ...(written === undefined ? {} : { durableWritesPerStep: written / took.length / stepsOfRun }),
  };
}

async function loop(
  arena: Arena,
  { runs, inFlight, msMax }: { readonly runs: number; readonly inFlight: number; readonly msMax: number },
): Promise<readonly number[]> {
  const end = performance.now() + msMax;
  const took: number[] = [];
  let started = 0;
  const one = async (): Promise<void> => {
    while (started < runs && performance.now() < end) {
      started += 1;
      const at = performance.now();
      await arena.run(0);
      took.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, runs) }, one));
  return took;
}

/** The worker is killed in the third step, and another starts at once. */
export async function recovery(arena: Arena, sizes: Sizes): Promise<Recovery | undefined> {
  if (arena.replaceWorker === undefined) return undefined;
  const took: number[] = [];
  for (let kill = 0; kill < sizes.kills; kill += 1) {
    await arena.run(0);
    const running = arena.run(slowStepMs);
    await sleep(killAfterMs);
    const killed = performance.now();
    await Promise.all([running, arena.replaceWorker()]);
    took.push(performance.now() - killed - slowStepMs);
  }
  const { p50 } = spread(took);
  return { p50, max: Math.max(...took), kills: took.length };
}

/** Many runs that wait for an event which does not come. */
export async function waiting(arena: Arena, sizes: Sizes): Promise<Waiting | undefined> {
  const { startWaiting, waiting: count } = arena;
  if (startWaiting === undefined || count === undefined) return undefined;
  const memory = (): Memory => {
    const { server, worker } = arena.pids();
    return { server: memoryMiBOf(server), worker: memoryMiBOf(worker) };
  };
  const [before, began] = [memory(), performance.now()];
  const end = began + 2 * sizes.partMsMax;
  let started = 0;
  const one = async (): Promise<void> => {
    while (started < sizes.waitingRuns && performance.now() < end) {
      started += 1;
      await startWaiting();
    }
  };
  await Promise.all(Array.from({ length: startsInFlight }, one));
  const seconds = (performance.now() - began) / 1_000;
  await until('all runs to be open', async () => (await count()) >= started);
  const seen: Memory[] = [];
  let settled = 0;
  for (const ms of sizes.settleMs) {
    await sleep(ms - settled);
    settled = ms;
    seen.push(memory());
  }
  const after = seen.toSorted((left, right) => total(left) - total(right))[0] ?? memory();
  return { runs: started, before, after, startsPerSecond: started / seconds };
}

export const total = ({ server, worker }: Memory): number => server + worker;

/** Waits, within bounds, until others leave the machine alone; says what the load is then. */
export async function quiet(loadMax: number, waitMsMax: number): Promise<number> {
  const end = performance.now() + waitMsMax;
  while (load() > loadMax && performance.now() < end) await sleep(1_000);
  return load();
}

function driverCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function spread(took: readonly number[]): Latency {
  const sorted = took.toSorted((left, right) => left - right);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), runs: took.length };
}
