// Owns: the life of an operator. Start: caches, election, controllers. Stop: controllers, caches, lease: whoever follows
// finds nothing half done. On lost leadership nothing is drained: the caller must exit.
import type { Informers } from '../../ports/cache.ts';
import type { Kube, Resource } from '../../ports/kube.ts';
import { describe } from '../../ports/resources.ts';
import type { Clock, Ids, Log, Metrics } from '../../ports/system.ts';
import type { Caches, Controller } from './controller.ts';
import { alwaysLeader, guardedKube } from './guard.ts';
import { Election } from './leader.ts';
import type { ElectionOptions } from './leader.ts';
import { ControllerLoop } from './loop.ts';
import { eventRecorder } from './recorder.ts';
import type { Recorder } from './recorder.ts';

export interface ManagerOptions {
  readonly controllers: readonly Controller[];
  readonly kube: Kube;
  readonly informers: Informers;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Pod name. */
  readonly instance: string;
  /** Absent: this program runs alone and leads at once. */
  readonly election?: Pick<ElectionOptions, 'lease' | 'times'>;
  /** Kinds that nobody's root, owned or watched is, but that some `observe` reads. */
  readonly alsoWatched?: readonly Resource[];
  /** How long reconciles under way may take to end at a stop; default 20,000 ms. */
  readonly graceMs?: number;
  /** Work of the leader besides controllers, such as a bridge from the bus: begins with them, ends at its signal. */
  readonly whileLeading?: readonly ((leading: Leading) => Promise<void>)[];
}

/** What work of the leader may use. */
export interface Leading {
  /** Guarded: its writes are refused when we do not lead. */
  readonly kube: Kube;
  readonly caches: Caches;
  readonly recorder: Recorder;
  readonly signal: AbortSignal;
}

export interface Manager {
  /** For /readyz: undefined when every cache is complete and fresh. Standing by is ready, too. */
  notReady(): string | undefined;
  isLeader(): boolean;
  /**
   * Works until the signal fires (`stopped`) or another replica may lead (`lost`: exit with a failure at once).
   */
  run(signal: AbortSignal): Promise<'stopped' | 'lost'>;
}

const MEASURE_MS = 5_000;
const SYNC_POLL_MS = 20;
const GRACE_MS = 20_000;

/** Wires everything; nothing runs before `run`. */
export function createManager(options: ManagerOptions): Manager {
  const { informers, clock, log, metrics } = options;
  const election = options.election && new Election({ ...options, ...options.election, identity: options.instance });
  const leadership = election ?? alwaysLeader;
  const kube = guardedKube(options.kube, leadership);
  const declared = declaredKinds(options);
  for (const resource of declared) informers.of(resource);
  const caches = cachesOf(informers, declared);
  const recorder = eventRecorder({ ...options, kube });
  const loops = options.controllers.map(
    (controller) =>
      new ControllerLoop({ controller, kube, informers, caches, leadership, recorder, clock, log, metrics }),
  );
  for (const loop of loops) loop.wire();

  const lead = async (signal: AbortSignal): Promise<void> => {
    const work = [
      ...loops.map((loop) => loop.run(signal)),
      ...(options.whileLeading ?? []).map((job) => job({ kube, caches, recorder, signal })),
      measure(loops, clock, signal),
    ];
    await Promise.all(work);
    await recorder.flush();
  };

  return {
    notReady: () =>
      informers
        .all()
        .map((informer) => informer.staleness())
        .find((reason) => reason !== undefined),
    isLeader: () => leadership.isLeader(),
    async run(signal) {
      const watching = new AbortController();
      const informing = Promise.all(informers.all().map((informer) => informer.run(watching.signal)));
      try {
        await synced(informers, clock, signal);
        await election?.acquire(signal);
        const ended = await leadUntil({ lead, election, signal, clock, graceMs: options.graceMs ?? GRACE_MS });
        if (ended === 'stopped') await election?.release();
        return ended;
      } catch (error) {
        if (signal.aborted) return 'stopped';
        throw error;
      } finally {
        watching.abort();
        await informing;
      }
    },
  };
}

interface Tenure {
  readonly lead: (signal: AbortSignal) => Promise<void>;
  readonly election: Election | undefined;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly graceMs: number;
}

/** Leads, renewing all the while and until the last reconcile has ended. */
async function leadUntil({ lead, election, signal, clock, graceMs }: Tenure): Promise<'stopped' | 'lost'> {
  const working = new AbortController();
  const renewing = new AbortController();
  const stop = (): void => working.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const held = election?.hold(renewing.signal);
  const work = lead(working.signal);
  const lost = held?.then((end) => (end === 'lost' ? ('lost' as const) : new Promise<never>(() => undefined)));
  try {
    const failed = work.then(() => 'stopped' as const);
    const first = await Promise.race([failed, ...(lost === undefined ? [] : [lost]), aborted(signal)]);
    if (first === 'lost') return 'lost';
    if (first === 'stopped') return 'stopped';
    const grace = clock.sleep(graceMs, renewing.signal).then(() => 'stopped' as const);
    return await Promise.race([failed, grace, ...(lost === undefined ? [] : [lost])]);
  } finally {
    signal.removeEventListener('abort', stop);
    working.abort();
    renewing.abort();
    await held;
  }
}

function aborted(signal: AbortSignal): Promise<'aborted'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('aborted');
    else signal.addEventListener('abort', () => resolve('aborted'), { once: true });
  });
}

async function synced(informers: Informers, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!informers.all().every((informer) => informer.synced())) await clock.sleep(SYNC_POLL_MS, signal);
}

async function measure(loops: readonly ControllerLoop[], clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const loop of loops) loop.queue.measure();
    await clock.sleep(MEASURE_MS, signal).catch(() => undefined);
  }
}

function declaredKinds(options: ManagerOptions): readonly Resource[] {
  const all = options.controllers.flatMap((controller) => [
    controller.root,
    ...(controller.owns ?? []),
    ...(controller.watches ?? []).map((watch) => watch.resource),
    ...(controller.indexes ?? []).map((index) => index.resource),
  ]);
  const unique = new Map([...all, ...(options.alsoWatched ?? [])].map((kind) => [describe(kind, undefined), kind]));
  return [...unique.values()];
}

function cachesOf(informers: Informers, declared: readonly Resource[]): Caches {
  const known = new Set(declared.map((resource) => describe(resource, undefined)));
  return {
    of(resource) {
      if (!known.has(describe(resource, undefined))) {
        throw new TypeError(
          `no controller declares ${describe(resource, undefined)}: add it to owns, watches or alsoWatched`,
        );
      }
      return informers.of<never>(resource).store;
    },
  };
}

/** A signal for SIGTERM and SIGINT; the second one ends the process at once. */
export function shutdownSignal(log: Log): AbortSignal {
  const stopping = new AbortController();
  const onSignal = (name: string): void => {
    if (stopping.signal.aborted) process.exit(1);
    log.info('stopping', { signal: name });
    stopping.abort(new Error(`received ${name}`));
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return stopping.signal;
}
