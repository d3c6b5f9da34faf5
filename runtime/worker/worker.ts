// Owns: taking tasks: never more than there are slots. A task is a hint; the engine says what there is to do.
//   W1: the task is acknowledged last, so a worker that dies leaves it to another.
//   W2: an activity is at work once in a process, however often its task is delivered.
//   W3: every second the engine hears of each activity and may say stop.
//   W4: a slot goes on with what the engine hands over; that has no task, and is missed when this worker dies.
import type { ClaimReply, ReportReply, TaskHint, Work } from '../../api/messages/asks.ts';
import { presenceSubject, streams, taskConsumer } from '../../api/messages/subjects.ts';
import type { Task } from '../../ports/bus.ts';
import { schemaChecks } from '../json-schema.ts';
import { type ActivityEnd, runActivity } from './activity.ts';
import { asksOf, claim } from './asks.ts';
import { Heartbeats } from './heartbeats.ts';
import { identityOf, type Worker, type WorkerPorts, type WorkerSettings } from './ports.ts';
import { failpoint } from '../../ports/failpoint.ts';

const claimWaitMs = 60_000;
const busyDelayMs = 1_000;
/** So often a slot goes on with what it is handed, then it takes its turn at the stream: other partitions wait there. */
const handOversMax = 5;

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
  const { bus, presence, clock, log, metrics } = ports;
  const ended = metrics.counter('signalbox_worker_activities_total', 'Activities ended here, by end.', ['end']);
  const atWork = new Set<string>();
  const worker: Worker = {
    ...ports,
    settings,
    identity: identityOf(settings),
    schemas: schemaChecks(),
    ended: (labels) => ended(labels),
    activity,
    free: () => Math.max(0, settings.slots - atWork.size),
  };
  const stopping = new AbortController();
  let draining = false;
  const { signal } = stopping;
  const shift: Shift = { signal, draining: () => draining, atWork, heartbeats: new Heartbeats(ports, signal) };
  const consumer = taskConsumer(settings.namespace, settings.agent, settings.bundle.digest);
  const subscription = bus.consume(streams.tasks, consumer, settings.slots, async (task) => {
    const hint = readHint(task.payload);
    if (hint === undefined || atWork.has(nameOf(hint))) {
      if (hint === undefined) log.warn('a task without a readable hint was dropped');
      task.ack();
      return;
    }
    failpoint('worker.task.received');
    await workOn(worker, { hint, task }, shift);
  });
  presence?.show(presenceSubject(settings.namespace, settings.name));
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

interface Shift {
  readonly signal: AbortSignal;
  readonly draining: () => boolean;
  /** Names of the activities at work in this process. */
  readonly atWork: Set<string>;
  readonly heartbeats: Heartbeats;
}

interface Taken {
  readonly hint: TaskHint;
  /** Absent for what was handed over: there is no task to acknowledge. */
  readonly task?: Task;
}

const nameOf = ({ run, activity, attempt }: TaskHint): string => `${run}/${activity}/${attempt}`;

/** One task of the stream, and what is handed over after it, in the same slot. */
async function workOn(worker: Worker, first: Taken & { readonly task: Task }, shift: Shift): Promise<void> {
  const { clock, log } = worker;
  const { hint, task } = first;
  shift.atWork.add(nameOf(hint));
  let claimed: ClaimReply;
  try {
    claimed = await claim(worker, hint, { untilMs: clock.now() + claimWaitMs, signal: shift.signal });
  } catch (error) {
    shift.atWork.delete(nameOf(hint));
    giveBack(worker, first, error);
    return;
  }
  if (claimed.kind !== 'Work') {
    shift.atWork.delete(nameOf(hint));
    if (claimed.kind === 'Busy') task.nak(busyDelayMs);
    else {
      log.debug('nothing to do', { ...about(hint), reason: claimed.message });
      task.ack();
    }
    return;
  }
  let next: Claimed | undefined = { ...first, work: claimed };
  for (let handed = 0; next !== undefined; handed += 1)
    next = await workThrough(worker, next, shift, handed < handOversMax);
}

/** One activity to its end; resolves with what was handed over, whose name is at work already. */
async function workThrough(
  worker: Worker,
  claimed: Claimed,
  shift: Shift,
  more: boolean,
): Promise<Claimed | undefined> {
  const { hint, task } = claimed;
  let next: Claimed | undefined;
  try {
    const { end, handed } = await carryOut(worker, claimed, shift, more);
    worker.log.info('activity ended', { ...about(hint), ...(end === 'Draining' ? { kind: end } : end) });
    worker.ended({ end: end === 'Draining' ? end : end.kind });
    next = nextOf(handed, hint, shift);
    if (end === 'Draining') task?.nak(0);
    else task?.ack();
    failpoint('worker.task.acked');
  } catch (error) {
    giveBack(worker, claimed, error);
  } finally {
    shift.atWork.delete(nameOf(hint));
  }
  return next;
}

/** W2: its task may have come out of the stream meanwhile, and another slot is at it. */
function nextOf(handed: Work | undefined, { partition }: TaskHint, { atWork }: Shift): Claimed | undefined {
  if (handed === undefined) return undefined;
  const hint = hintOf(handed, partition);
  if (atWork.has(nameOf(hint))) return undefined;
  atWork.add(nameOf(hint));
  return { hint, work: handed };
}

const about = ({ run, activity, attempt }: TaskHint) => ({ run, activity, attempt });
const hintOf = ({ run, activity, attempt }: Work, partition: number): TaskHint => ({
  run: run.id,
  activity,
  attempt,
  partition,
});

/** What was handed over has no task: the engine misses this worker's word, and gives it to another. */
function giveBack({ log, ended }: Worker, { hint, task }: Taken, error: unknown): void {
  log.warn('activity given back', { ...about(hint), error });
  ended({ end: 'GivenBack' });
  task?.nak(busyDelayMs);
}

interface Claimed extends Taken {
  readonly work: Work;
}

interface Ended {
  readonly end: ActivityEnd | 'Draining';
  readonly handed: Work | undefined;
}

/** Runs the activity beside its heartbeat. */
async function carryOut(worker: Worker, claimed: Claimed, shift: Shift, more: boolean): Promise<Ended> {
  const { hint, task, work } = claimed;
  const letGo = new AbortController();
  const { signal } = letGo;
  const current = { ...hint, activity: work.activity, attempt: work.attempt };
  const asks = asksOf(worker, current, { untilMs: work.deadline, signal, more: () => more && !shift.draining() });
  const say = (): Promise<ReportReply> => {
    task?.working();
    return asks.heartbeat();
  };
  const ended = shift.heartbeats.begin({ say, letGo });
  try {
    return { end: await worker.activity(worker, work, asks, shift.draining), handed: asks.handed() };
  } catch (error) {
    const handed = asks.handed();
    const message = signal.aborted ? (signal.reason as Error).message : 'the time of the activity is over';
    if (!signal.aborted && worker.clock.now() < work.deadline) throw error;
    return { end: { kind: 'LetGo', message }, handed };
  } finally {
    ended();
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
