// Owns: an engine and a nats-server that are measured: as they ship, with room for what is asked of them.
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineReply } from '../../api/messages/asks.ts';
import type { JsonObject, RunSummary } from '../../api/messages/history.ts';
import { startSubject } from '../../api/messages/subjects.ts';
import { EngineStage, type EngineProcess, namespace, partitions } from '../../test/support/engine-stage.ts';
import { startNats } from '../../test/support/nats.ts';
import { until } from '../../test/support/until.ts';
import { memoryMiBOf } from '../runtime/machine.ts';

export interface Measured {
  readonly stage: EngineStage;
  /** Starts an engine; resolves when it answers. */
  engine(name: string): Promise<MeasuredEngine>;
  readonly natsMiB: () => number;
  /** Bytes of all streams, on disk and in memory. */
  readonly stored: () => Promise<{ readonly diskMiB: number; readonly memoryMiB: number }>;
  stop(): Promise<void>;
}

export interface MeasuredEngine {
  readonly spawned: EngineProcess;
  readonly miB: () => number;
  /** Sum of all samples of a metric. */
  metric(name: string, labels?: string): Promise<number>;
}

export const numbers: readonly number[] = Array.from({ length: partitions }, (_, number) => number);
const readyMs = 600_000;

/** `heapMiB`: bound of the engine's heap; everything else is as in deploy/engine.yaml. */
export async function startMeasured(heapMiB: number, say: (line: string) => void): Promise<Measured> {
  const nats = await startNats({ fileStoreMax: '64GB', memoryStoreMax: '2GB' });
  const stage = await EngineStage.start({ nats, journalBytesMax: 2 * 1_024 ** 3 });
  const telling: NodeJS.Timeout[] = [];
  return {
    stage,
    async engine(name) {
      const NODE_OPTIONS = `--max-semi-space-size=16 --max-old-space-size=${heapMiB}`;
      const settings = { LOG_LEVEL: 'info', NODE_OPTIONS, MALLOC_ARENA_MAX: '2' };
      const spawned = stage.engineProcess(name, settings, 'dist/engine.mjs');
      const port = await until(
        `${name} to say where it listens`,
        () => Promise.resolve(/"port":(\d+),"message":"serving"/.exec(spawned.log())?.[1]),
        readyMs,
      );
      telling.push(tellLog(spawned, (line) => say(`${name}: ${line}`)));
      const url = `http://127.0.0.1:${port}`;
      await until(`${name} to be ready`, async () => (await fetch(`${url}/readyz`)).ok || undefined, readyMs);
      return {
        spawned,
        miB: () => memoryMiBOf([spawned.pid]),
        async metric(metric, labels = '') {
          const text = await (await fetch(`${url}/metrics`)).text();
          const lines = text.split('\n').filter((line) => line.startsWith(metric) && line.includes(labels));
          const values = lines.filter((line) => /^[{ ]/.test(line.slice(metric.length)));
          return values.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
        },
      };
    },
    natsMiB: () => memoryMiBOf([nats.pid() ?? 0]),
    async stored() {
      const jsz = (await (await fetch(`${nats.monitorUrl}/jsz`)).json()) as { storage: number; memory: number };
      return { diskMiB: jsz.storage / 1_024 ** 2, memoryMiB: jsz.memory / 1_024 ** 2 };
    },
    async stop() {
      for (const timer of telling) clearInterval(timer);
      await stage.stop();
    },
  };
}

const told = /"level":"(?:warn|error)"|a checkpoint is complete|serving a partition/;

/** Says what the engine has said and matters here. */
function tellLog(engine: EngineProcess, say: (line: string) => void): NodeJS.Timeout {
  let seen = 0;
  return setInterval(() => {
    const lines = engine.log().split('\n');
    for (const line of lines.slice(seen, -1)) if (told.test(line)) say(line);
    seen = lines.length - 1;
  }, 1_000);
}

/** Runs `each` for 0 … count − 1, `inFlight` at a time; what it took each time, in ms, in order. */
export async function many(
  count: number,
  inFlight: number,
  each: (index: number) => Promise<void>,
): Promise<readonly number[]> {
  const took = new Float64Array(count);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = (next += 1) - 1; index < count; index = (next += 1) - 1) {
      const started = performance.now();
      await each(index);
      took[index] = performance.now() - started;
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, lane));
  return [...took];
}

/** Between two tries of a start that was not taken: a thousand that ask without a pause are a load of their own. */
const startAgainMs = 500;

/** Asks again until it is answered. */
export async function patiently<T>(action: () => Promise<T>, limitMs = 120_000, pauseMs = 5): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await sleep(pauseMs);
  }
}

/** Starts a run as somebody outside does; asks again until it is taken. `refused` hears why it was not. */
export function startRun(
  stage: EngineStage,
  workflow: string,
  request: { readonly input: JsonObject; readonly key: string },
  { limitMs, refused = () => undefined }: { readonly limitMs: number; readonly refused?: (why: string) => void },
): Promise<void> {
  const ask = async (): Promise<void> => {
    const subject = startSubject(namespace, workflow);
    const reply = await stage.work.request<EngineReply<RunSummary>>(subject, request, 30_000);
    if (reply.ok) return;
    refused(reply.message);
    throw new Error(reply.message);
  };
  return patiently(ask, limitMs, startAgainMs);
}

/** The value below which this share of them lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
