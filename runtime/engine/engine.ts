// Owns: putting an engine together.
import type { ChildReport } from '../../api/messages/asks.ts';
import type { RunSummary } from '../../api/messages/history.ts';
import type { Subscription } from '../../ports/bus.ts';
import { z } from 'zod';
import { isSignalboxError } from '../../api/errors.ts';
import { schemaChecks, type SchemaChecks } from '../json-schema.ts';
import { Assigner } from './assigner.ts';
import { Balancer } from './balancer.ts';
import { consumeEvents } from './bus-events.ts';
import { Catalog } from './catalog.ts';
import { controlOf, serveControl } from './control.ts';
import { waitMsMax } from './endings.ts';
import { type Owners, owners as ownersOf, refused, resultOf } from './forward.ts';
import { DiskWatch } from './disk-watch.ts';
import { decideGroup, LetterDesk, type LetterOptions } from './dead-letters.ts';
import { engineMetrics, type EngineMetrics } from './metrics.ts';
import { type OwnerOptions, PartitionOwner } from './owner.ts';
import type { EnginePorts, EngineSettings } from './ports.ts';
import { PresenceWatch } from './presence.ts';
import { Schedules } from './schedules.ts';
import type { Fallback } from './fallbacks.ts';
import type { Family } from './children.ts';
import type { Serving } from './serving.ts';
import { serveSignals } from './signals.ts';
import { Tenants } from './tenants.ts';
import { start, startOptions, whenOf } from './start.ts';
import { Witnesses } from './witnesses.ts';
import { serveWorkers } from './worker-asks.ts';

export interface Engine {
  readonly catalog: Catalog;
  readonly owners: Owners;
  readonly checks: SchemaChecks;
  readonly schedules: Schedules;
  /** Why nothing should be sent here, undefined when ready. */
  problem(): string | undefined;
  /** Which partitions are not served here although the others are, and why: for people, not for readiness. */
  refused(): string | undefined;
  stop(): Promise<void>;
}

const METRICS_MS = 2_000;
const startMessage = z.object({
  input: z.record(z.string(), z.unknown()).default({}),
  key: z.string().min(1).max(256).optional(),
  ...startOptions,
  /** Milliseconds: answered when the run has ended, at the latest then. */
  waitMs: z.int().min(0).max(waitMsMax).optional(),
});
/** Starts at work in one engine; those that wait for the end count too. */
const startsMax = 4_096;

export function startEngine(ports: EnginePorts, settings: EngineSettings): Engine {
  const stopping = new AbortController();
  const metrics = engineMetrics(ports.metrics);
  const witnesses = new Witnesses(ports.control, ports.log);
  const checks = schemaChecks();
  const catalog = new Catalog(() => served().forEach((serving) => serving.catalogChanged()));
  const disk = new DiskWatch(ports.journal, ports.log);
  const tenants = tenantsOf(ports, settings, { catalog, metrics, owners: () => owners });
  const answering = { ...assigning(ports, settings, catalog), catalog, checks, metrics, disk, tenants };
  const control = controlOf({ ...answering, decideGroup: (request) => decideGroup(starting(), request) });
  const owners = ownersOf(ports, settings, (partition, verb, payload) => {
    const serving = partitions[partition]?.serving;
    return serving === undefined ? undefined : control(serving, verb, payload);
  });
  const served = (): readonly Serving[] => partitions.flatMap(({ serving }) => serving ?? []);
  const presence = watchPresence(ports, served);
  const starting = (): LetterOptions => ({ ports, catalog, owners, checks });
  const desk = new LetterDesk(ports, () => partitions[0]?.serving !== undefined);
  const workers = { checks, receiptKey: ports.receiptKey, metrics, presence };
  const partitions = partitionOwners(settings, {
    ports,
    settings,
    catalog,
    metrics,
    witnesses,
    startFallback: (fallback) => startFallback(owners, fallback),
    family: familyOf(owners),
    subscribe: (serving) => [
      ...serveControl(ports.control, serving, control),
      ...serveWorkers(ports.work, serving, workers),
    ],
  });
  const watching = catalog.run(ports.control, ports.log, stopping.signal);
  const hearing = startOwners(partitions, witnesses, stopping.signal);
  const balancer = new Balancer({ ports, name: settings.name, ready: () => catalog.synced }, partitions);
  onReconnects(ports, { partitions, desk, presence });
  const schedules = new Schedules({ ...starting(), metrics, serves: (at) => partitions[at]?.serving !== undefined });
  const subscriptions = [consumeEvents(starting()), serveStarts(ports, starting()), serveSignals(ports, owners)];
  const measuring = setInterval(() => measure(metrics, partitions), METRICS_MS);
  return {
    catalog,
    owners,
    checks,
    schedules,
    problem: () => problemOf(ports, catalog, partitions) ?? disk.problem,
    refused: () => refusedOf(partitions),
    async stop() {
      clearInterval(measuring);
      presence?.stop();
      disk.stop();
      schedules.stop();
      desk.stop();
      await balancer.stop();
      for (const part of [subscriptions, partitions]) await Promise.all(part.map((one) => one.stop()));
      await witnesses.stop();
      stopping.abort();
      await Promise.all([watching, hearing]);
    },
  };
}

const assigning = ({ control, clock }: EnginePorts, { name }: EngineSettings, catalog: Catalog) => ({
  engine: name,
  now: () => clock.now(),
  assigner: new Assigner(control, catalog),
});

function tenantsOf(
  { clock, ids }: EnginePorts,
  { partitions, tenants: defaults = {} }: EngineSettings,
  parts: { readonly catalog: Catalog; readonly metrics: EngineMetrics; readonly owners: () => Owners },
): Tenants {
  return new Tenants({
    catalog: parts.catalog,
    partitions,
    defaults,
    now: () => clock.now(),
    newId: () => ids.random(),
    ask: (partition, payload) => parts.owners().askPartition(partition, 'tenant', payload),
    refused: (bound) => parts.metrics.refused(bound),
  });
}

const partitionOwners = ({ partitions }: EngineSettings, options: OwnerOptions): readonly PartitionOwner[] =>
  Array.from({ length: partitions }, (_, number) => new PartitionOwner(number, options));

/** Resolves at the signal: until then owners hear what the operator tells of their journals. */
function startOwners(partitions: readonly PartitionOwner[], witnesses: Witnesses, signal: AbortSignal): Promise<void> {
  for (const partition of partitions) partition.start();
  return witnesses.watch(signal, (partition) => partitions[partition]?.told());
}

interface Reconnecting {
  readonly partitions: readonly PartitionOwner[];
  readonly desk: LetterDesk;
  readonly presence: PresenceWatch | undefined;
}

/** What lived in the memory of NATS may be gone. */
function onReconnects({ control, work }: EnginePorts, { partitions, desk, presence }: Reconnecting): void {
  control.onReconnect(() => {
    desk.reconnected();
    for (const partition of partitions) partition.reconnected();
  });
  work.onReconnect(() => {
    presence?.reconnected();
    for (const { serving } of partitions) serving?.dispatch.republish();
  });
}

function watchPresence({ presence, log }: EnginePorts, served: () => readonly Serving[]): PresenceWatch | undefined {
  if (presence === undefined) return undefined;
  return new PresenceWatch({
    presence,
    log,
    atWork: () => served().flatMap(({ dispatch }) => [...dispatch.workers()]),
    gone: (worker) => {
      for (const { dispatch } of served()) dispatch.workerLost(worker);
    },
  });
}

function problemOf(ports: EnginePorts, catalog: Catalog, partitions: readonly PartitionOwner[]): string | undefined {
  const bus = ports.control.problem() ?? ports.work.problem();
  if (bus !== undefined) return bus;
  if (!catalog.synced) return 'the catalog is being read';
  // One bad journal keeps nobody from the others: requests for it are answered with the reason, all others are served.
  const wanted = partitions.filter((partition) => partition.wanted);
  if (wanted.length > 0 && wanted.every((partition) => partition.refused)) return refusedOf(partitions);
  const unsettled = partitions.filter((partition) => !partition.settled).map((partition) => partition.number);
  return unsettled.length === 0 ? undefined : `partitions ${unsettled.join(', ')} are being taken over`;
}

function refusedOf(partitions: readonly PartitionOwner[]): string | undefined {
  const reasons = partitions.filter(({ refused }) => refused).map(({ number, problem }) => ({ number, problem }));
  if (reasons.length === 0) return undefined;
  return reasons
    .map(
      ({ number, problem = 'its journal is being looked at once more' }) =>
        `partition ${number} is not served: ${problem}`,
    )
    .join('; ');
}

function familyOf(owners: Owners): Family {
  return {
    askChild: (child, request) => owners.ask<ChildReport>(child, 'child', request),
    tellParent: async (hint) => {
      const reply = await owners.ask<{ readonly known: boolean }>(hint.run, 'child-closed', hint);
      return reply.ok ? reply.result.known : reply.code === 'NOT_FOUND';
    },
  };
}

async function startFallback(owners: Owners, { state, workflow, run, reason, input }: Fallback): Promise<void> {
  const { namespace, requestedBy } = state;
  const parent = { run: state.run, reason };
  const request = {
    run,
    namespace,
    workflow,
    input,
    requestedBy,
    source: 'fallback',
    parent,
    key: `fallback/${state.run}`,
  };
  resultOf(await owners.ask<RunSummary>(run, 'start', request));
}

/** `start.<namespace>.<workflow>` in account WORK; answered after the commit. */
function serveStarts(
  { work, ids, clock }: EnginePorts,
  starting: { readonly catalog: Catalog; readonly owners: Owners; readonly checks: SchemaChecks },
): Subscription {
  return work.serve(
    'start.*.*',
    async ({ subject, payload }) => {
      const [, namespace = '', workflow = ''] = subject.split('.');
      const parsed = startMessage.safeParse(payload ?? {});
      if (!parsed.success) return { ok: false, code: 'INVALID_INPUT', message: z.prettifyError(parsed.error) };
      const { input, key, waitMs } = parsed.data;
      try {
        const started = await start(starting, {
          namespace,
          workflow,
          input: input as Fallback['input'],
          requestedBy: 'nats',
          source: 'bus',
          otherwise: `start/${ids.random()}`,
          ...(key === undefined ? {} : { key }),
          ...whenOf(parsed.data, clock.now()),
        });
        if (waitMs === undefined) return { ok: true, result: started };
        return await starting.owners.await({ run: started.run, namespace, waitMs });
      } catch (error) {
        if (isSignalboxError(error)) return refused(error);
        throw error;
      }
    },
    { queue: 'engines', maxParallel: startsMax },
  );
}

function measure(metrics: EngineMetrics, partitions: readonly PartitionOwner[]): void {
  const runs: Record<string, number> = { Running: 0, Waiting: 0, Frozen: 0, Closed: 0 };
  let [held, waiting, claimed, resident, packed, packedBytes] = [0, 0, 0, 0, 0, 0];
  for (const { serving } of partitions) {
    if (serving === undefined) continue;
    held += 1;
    waiting += serving.dispatch.waiting;
    claimed += serving.dispatch.claimed;
    const { table } = serving.partition;
    for (const [status, count] of Object.entries(table.counts())) runs[status] = (runs[status] ?? 0) + count;
    resident += table.resident;
    packed += table.size - table.resident;
    packedBytes += table.packedBytes;
  }
  metrics.partitions(held);
  metrics.runs(runs);
  metrics.tasks(waiting, claimed);
  metrics.memory(resident, packed, packedBytes);
  metrics.children(partitions.reduce((open, { serving }) => open + (serving?.children.open ?? 0), 0));
  metrics.dispatch(partitions.flatMap(({ serving }) => serving?.dispatch.counts ?? []));
}
