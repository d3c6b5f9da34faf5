// Owns: starting what schedules say. The engine that serves a schedule's partition looks after it; where it stands is an entry in
// a bucket, changed by compare-and-set before anything is started, so that two engines that both believe in it do it once.
import { isPassing, isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type { EngineReply } from '../../api/messages/asks.ts';
import type { JsonObject, RunSummary } from '../../api/messages/history.ts';
import type { SchedulePosition } from '../../api/messages/schedule.ts';
import { buckets } from '../../api/messages/subjects.ts';
import { dueKey, planSchedule, type Schedule, scheduleId, settlePending } from '../../core/schedule/plan.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import type { Bucket, Entry } from '../../ports/bus.ts';
import { failpoint } from '../../ports/failpoint.ts';
import type { SchemaChecks } from '../json-schema.ts';
import type { Catalog } from './catalog.ts';
import { type Owners, resultOf } from './forward.ts';
import type { EngineMetrics } from './metrics.ts';
import type { EnginePorts } from './ports.ts';
import { start } from './start.ts';
import { Timers } from './timers.ts';

export interface ScheduleOptions {
  readonly ports: EnginePorts;
  readonly catalog: Catalog;
  readonly owners: Owners;
  readonly checks: SchemaChecks;
  readonly metrics: EngineMetrics;
  /** True while this engine serves the partition. */
  readonly serves: (partition: number) => boolean;
}

/** How often the list of schedules is compared with the catalog and the partitions. */
const REFRESH_MS = 1_000;
const RETRY_MS = 1_000;
/** Also without a due time: somebody may have paused it, or a run may have ended. */
const LOOK_AT_LEAST_MS = 60_000;
export class Schedules {
  readonly #options: ScheduleOptions;
  readonly #known = new Map<string, Schedule>();
  readonly #looking = new Set<string>();
  readonly #timers: Timers;
  readonly #refreshing: NodeJS.Timeout;
  #bucket: Promise<Bucket<SchedulePosition>> | undefined;
  #stopped = false;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#timers = new Timers(
      () => options.ports.clock.now(),
      (id) => void this.#look(id),
    );
    this.#refreshing = setInterval(() => this.refresh(), REFRESH_MS);
  }

  /** New, changed and gone schedules, and partitions that came and went. */
  refresh(): void {
    if (this.#stopped || !this.#options.catalog.synced) return;
    const wanted = new Map<string, Schedule>();
    for (const schedule of this.#options.catalog.schedules()) {
      const id = scheduleId(schedule);
      if (this.#options.serves(partitionOf(id, this.#options.owners.partitions))) wanted.set(id, schedule);
    }
    for (const id of this.#known.keys()) if (!wanted.has(id)) this.#timers.set(id, undefined);
    for (const [id, schedule] of wanted) {
      if (this.#known.get(id)?.spec !== schedule.spec) this.#timers.set(id, this.#options.ports.clock.now());
    }
    this.#known.clear();
    for (const [id, schedule] of wanted) this.#known.set(id, schedule);
    this.#options.metrics.schedules(this.#known.size);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#refreshing);
    this.#timers.stop();
  }

  bucket(): Promise<Bucket<SchedulePosition>> {
    this.#bucket ??= this.#options.ports.control.bucket<SchedulePosition>(buckets.schedules);
    this.#bucket.catch(() => (this.#bucket = undefined));
    return this.#bucket;
  }

  async #look(id: string): Promise<void> {
    const { clock, log } = this.#options.ports;
    const schedule = this.#known.get(id);
    if (schedule === undefined || this.#looking.has(id)) return;
    this.#looking.add(id);
    let nextAt = clock.now() + RETRY_MS;
    try {
      nextAt = await this.#play(schedule);
    } catch (error) {
      log.warn('a schedule could not be looked after; it is tried again', { schedule: id, error });
    } finally {
      this.#looking.delete(id);
    }
    if (this.#stopped || !this.#known.has(id)) return;
    this.#timers.set(id, Math.min(nextAt, clock.now() + LOOK_AT_LEAST_MS));
  }

  /** One look; resolves with when to look again. */
  async #play(schedule: Schedule): Promise<number> {
    const { clock } = this.#options.ports;
    const id = scheduleId(schedule);
    const bucket = await this.bucket();
    const entry = await bucket.get(id);
    const open = await this.#stillOpen(schedule, entry?.value.open ?? []);
    const plan = planSchedule(schedule, entry?.value, { now: clock.now(), open });
    const written = await this.#write(bucket, { id, entry }, plan.position);
    if (written === undefined) return clock.now();
    failpoint('engine.schedule.noted');
    const { pending, cancels } = plan.position;
    if (pending.length === 0 && cancels.length === 0) return plan.nextAt ?? Number.POSITIVE_INFINITY;
    for (const run of cancels) await this.#cancel(schedule, run);
    const done: string[] = [];
    const refused: Record<string, string> = {};
    for (const { due, run } of pending) {
      const problem = await this.#start(schedule, due);
      if (problem === undefined) done.push(run);
      else if (!problem.passing) refused[run] = problem.message;
    }
    failpoint('engine.schedule.started');
    const settled = settlePending(plan.position, { done, refused }, clock.now());
    await this.#write(bucket, { id, entry: written }, settled);
    failpoint('engine.schedule.settled');
    return settled.pending.length === 0 ? clock.now() : clock.now() + RETRY_MS;
  }

  /** Undefined: somebody else wrote first. */
  async #write(
    bucket: Bucket<SchedulePosition>,
    { id, entry }: { readonly id: string; readonly entry: Entry<SchedulePosition> | undefined },
    position: SchedulePosition,
  ): Promise<Entry<SchedulePosition> | undefined> {
    if (entry !== undefined && JSON.stringify(entry.value) === JSON.stringify(position)) return entry;
    const revision = await bucket.update(id, position, entry?.revision ?? 0);
    return revision === undefined ? undefined : { key: id, value: position, revision };
  }

  async #stillOpen({ namespace }: Schedule, runs: readonly string[]): Promise<readonly string[]> {
    const shown = await Promise.all(
      runs.map(async (run) => {
        const reply = await this.#options.owners.ask<RunSummary>(run, 'show', { run, namespace });
        if (!reply.ok && reply.code === 'NOT_FOUND') return [];
        return resultOf(reply).status === 'Closed' ? [] : [run];
      }),
    );
    return shown.flat();
  }

  async #cancel({ namespace, name }: Schedule, run: string): Promise<void> {
    const reason = `schedule ${name}: the next run takes over (overlap: cancelOther)`;
    const request = { run, namespace, by: `schedule:${name}`, reason };
    const reply: EngineReply<unknown> = await this.#options.owners.ask(run, 'cancel', request);
    if (!reply.ok && reply.code !== 'NOT_FOUND') resultOf(reply);
  }

  /** Undefined when it runs; else why not, and whether that passes. */
  async #start(schedule: Schedule, due: number): Promise<{ passing: boolean; message: string } | undefined> {
    const { metrics } = this.#options;
    try {
      await start(this.#options, wishOf(schedule, dueKey(schedule.name, due)));
      metrics.scheduled('started');
      return undefined;
    } catch (error) {
      if (!isSignalboxError(error)) throw error;
      const passes = isPassing(error);
      metrics.scheduled(passes ? 'retried' : 'refused');
      return { passing: passes, message: error.message };
    }
  }
}

export const wishOf = ({ namespace, workflow, name, spec }: Schedule, key: string) => ({
  namespace,
  workflow,
  input: (spec.input ?? {}) as JsonObject,
  requestedBy: `schedule:${name}`,
  source: 'schedule' as const,
  key,
  otherwise: key,
});

/** A person stops (`paused`) or resumes a schedule; due times until then are judged by how it was. */
export async function pauseSchedule(
  bucket: Bucket<SchedulePosition>,
  schedule: Schedule,
  { paused, now }: { readonly paused: SchedulePosition['paused']; readonly now: number },
): Promise<SchedulePosition> {
  const id = scheduleId(schedule);
  for (let tries = 0; tries < pauseTries; tries += 1) {
    const entry = await bucket.get(id);
    const { position } = planSchedule(schedule, entry?.value, { now, open: entry?.value.open ?? [] });
    const { paused: _paused, ...rest } = position;
    const next = { ...rest, ...(paused === undefined ? {} : { paused }) };
    if ((await bucket.update(id, next, entry?.revision ?? 0)) !== undefined) return next;
  }
  throw new SignalboxError('STALE', `schedule ${id} changes too fast to be paused or resumed; try again`);
}
const pauseTries = 16;
