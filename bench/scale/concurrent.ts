// Owns: very many runs that are under way at once: all are started before the first worker comes, then the workers that ship
// take them through five durable steps.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HistoryEvent } from '../../api/messages/history.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { runIdFor } from '../../core/workflow/partition.ts';
import { type EngineStage, namespace } from '../../test/support/engine-stage.ts';
import { type Spawned, start } from '../runtime/spawned.ts';
import { many, type MeasuredEngine, quantile, startMeasured, startRun } from './stage.ts';

export interface Concurrent {
  readonly runs: number;
  readonly startsPerSecond: number;
  readonly engineMiBBefore: number;
  readonly engineMiB: number;
  readonly natsMiB: number;
  /** From the first worker's start to the end of the last run. */
  readonly runsPerSecond: number;
  readonly stepsPerSecond: number;
  /** One step of one run in the middle of it all, from its task's being due to its result's being on disk. */
  readonly stepP50Ms: number;
  readonly stepP99Ms: number;
  /** What somebody waits who asks for a run meanwhile. */
  readonly showP50Ms: number;
  readonly showP99Ms: number;
  readonly engineMiBPeak: number;
}

const workflow = 'five';
const steps = 5;
const workers = 2;
const slots = 100;
/** As docs/how-to/size-the-engine.md says for runs at work. */
const heapMiB = 512;
/** More would wait in line for longer than a lease is trusted when the machine is busy. */
const inFlight = 256;
const limitMs = 600_000;
const sampled = 500;
const keyOf = (index: number): string => `concurrent-${index}`;
const runOf = (index: number): string => runIdFor(namespace, workflow, keyOf(index));

function spec(): WorkflowSpec {
  const names = Array.from({ length: steps }, (_, index) => `step_${index + 1}`);
  const exits = { error: 'failed', timeout: 'failed' };
  const task = { type: 'task', agent: 'noop', backup: 'none', goal: 'Do nothing.', timeout: '1h', exits };
  return {
    input: { type: 'object' },
    start: 'step_1',
    states: {
      ...Object.fromEntries(names.map((name) => [name, task])),
      done: { type: 'terminal', outcome: 'success' },
      failed: { type: 'terminal', outcome: 'failed' },
    },
    transitions: names.map((from, index) => ({ from, to: names[index + 1] ?? 'done' })),
  } as unknown as WorkflowSpec;
}

export async function measureConcurrent(runs: number, say: (line: string) => void): Promise<Concurrent> {
  const measured = await startMeasured(heapMiB, say);
  const spawned: Spawned[] = [];
  try {
    const { stage } = measured;
    const bundle = await stage.agent('noop');
    await stage.workflow(workflow, spec());
    const engine = await measured.engine('engine-a');
    const engineMiBBefore = engine.miB();
    const startsPerSecond = await startAll(stage, runs);
    await sleep(5_000);
    const held = { engineMiBBefore, engineMiB: engine.miB(), natsMiB: measured.natsMiB() };
    say(`${runs} runs under way: ${JSON.stringify(held)}`);
    const from = performance.now();
    for (let number = 0; number < workers; number += 1) {
      spawned.push(
        start(process.execPath, [join(import.meta.dirname, '..', 'runtime', 'signalbox-worker.ts')], {
          env: {
            BENCH_NATS: stage.nats.url,
            BENCH_USER: stage.nats.work.user,
            BENCH_PASSWORD: stage.nats.work.password,
            BENCH_BUNDLE: JSON.stringify(bundle),
            BENCH_SLOTS: String(slots),
            BENCH_NAME: `noop-${number}`,
          },
        }),
      );
    }
    const probed = await untilClosed(stage, engine, runs, say);
    const seconds = (performance.now() - from) / 1_000;
    const stepMs = await stepTimes(stage, runs);
    return {
      runs,
      startsPerSecond,
      ...held,
      runsPerSecond: runs / seconds,
      stepsPerSecond: (runs * steps) / seconds,
      stepP50Ms: quantile(stepMs, 0.5),
      stepP99Ms: quantile(stepMs, 0.99),
      ...probed,
    };
  } finally {
    for (const worker of spawned) await worker.kill();
    await measured.stop();
  }
}

async function startAll(stage: EngineStage, runs: number): Promise<number> {
  const from = performance.now();
  await many(runs, inFlight, (index) => startRun(stage, workflow, { input: {}, key: keyOf(index) }, { limitMs }));
  return (runs * 1_000) / (performance.now() - from);
}

/** Asks for some run all the time, until all have ended. */
async function untilClosed(stage: EngineStage, engine: MeasuredEngine, runs: number, say: (line: string) => void) {
  const shows: number[] = [];
  let engineMiBPeak = 0;
  for (let turn = 0; ; turn += 1) {
    const asked = performance.now();
    await stage.show(runOf((turn * 7_919) % runs));
    shows.push(performance.now() - asked);
    if (turn % 50 === 0) {
      engineMiBPeak = Math.max(engineMiBPeak, engine.miB());
      const open = await engine.metric('signalbox_engine_runs', 'status="Running"');
      if (turn % 500 === 0) say(`${open} runs under way`);
      if (open === 0) break;
    }
    await sleep(10);
  }
  return { showP50Ms: quantile(shows, 0.5), showP99Ms: quantile(shows, 0.99), engineMiBPeak };
}

/** The time of each step after the first, in which all runs wait for their turn. */
async function stepTimes(stage: EngineStage, runs: number): Promise<readonly number[]> {
  const times: number[] = [];
  const count = Math.min(sampled, runs);
  for (let at = 0; at < count; at += 1) {
    const run = runOf(Math.floor((at * runs) / count));
    const history = await stage.history(run);
    const closed = history.at(-1);
    if (closed?.type !== 'RunClosed' || closed.outcome !== 'success') throw new Error(`run ${run} did not succeed`);
    times.push(...stepsOf(history));
  }
  return times;
}

function stepsOf(history: readonly HistoryEvent[]): readonly number[] {
  const due = history.filter((event) => event.type === 'ActivityScheduled');
  const done = history.filter((event) => event.type === 'ActivityCompleted');
  return done.slice(1).map((event, index) => event.at - (due[index + 1]?.at ?? event.at));
}
