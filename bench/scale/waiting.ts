// Owns: very many runs that wait for an event: what they cost, how fast they start, and how long a dead engine is missed.
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineReply } from '../../api/messages/asks.ts';
import type { RunSummary } from '../../api/messages/history.ts';
import { engineSubject } from '../../api/messages/subjects.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { partitionOf, runIdFor } from '../../core/workflow/partition.ts';
import { type EngineStage, namespace, partitions } from '../../test/support/engine-stage.ts';
import {
  many,
  type Measured,
  type MeasuredEngine,
  numbers,
  patiently,
  quantile,
  startMeasured,
  startRun,
} from './stage.ts';

export interface Waiting {
  readonly runs: number;
  readonly startsPerSecond: number;
  /** Over the last tenth: what the others cost the next one. */
  readonly startsPerSecondLast: number;
  readonly startP50Ms: number;
  readonly startP99Ms: number;
  readonly engineMiBBefore: number;
  readonly engineMiB: number;
  readonly natsMiBBefore: number;
  readonly natsMiB: number;
  readonly engineBytesPerRun: number;
  readonly natsBytesPerRun: number;
  readonly diskMiB: number;
  readonly memoryStreamsMiB: number;
  /** Of all partitions; 0: no checkpoint was made. */
  readonly checkpointMiB: number;
  readonly checkpoints: number;
  /** Mean time of one, beside all the starts: archive, states, purge. */
  readonly checkpointMs: number;
  /** Bound of the engine's heap. */
  readonly heapMiB: number;
  /** From kill -9 to the first answer about a run, and until each partition answers. A standby was running. */
  readonly takeoverFirstMs: number;
  readonly takeoverAllMs: number;
  readonly engineMiBAfterTakeover: number;
  /** From the bus event to the end of the run, after the takeover. */
  readonly wakeP50Ms: number;
  readonly wakeP99Ms: number;
}

const workflow = 'waits';
const spec = {
  input: { type: 'object' },
  timeout: '30d',
  start: 'wait',
  states: {
    wait: { type: 'wait', for: { event: 'go', by: 'input.id' }, timeout: '29d', exits: { timeout: 'failed' } },
    done: { type: 'terminal', outcome: 'success' },
    failed: { type: 'terminal', outcome: 'failed' },
  },
  transitions: [{ from: 'wait', to: 'done' }],
} as unknown as WorkflowSpec;

const checkpointTimes = 'signalbox_engine_checkpoint_seconds';
/** As docs/how-to/size-the-engine.md says. */
const heapMiBFor = (runs: number): number => 160 + Math.ceil((runs * 600) / 1_000_000);
/** More would wait in line for longer than a lease is trusted when the machine is busy. */
const inFlight = 256;
const limitMs = 1_200_000;
const settleMs = 15_000;
const sampled = 1_000;
const woken = 100;
const idOf = (index: number): string => `waiting-${index}`;
const runOf = (index: number): string => runIdFor(namespace, workflow, idOf(index));

export async function measureWaiting(runs: number, say: (line: string) => void): Promise<Waiting> {
  const measured = await startMeasured(heapMiBFor(runs), say);
  try {
    const { stage } = measured;
    await stage.workflow(workflow, spec);
    const first = await measured.engine('engine-a');
    const before = { engineMiBBefore: first.miB(), natsMiBBefore: measured.natsMiB() };
    const started = await startAll(stage, runs, say);
    await sleep(settleMs);
    const held = await holdings(measured, first, runs, before);
    say(`${runs} wait: ${JSON.stringify(held)}`);
    const taken = await takeover(measured, first, runs);
    say(`taken over: ${JSON.stringify(taken)}`);
    await verify(stage, runs);
    return { runs, ...started, ...before, ...held, ...taken, ...(await wake(stage, runs)) };
  } finally {
    await measured.stop();
  }
}

type Started = Pick<Waiting, 'startsPerSecond' | 'startsPerSecondLast' | 'startP50Ms' | 'startP99Ms'>;

async function startAll(stage: EngineStage, runs: number, say: (line: string) => void): Promise<Started> {
  const from = performance.now();
  const tenth = Math.max(1, Math.floor(runs / 10));
  let lastTenthAt = from;
  let refusal = '';
  const refused = (why: string): void => {
    if (why !== refusal) say(`refused: ${(refusal = why)}`);
  };
  const took = await many(runs, inFlight, async (index) => {
    const request = { input: { id: idOf(index) }, key: idOf(index) };
    await startRun(stage, workflow, request, { limitMs, refused });
    if ((index + 1) % tenth !== 0) return;
    const seconds = (performance.now() - from) / 1_000;
    say(`${index + 1} started, ${Math.round((index + 1) / seconds)}/s`);
    if (index + 1 === runs - tenth) lastTenthAt = performance.now();
  });
  const end = performance.now();
  return {
    startsPerSecond: (runs * 1_000) / (end - from),
    startsPerSecondLast: (tenth * 1_000) / (end - lastTenthAt),
    startP50Ms: quantile(took, 0.5),
    startP99Ms: quantile(took, 0.99),
  };
}

async function holdings(
  { natsMiB, stored }: Measured,
  engine: MeasuredEngine,
  runs: number,
  before: { readonly engineMiBBefore: number; readonly natsMiBBefore: number },
) {
  const [engineNow, natsNow] = [engine.miB(), natsMiB()];
  const { diskMiB, memoryMiB } = await stored();
  const checkpoints = await engine.metric(`${checkpointTimes}_count`);
  return {
    engineMiB: engineNow,
    natsMiB: natsNow,
    engineBytesPerRun: ((engineNow - before.engineMiBBefore) * 1_024 ** 2) / runs,
    natsBytesPerRun: ((natsNow - before.natsMiBBefore) * 1_024 ** 2) / runs,
    diskMiB,
    memoryStreamsMiB: memoryMiB,
    checkpointMiB: (await engine.metric('signalbox_engine_checkpoint_bytes')) / 1_024 ** 2,
    checkpoints,
    checkpointMs: checkpoints === 0 ? 0 : ((await engine.metric(`${checkpointTimes}_sum`)) * 1_000) / checkpoints,
    heapMiB: heapMiBFor(runs),
  };
}

/** One run of each partition that has some. */
function oneOfEach(runs: number): readonly string[] {
  const found = new Map<number, string>();
  for (let index = 0; index < runs && found.size < numbers.length; index += 1) {
    const run = runOf(index);
    found.set(partitionOf(run, partitions), run);
  }
  return [...found.values()];
}

async function takeover(measured: Measured, first: MeasuredEngine, runs: number) {
  const standby = await measured.engine('engine-b');
  const killed = performance.now();
  await first.spawned.kill();
  const answers = oneOfEach(runs).map(async (run) => {
    await patiently(() => show(measured.stage, run), limitMs);
    return performance.now() - killed;
  });
  const times = await Promise.all(answers);
  return {
    takeoverFirstMs: Math.min(...times),
    takeoverAllMs: Math.max(...times),
    engineMiBAfterTakeover: standby.miB(),
  };
}

/** Rejects unless somebody has answered that the run is there. */
async function show({ control }: EngineStage, run: string): Promise<RunSummary> {
  const subject = engineSubject(partitionOf(run, partitions), 'show');
  const reply = await control.request<EngineReply<RunSummary>>(subject, { run }, 2_000);
  if (reply.ok) return reply.result;
  throw new Error(`${reply.code}: ${reply.message}`);
}

/** What was acknowledged is there and waits. */
async function verify(stage: EngineStage, runs: number): Promise<void> {
  const step = Math.max(1, Math.floor(runs / sampled));
  for (let index = 0; index < runs; index += step) {
    const summary = await patiently(() => show(stage, runOf(index)));
    if (summary.status !== 'Running' || summary.state !== 'wait') {
      throw new Error(`run ${index} is ${summary.status} in ${summary.state} instead of waiting`);
    }
  }
}

async function wake(stage: EngineStage, runs: number): Promise<Pick<Waiting, 'wakeP50Ms' | 'wakeP99Ms'>> {
  const count = Math.min(woken, runs);
  const step = Math.floor(runs / count);
  const took = await many(count, 4, async (at) => {
    const index = at * step;
    await stage.event('go', idOf(index), {});
    await patiently(async () => {
      if ((await show(stage, runOf(index))).status !== 'Closed') throw new Error(`run ${index} still waits`);
    });
  });
  return { wakeP50Ms: quantile(took, 0.5), wakeP99Ms: quantile(took, 0.99) };
}
