// Owns: which task goes to the stream when, and which worker has what. Lost with the engine without harm: workers say so again
// with their next heartbeat. Time is an argument; what costs is what changed, never the number of tasks.
//   D1: an activity is claimed by one worker at a time, as long as that worker is heard of.
//   D2: the stream stays shallow: what cannot be taken soon waits here, where cancel and priority are exact.
//   D3: what waits here is published by `ReadyList`: nobody starves.
//   D4: a slot that asks for more gets what is next in that same order; what waits in the stream for long goes before it.
import { type Priority, priorities } from '../../api/messages/priority.ts';
import { taskSubject } from '../../api/messages/subjects.ts';
import { Heap } from './heap.ts';
import { Line } from './line.ts';
import { ReadyList } from './ready-list.ts';

export interface Wanted {
  readonly run: string;
  readonly namespace: string;
  readonly workflow: string;
  readonly activity: string;
  readonly attempt: number;
  readonly agent: string;
  readonly bundleDigest: string;
  readonly notBefore: number;
  readonly priority: Priority;
}

/** Later: not due yet. Ready: waits here. Published: waits in the stream. Claimed: a worker has it. */
export const phases = ['Later', 'Ready', 'Published', 'Claimed'] as const;
export type Phase = (typeof phases)[number];

interface Task extends Wanted {
  readonly lane: Lane;
  readonly flow: string;
  phase: Phase;
  /** When time alone ends the phase; undefined for Ready. */
  until: number | undefined;
  /** Its entry in the heap, which is never after `until`. */
  entry: Entry | undefined;
  publishes: number;
  /** When it was last published. */
  publishedAt: number;
  worker?: string;
}

interface Entry {
  readonly task: Task;
  readonly at: number;
}

/** The tasks of one agent and bundle. */
interface Lane {
  readonly subject: string;
  readonly ready: ReadyList<Task>;
  /** What waits in the stream, oldest first. */
  readonly published: Line<Task>;
  readonly counts: Record<Phase, number>;
  /** Free slots of the workers that say so. */
  readonly free: Map<string, number>;
}

export type DispatchCommand =
  | {
      readonly kind: 'Publish';
      readonly subject: string;
      readonly run: string;
      readonly activity: string;
      readonly attempt: number;
      readonly priority: Priority;
      /** How often it was published, this time included: names this publication. */
      readonly publishes: number;
    }
  /** Nothing was heard of the worker: its task goes to another. */
  | ({ readonly kind: 'Silent' } & Lost);

/** What a worker had when it was lost. */
export interface Lost {
  readonly run: string;
  readonly activity: string;
  readonly attempt: number;
  readonly worker: string;
}

/** A worker that was not heard of for this long is taken for dead; it says something every second. */
export const silentMs = 3_000;
/** A task nobody took is published again, later and later: consumers and streams may have been made anew. */
export const untakenMs = 4_000;
export const untakenMaxMs = 60_000;
/** Tasks in the stream that nobody has taken: this, or twice as many as are at work. */
export const shallow = 16;
/** Where workers say how many slots are free: twice that, at least this, so that a new worker finds something. */
export const probes = 2;
const knownMax = 512;
/** A task that has waited in the stream for this long goes to the next slot that asks for more. */
export const overdueMs = 100;
/** Heap entries of forgotten tasks are swept when there are this many more than tasks. */
const sweepAbove = 1_024;

export type Counts = Readonly<Record<Priority, Readonly<Record<Phase, number>>>>;

const none = (): Record<Phase, number> => ({ Later: 0, Ready: 0, Published: 0, Claimed: 0 });

export class DispatchCore {
  readonly #tasks = new Map<string, Task>();
  readonly #lanes = new Map<string, Lane>();
  readonly #workers = new Map<string, Set<Task>>();
  readonly #due = new Heap<Entry>(({ at }) => at);
  /** Lanes in which something may be published. */
  readonly #changed = new Set<Lane>();
  readonly #counts: Record<Priority, Record<Phase, number>> = { high: none(), normal: none(), low: none() };

  /**
   * What the run needs now; a task of another attempt or activity is forgotten. `graceMs`: a worker may be at it already, and
   * gets this long to say so.
   */
  want(wanted: Wanted, now: number, graceMs = 0): void {
    const known = this.#tasks.get(wanted.run);
    if (known?.activity === wanted.activity && known.attempt === wanted.attempt) return;
    if (known !== undefined) this.#drop(known);
    const lane = this.#lane(taskSubject(wanted.namespace, wanted.agent, wanted.bundleDigest));
    const flow = `${wanted.namespace}/${wanted.workflow}`;
    const fresh = { phase: 'Later' as const, until: undefined, entry: undefined, publishes: 0, publishedAt: 0 };
    const task: Task = { ...wanted, ...fresh, lane, flow };
    this.#tasks.set(wanted.run, task);
    this.#count(task, 1);
    const at = Math.max(wanted.notBefore, now + graceMs);
    if (at <= now) this.#ready(task, false);
    else this.#later(task, at);
  }

  forget(run: string): void {
    const task = this.#tasks.get(run);
    if (task !== undefined) this.#drop(task);
  }

  /** True when the worker may have it, or has it: it was heard of now. False: another worker, which was heard of, has it. */
  claim(run: string, worker: string, now: number): boolean {
    const task = this.#tasks.get(run);
    if (task === undefined) return true;
    if (task.phase === 'Claimed' && task.worker !== worker && now < (task.until ?? 0)) return false;
    if (task.phase !== 'Claimed' || task.worker !== worker) this.#claimed(task, worker);
    this.#until(task, now + silentMs);
    return true;
  }

  /** So many slots of the worker have nothing to do. */
  hasFree(run: string, worker: string, slots: number): void {
    const lane = this.#tasks.get(run)?.lane;
    if (lane === undefined || lane.free.get(worker) === slots) return;
    lane.free.set(worker, slots);
    this.#changed.add(lane);
  }

  /** What a slot of this worker takes next without the stream: claimed for it, undefined when nothing waits. */
  take(subject: string, worker: string, now: number): Wanted | undefined {
    const lane = this.#lanes.get(subject);
    const oldest = lane?.published.first;
    const overdue = oldest !== undefined && now - oldest.publishedAt >= overdueMs ? oldest : undefined;
    const task = overdue ?? lane?.ready.take();
    if (task === undefined) return undefined;
    // It has left the list already.
    if (task.phase === 'Ready') this.#move(task, 'Later');
    this.#claimed(task, worker);
    this.#until(task, now + silentMs);
    return task;
  }

  /** The worker has not taken it after all. */
  release(run: string, worker: string): void {
    const task = this.#tasks.get(run);
    if (task?.phase === 'Claimed' && task.worker === worker) this.#ready(task, true);
  }

  /** Workers that have something. */
  workers(): Iterable<string> {
    return this.#workers.keys();
  }

  /** The worker's connection is gone: what it had goes to others at once. */
  workerLost(worker: string): readonly Lost[] {
    const lost = [...(this.#workers.get(worker) ?? [])];
    for (const task of lost) this.#ready(task, true);
    for (const lane of this.#lanes.values()) lane.free.delete(worker);
    return lost.map(({ run, activity, attempt }) => ({ run, activity, attempt, worker }));
  }

  /** A publication failed; a later one may have succeeded meanwhile. */
  notPublished(run: string, publishes: number, now: number): void {
    const task = this.#tasks.get(run);
    if (task?.phase === 'Published' && task.publishes === publishes) this.#later(task, now);
  }

  /** Everything is published again: the streams may be new. */
  republish(): void {
    for (const task of this.#tasks.values()) if (task.phase === 'Published') this.#ready(task, true);
  }

  /** What is to be done at this time. Cheap when nothing is due and nothing changed. */
  tick(now: number): readonly DispatchCommand[] {
    const commands: DispatchCommand[] = [];
    for (let next = this.#due.first; next !== undefined && next.at <= now; next = this.#due.first) {
      this.#due.pop();
      this.#fell(next, now, commands);
    }
    for (const lane of this.#changed) this.#fill(lane, now, commands);
    this.#changed.clear();
    if (this.#due.size > 2 * this.#tasks.size + sweepAbove) this.#due.keep((entry) => entry.task.entry === entry);
    return commands;
  }

  /** When `tick` has something to do: at once, later, or never without a call. */
  nextAt(): number | undefined {
    return this.#changed.size > 0 ? Number.NEGATIVE_INFINITY : this.#due.first?.at;
  }

  counts(): Counts {
    return this.#counts;
  }

  get size(): number {
    return this.#tasks.size;
  }

  #lane(subject: string): Lane {
    const known = this.#lanes.get(subject);
    if (known !== undefined) return known;
    const lane: Lane = { subject, ready: new ReadyList(), published: new Line(), counts: none(), free: new Map() };
    this.#lanes.set(subject, lane);
    return lane;
  }

  /** What time alone changes about a task. */
  #fell(entry: Entry, now: number, commands: DispatchCommand[]): void {
    const { task } = entry;
    if (task.entry !== entry) return;
    task.entry = undefined;
    if (task.until === undefined) return;
    if (task.until > now) {
      this.#enter(task, task.until);
      return;
    }
    const { phase, run, activity, attempt, worker } = task;
    if (phase === 'Claimed' && worker !== undefined) {
      commands.push({ kind: 'Silent', run, activity, attempt, worker });
      task.lane.free.delete(worker);
    }
    this.#ready(task, phase === 'Claimed');
  }

  #fill(lane: Lane, now: number, commands: DispatchCommand[]): void {
    const { counts, ready, subject } = lane;
    const most = worthPublishing(lane);
    while (ready.size > 0 && counts.Published < most) {
      const task = ready.take();
      if (task === undefined) return;
      this.#move(task, 'Published');
      task.publishes += 1;
      task.publishedAt = now;
      this.#until(task, now + patience(task.publishes));
      const { run, activity, attempt, priority, publishes } = task;
      commands.push({ kind: 'Publish', subject, run, activity, attempt, priority, publishes });
    }
  }

  #later(task: Task, at: number): void {
    this.#move(task, 'Later');
    this.#until(task, at);
  }

  #ready(task: Task, first: boolean): void {
    this.#leaveWorker(task);
    this.#move(task, 'Ready');
    task.until = undefined;
    task.lane.ready.add(task, first);
  }

  #claimed(task: Task, worker: string): void {
    this.#leaveWorker(task);
    if (task.phase === 'Ready') task.lane.ready.remove(task);
    this.#move(task, 'Claimed');
    task.worker = worker;
    const has = this.#workers.get(worker);
    if (has === undefined) this.#workers.set(worker, new Set([task]));
    else has.add(task);
  }

  #leaveWorker(task: Task): void {
    if (task.worker === undefined) return;
    const has = this.#workers.get(task.worker);
    has?.delete(task);
    if (has?.size === 0) this.#workers.delete(task.worker);
    delete task.worker;
  }

  #drop(task: Task): void {
    this.#tasks.delete(task.run);
    this.#leaveWorker(task);
    if (task.phase === 'Ready') task.lane.ready.remove(task);
    task.lane.published.remove(task);
    this.#count(task, -1);
    task.until = undefined;
    task.entry = undefined;
    const { counts, subject } = task.lane;
    if (phases.every((phase) => counts[phase] === 0)) {
      this.#lanes.delete(subject);
      this.#changed.delete(task.lane);
    } else this.#changed.add(task.lane);
  }

  #move(task: Task, phase: Phase): void {
    this.#count(task, -1);
    if (task.phase === 'Published') task.lane.published.remove(task);
    task.phase = phase;
    if (phase === 'Published') task.lane.published.add(task);
    this.#count(task, 1);
    this.#changed.add(task.lane);
  }

  #count(task: Task, by: 1 | -1): void {
    task.lane.counts[task.phase] += by;
    this.#counts[task.priority][task.phase] += by;
  }

  /** A heartbeat only moves `until`; the heap learns of it when the earlier entry comes up. */
  #until(task: Task, at: number): void {
    task.until = at;
    if (task.entry === undefined || at < task.entry.at) this.#enter(task, at);
  }

  #enter(task: Task, at: number): void {
    task.entry = { task, at };
    this.#due.push(task.entry);
  }
}

/** How many tasks may wait in the stream. */
function worthPublishing({ counts, free }: Lane): number {
  if (free.size === 0 || counts.Claimed === 0) return Math.max(shallow, 2 * counts.Claimed);
  let slots = 0;
  for (const known of free.values()) slots += known;
  return Math.max(probes, Math.min(knownMax, 2 * slots));
}

const patience = (publishes: number): number => Math.min(untakenMaxMs, untakenMs * 2 ** Math.min(8, publishes - 1));

/** Tasks in some phases, over all priorities. */
export const countOf = (counts: Counts, ...some: readonly Phase[]): number =>
  priorities.reduce((sum, priority) => sum + some.reduce((part, phase) => part + counts[priority][phase], 0), 0);
