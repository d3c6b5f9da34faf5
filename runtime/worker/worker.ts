// Owns: taking tasks: never more than there are slots. A task is a hint; the engine says what there is to do.
//   W1: the task is acknowledged last, so a worker that dies leaves it to another.
//   W2: an activity is at work once in a process, however often its task is delivered.
//   W3: every second the engine hears of each activity and may say stop.
import { isSignalboxError } from '../../api/errors.ts';
import type { TaskHint } from '../../api/messages/asks.ts';
import { streams, taskConsumer } from '../../api/messages/subjects.ts';
import type { Task } from '../../ports/bus.ts';
import { schemaChecks } from '../json-schema.ts';
import { type ActivityEnd, runActivity, type Work } from './activity.ts';
import { type Asks, asksOf, claim } from './asks.ts';
import { identityOf, type Worker, type WorkerPorts, type WorkerSettings } from './ports.ts';
import { failpoint } from '../../ports/failpoint.ts';

const heartbeatMs = 1_000;
const claimWaitMs = 60_000;
const busyDelayMs = 1_000;

export interface RunningWorker {
  /** Activities at work. */
  active(): number;
  /** Takes no more tasks; gives those at work back after their current step, at the latest after `graceMs`. */
  drain(graceMs: number): Promise<void>;
}

/** What a worker does with its work: the agent's activity, but for benchmarks. */
export type Activity = typeof runActivity;

export function startWorker(
  ports: WorkerPorts,
  settings: WorkerSettings,
  activity: Activity = runActivity,
): RunningWorker {
  const { bus, clock, log, metrics } = ports;
  const ended = metrics.counter('signalbox_worker_activities_total', 'Activities ended here, by end.', ['end']);
  const worker: Worker = {
    ...ports,
    settings,
    identity: identityOf(settings),
    schemas: schemaChecks(),
    ended: (labels) => ended(labels),
    activity,
  };
  const stopping = new AbortController();
  let draining = false;
  const atWork = new Set<string>();
  const consumer = taskConsumer(settings.namespace, settings.agent, settings.bundle.digest);
  const subscription = bus.consume(streams.tasks, consumer, settings.slots, async (task) => {
    const hint = readHint(task.payload);
    const which = hint === undefined ? '' : `${hint.run}/${hint.activity}/${hint.attempt}`;
    if (hint === undefined || atWork.has(which)) {
      if (hint === undefined) log.warn('a task without a readable hint was dropped');
      task.ack();
      return;
    }
    atWork.add(which);
    failpoint('worker.task.received');
    try {
      await workOn(worker, { hint, task }, { signal: stopping.signal, draining: () => draining });
    } finally {
      atWork.delete(which);
    }
  });
  log.info('taking tasks', { consumer, slots: settings.slots });
  return {
    active: () => atWork.size,
    async drain(graceMs) {
      draining = true;
      const stopped = subscription.stop();
      const until = clock.now() + graceMs;
      while (atWork.size > 0 && clock.now() < until) await clock.sleep(50);
      stopping.abort(new Error('the worker stops'));
      await Promise.race([stopped, clock.sleep(1_000)]);
    },
  };
}

interface Stopping {
  readonly signal: AbortSignal;
  readonly draining: () => boolean;
}

interface Taken {
  readonly hint: TaskHint;
  readonly task: Task;
}

async function workOn(worker: Worker, { hint, task }: Taken, stopping: Stopping): Promise<void> {
  const { clock, log } = worker;
  const about = { run: hint.run, activity: hint.activity, attempt: hint.attempt };
  try {
    const claimed = await claim(worker, hint, { untilMs: clock.now() + claimWaitMs, signal: stopping.signal });
    if (claimed.kind === 'Busy') {
      task.nak(busyDelayMs);
      return;
    }
    if (claimed.kind !== 'Work') {
      log.debug('nothing to do', { ...about, reason: claimed.message });
      task.ack();
      return;
    }
    const end = await carryOut(worker, { hint, task, work: claimed }, stopping);
    log.info('activity ended', { ...about, ...(end === 'Draining' ? { kind: end } : end) });
    worker.ended({ end: end === 'Draining' ? end : end.kind });
    if (end === 'Draining') task.nak(0);
    else task.ack();
    failpoint('worker.task.acked');
  } catch (error) {
    log.warn('activity given back', { ...about, error });
    worker.ended({ end: 'GivenBack' });
    task.nak(busyDelayMs);
  }
}

interface Claimed extends Taken {
  readonly work: Work;
}

/** Runs the activity beside its heartbeat. */
async function carryOut(worker: Worker, claimed: Claimed, stopping: Stopping): Promise<ActivityEnd | 'Draining'> {
  const { hint, task, work } = claimed;
  const letGo = new AbortController();
  const signal = AbortSignal.any([letGo.signal, stopping.signal]);
  const current = { ...hint, activity: work.activity, attempt: work.attempt };
  const asks = asksOf(worker, current, { untilMs: work.deadline, signal });
  const beating = heartbeat(worker, { asks, task, letGo });
  try {
    return await worker.activity(worker, work, asks, stopping.draining);
  } catch (error) {
    if (letGo.signal.aborted) return { kind: 'LetGo', message: (letGo.signal.reason as Error).message };
    if (worker.clock.now() >= work.deadline) return { kind: 'LetGo', message: 'the time of the activity is over' };
    throw error;
  } finally {
    letGo.abort(new Error('the activity ended'));
    await beating;
  }
}

async function heartbeat(
  { clock, log }: Worker,
  beat: { readonly asks: Asks; readonly task: Task; readonly letGo: AbortController },
): Promise<void> {
  const { asks, task, letGo } = beat;
  while (!letGo.signal.aborted) {
    try {
      await clock.sleep(heartbeatMs, letGo.signal);
      task.working();
      const reply = await asks.heartbeat();
      if (reply.kind === 'Stop') letGo.abort(new Error(reply.message));
      if (reply.kind === 'Error' && reply.code === 'STALE') letGo.abort(new Error(reply.message));
    } catch (error) {
      // The engine may be away: reports wait for it. A stop is said again when it is back.
      if (!letGo.signal.aborted && !isSignalboxError(error)) log.debug('heartbeat failed', { error });
    }
  }
}

function readHint(payload: unknown): TaskHint | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined;
  const { run, activity, attempt, partition } = payload as Partial<Record<keyof TaskHint, unknown>>;
  const fits =
    typeof run === 'string' &&
    typeof activity === 'string' &&
    Number.isInteger(attempt) &&
    Number.isInteger(partition) &&
    (partition as number) >= 0;
  return fits ? { run, activity, attempt: attempt as number, partition: partition as number } : undefined;
}
