// Owns: a sandbox: the real engine, gateway and workers in one process, over a nats-server of its own. Each trial has a namespace
// of its own, so that no run, budget, rate or key of one is seen by another.
import { SignalboxError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import { buckets, catalogKeys, taskConsumer, taskSubject } from '../../api/messages/subjects.ts';
import type { Scenario } from '../../api/v1alpha1/scenario.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { catalogFor, type Manifests, type PlayedCatalog } from '../../core/evaluation/catalog.ts';
import { seedOf } from '../../core/evaluation/faults.ts';
import type { TrialRecord } from '../../core/evaluation/record.ts';
import { limitDefaults } from '../../core/evaluation/trial.ts';
import { durationMs } from '../../core/routing/duration.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import type { Tools } from '../../ports/agent.ts';
import type { BusAdmin } from '../../ports/bus.ts';
import type { Ledger } from '../../ports/journal.ts';
import { type Engine, startEngine } from '../engine/engine.ts';
import type { EnginePorts } from '../engine/ports.ts';
import { start } from '../engine/start.ts';
import { gatewayOf, serveAsks } from '../gateway/gateway.ts';
import type { GatewayPorts } from '../gateway/ports.ts';
import { startWorker } from '../worker/worker.ts';
import { Follower } from './follow.ts';
import { simulatedModel } from './simulated-model.ts';
import { type NameOf, simulatedTools } from './simulated-tools.ts';
import { TrialWorld } from './trial-world.ts';

export interface SandboxPorts extends EnginePorts {
  readonly ledgerOfCalls: Ledger;
  readonly admin: BusAdmin;
  /** The adapters that a gateway has. */
  readonly tools: Tools;
  readonly scripted: GatewayPorts['model'];
}

export interface Sandbox {
  load(manifests: Manifests): Promise<void>;
  /** Never rejects: what goes wrong is a problem of the record. */
  play(id: number, scenario: Scenario, trial: number): Promise<TrialRecord>;
  stop(): Promise<void>;
}

export const partitions = 2;
const slots = 4;
const readyMs = 60_000;
const wallDefaultMs = durationMs(limitDefaults.wall, 30_000);

/** The streams of `partitions` are there. */
export async function startSandbox(ports: SandboxPorts): Promise<Sandbox> {
  const engine = startEngine(ports, { name: 'sandbox', partitions });
  const declared: Declared = {};
  const worlds = new Map<string, TrialWorld>();
  const tools = await simulatedTools(
    ports.tools,
    worlds,
    named(() => declared.manifests?.tools),
  );
  const model = simulatedModel(
    ports.scripted,
    worlds,
    named(() => declared.manifests?.models),
  );
  await untilReady(ports, engine);
  const departing = new Set<Promise<unknown>>();
  const leaving = (work: Promise<unknown>): void => {
    const gone = work.catch((error: unknown) => ports.log.warn('a crew could not be dismissed', { error }));
    departing.add(gone);
    void gone.then(() => departing.delete(gone));
  };
  const stage: Stage = { ports, engine, tools, model, worlds, leaving };
  return {
    async load(manifests) {
      declared.manifests = manifests;
      const catalog = await ports.control.bucket(buckets.catalog);
      const all = Object.keys(manifests.workflows).flatMap((name) => catalogFor(manifests, 'sandbox', name).bundles);
      for (const bundle of new Map(all.map((one) => [one.digest, one])).values())
        await catalog.put(catalogKeys.bundle(bundle.digest), bundle);
    },
    play: (id, scenario, trial) => play(stage, declared, { id, scenario, trial }),
    async stop() {
      await Promise.all(departing);
      await tools.close();
      await engine.stop();
    },
  };
}

interface Declared {
  manifests?: Manifests;
}

interface Stage {
  readonly ports: SandboxPorts;
  readonly engine: Engine;
  readonly tools: Tools;
  readonly model: GatewayPorts['model'];
  readonly worlds: Map<string, TrialWorld>;
  /** What is waited for at the end of the sandbox only. */
  readonly leaving: (work: Promise<unknown>) => void;
}

function named<Spec extends object>(specs: () => Readonly<Record<string, Spec>> | undefined): NameOf<Spec> {
  let names: ReadonlyMap<string, string> | undefined;
  return (spec) => (names ??= namesByDigest(specs() ?? {})).get(digest(spec));
}

async function untilReady({ clock }: SandboxPorts, engine: Engine): Promise<void> {
  const until = clock.now() + readyMs;
  for (let problem = engine.problem(); problem !== undefined; problem = engine.problem()) {
    if (clock.now() > until) throw new SignalboxError('PLANE_FAILED', `the engine is not ready: ${problem}`);
    await clock.sleep(10);
  }
}

interface Order {
  readonly id: number;
  readonly scenario: Scenario;
  readonly trial: number;
}

async function play(stage: Stage, { manifests }: Declared, { id, scenario, trial }: Order): Promise<TrialRecord> {
  const { ports, worlds } = stage;
  const seed = seedOf(scenario.seed, trial);
  const namespace = `trial-${id}`;
  const world = new TrialWorld(scenario, seed);
  worlds.set(namespace, world);
  const since = ports.clock.now();
  const known = () => ({
    scenario: scenario.name,
    trial,
    seed,
    calls: world.calls,
    state: world.state,
    faults: world.faults,
    elapsedMs: ports.clock.now() - since,
    ...(world.problem === undefined ? {} : { problem: world.problem }),
  });
  try {
    if (manifests === undefined) throw new SignalboxError('CONFIG_INVALID', 'no manifests are loaded');
    const catalog = catalogFor(manifests, namespace, scenario.workflow);
    const played = await playIn({ ...stage, namespace, scenario, world, catalog });
    return { ...known(), ...played };
  } catch (error) {
    world.trouble(error instanceof Error ? error.message : String(error));
    return { ...known(), end: 'stalled', runs: [] };
  } finally {
    worlds.delete(namespace);
  }
}

/** Two objects with one spec cannot be told apart: neither has a name. */
function namesByDigest(specs: Readonly<Record<string, object>>): ReadonlyMap<string, string> {
  const groups = Map.groupBy(Object.entries(specs), ([, spec]) => digest(spec));
  return new Map([...groups].flatMap(([key, same]) => (same.length === 1 ? [[key, same[0]?.[0] ?? ''] as const] : [])));
}

interface Playing extends Stage {
  readonly namespace: string;
  readonly scenario: Scenario;
  readonly world: TrialWorld;
  readonly catalog: PlayedCatalog;
}

async function playIn(playing: Playing): Promise<Pick<TrialRecord, 'end' | 'runs'>> {
  const { ports, engine, namespace, scenario, world, leaving } = playing;
  const { clock, work } = ports;
  await publish(playing);
  const crew = await hire(playing);
  try {
    const untilMs = clock.now() + durationMs(scenario.limits?.wall, wallDefaultMs);
    const first = await start(engine, {
      namespace,
      workflow: scenario.workflow,
      input: (scenario.input ?? {}) as JsonObject,
      requestedBy: scenario.requestedBy ?? 'scenario',
      source: 'http',
      otherwise: 'trial',
    });
    const broken = (): boolean => world.problem !== undefined;
    const ask = engine.owners.ask.bind(engine.owners);
    const follower = new Follower({ namespace, scenario, clock, work, ask, broken }, first);
    const end = await follower.toEnd(untilMs);
    const runs = await follower.histories();
    if (end !== 'closed') await follower.cancel();
    return { end, runs };
  } finally {
    leaving(crew.dismiss());
  }
}

/** As the operator does. */
async function publish({ ports, catalog: { workflows, agents } }: Playing): Promise<void> {
  const catalog = await ports.control.bucket(buckets.catalog);
  const entries: (readonly [string, unknown])[] = [
    ...agents.map((agent) => [catalogKeys.agent(agent.namespace, agent.name), agent] as const),
    ...workflows.map((workflow) => [catalogKeys.workflowAt(workflow.digest), workflow] as const),
    ...workflows.map((workflow) => [catalogKeys.workflow(workflow.namespace, workflow.name), workflow] as const),
  ];
  await Promise.all(entries.map(([key, value]) => catalog.put(key, value)));
}

interface Crew {
  dismiss(): Promise<void>;
}

/** A gateway, and a worker for each agent. */
async function hire({ ports, tools, model, namespace, catalog: { bundles } }: Playing): Promise<Crew> {
  const { admin, work, control, clock, ids, log, metrics, receiptKey, ledgerOfCalls: ledger } = ports;
  const consumerOf = (agent: string, of: string): string => taskConsumer(namespace, agent, of);
  await Promise.all(
    bundles.map(({ agent, digest: of }) =>
      admin.ensureTaskConsumer(consumerOf(agent, of), taskSubject(namespace, agent, of), 4 * slots),
    ),
  );
  const credentials = { read: () => Promise.resolve('sandbox') };
  const outside = { model, tools, credentials, clock, ids, log, metrics, receiptKey };
  const gateway = gatewayOf(
    { control, ledger, ...outside },
    { namespace, opener: 'sandbox', partitionOf: (run) => partitionOf(run, partitions) },
  );
  const serving = serveAsks(gateway, work);
  const workers = bundles.map((bundle) =>
    startWorker(
      { bus: work, clock, log, metrics },
      { namespace, agent: bundle.agent, bundle, slots, name: `${namespace}-${bundle.agent}` },
    ),
  );
  return {
    async dismiss() {
      await Promise.all([...workers.map((worker) => worker.drain(0)), serving.drain(0)]);
      await Promise.all(bundles.map(({ agent, digest: of }) => admin.deleteTaskConsumer(consumerOf(agent, of))));
    },
  };
}
