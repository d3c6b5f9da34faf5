// Owns: Signalbox under measurement: nats-server that fsyncs, the built engine, and one worker whose activity does nothing.
// The driver speaks NATS: a start that is answered at the run's end.
import { build } from 'esbuild';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { connectNats, natsBusAdmin, type NatsBus } from '../../adapters/nats/nats.ts';
import type { AwaitedRun, EngineReply } from '../../api/messages/asks.ts';
import type { AgentSnapshot, ResolvedBundle, ResolvedWorkflow } from '../../api/messages/catalog.ts';
import {
  buckets,
  catalogKeys,
  defaultPartitions,
  startSubject,
  taskConsumer,
  taskSubject,
} from '../../api/messages/subjects.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { smallMemory } from '../../operator/catalog/pods.ts';
import { projectRoot } from '../../local/plane/paths.ts';
import { type BenchNats, control, startNats, system, work } from './nats.ts';
import { type Peer, stepsOfRun } from './peer.ts';
import { freePorts, type Spawned, start, until } from './spawned.ts';

const namespace = 'bench';
/** No limit to speak of, as in the workers of the others: a no-op needs no slot of its own. */
const slots = 256;
const waitMs = 20_000;
const driverPatienceMs = 30_000;

export const signalboxPeer: Peer = {
  name: 'signalbox',
  durability: 'nats-server, file streams with one replica, sync_interval always: fsync before each acknowledgement',
  async start(folder) {
    const engineFile = join(projectRoot(), 'dist', 'engine.mjs');
    if (!existsSync(engineFile)) throw new Error('the engine is not built: run make build');
    const nats = await startNats(folder);
    const bus = await connectNats({ url: nats.url, ...work, name: 'driver' });
    const bundle = await prepare(nats, bus);
    const workerFile = await bundleWorker(folder);
    const [port = 0] = await freePorts(1);
    const engine = start(process.execPath, [engineFile], { cwd: folder, env: await engineEnvironment(nats, port) });
    await until('the engine', async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok);
    let [workers, waiting] = [0, 0];
    const startWorker = async (): Promise<Spawned> => {
      const worker = start(process.execPath, [workerFile], {
        cwd: folder,
        env: workerEnvironment(nats, bundle, (workers += 1)),
      });
      await worker.says('serving');
      return worker;
    };
    let worker = await startWorker();
    const ask = async (workflow: string, message: object): Promise<AwaitedRun> => {
      const reply = await bus.request<EngineReply<AwaitedRun>>(
        startSubject(namespace, workflow),
        message,
        driverPatienceMs,
      );
      if (reply.ok) return reply.result;
      throw new Error(`${reply.code}: ${reply.message}`);
    };
    return {
      versions: `this tree, nats-server ${nats.version}`,
      pids: () => ({ server: [nats.server.pid, engine.pid], worker: [worker.pid] }),
      async run(slowMs) {
        const { outcome, facts = {} } = await ask('five', { input: { slowMs }, waitMs });
        const results = Object.keys(facts).length;
        if (outcome !== 'success' || results !== stepsOfRun)
          throw new Error(`ended with ${outcome} and ${results} results`);
      },
      async replaceWorker() {
        await worker.kill();
        worker = await startWorker();
      },
      startWaiting: async () => void (await ask('waits', { input: { id: `never-${(waiting += 1)}` } })),
      waiting: () => openRuns(port),
      durableWrites: nats.stored,
      async stop() {
        await bus.close();
        await worker.kill('SIGTERM');
        await engine.kill('SIGTERM');
        // Warnings during a measurement belong to its result.
        if (engine.said() !== '') process.stderr.write(`the engine said:\n${engine.said()}\n`);
        await nats.server.kill();
      },
    };
  },
};

/** The environment that the shipped manifest gives an engine, with NATS where it is. */
async function engineEnvironment(nats: BenchNats, port: number): Promise<Record<string, string>> {
  const text = await readFile(join(projectRoot(), 'deploy', 'engine.yaml'), 'utf8');
  const manifests = parseAllDocuments(text).map((document) => document.toJS() as { kind: string } & Manifest);
  const container = manifests.find(({ kind }) => kind === 'Deployment')?.spec?.template?.spec?.containers?.[0];
  const plain = (container?.env ?? []).filter(({ value }) => value !== undefined);
  return {
    ...Object.fromEntries(plain.map(({ name, value }) => [name, value ?? ''])),
    SIGNALBOX_NATS_URL: nats.url,
    SIGNALBOX_NATS_MONITOR_URL: nats.monitorUrl,
    SIGNALBOX_NATS_CONTROL_USER: control.user,
    SIGNALBOX_NATS_CONTROL_PASSWORD: control.password,
    SIGNALBOX_NATS_WORK_USER: work.user,
    SIGNALBOX_NATS_WORK_PASSWORD: work.password,
    SIGNALBOX_NATS_SYSTEM_USER: system.user,
    SIGNALBOX_NATS_SYSTEM_PASSWORD: system.password,
    SIGNALBOX_HTTP_PORT: String(port),
    POD_IP: '127.0.0.1',
    POD_NAME: 'bench-engine',
    LOG_LEVEL: process.env['BENCH_LOG_LEVEL'] ?? 'warn',
    ...(process.env['BENCH_ENGINE_NODE_OPTIONS'] === undefined
      ? {}
      : { NODE_OPTIONS: process.env['BENCH_ENGINE_NODE_OPTIONS'] }),
  };
}

interface Manifest {
  readonly spec?: {
    readonly template?: {
      readonly spec?: {
        readonly containers?: readonly { readonly env?: readonly { name: string; value?: string }[] }[];
      };
    };
  };
}

const workerEnvironment = (nats: BenchNats, bundle: ResolvedBundle, number: number): Record<string, string> => ({
  BENCH_NATS: nats.url,
  BENCH_USER: work.user,
  BENCH_PASSWORD: work.password,
  BENCH_BUNDLE: JSON.stringify(bundle),
  BENCH_SLOTS: String(slots),
  BENCH_NAME: `bench-worker-${number}`,
  ...Object.fromEntries(smallMemory('worker').map(({ name, value }) => [name, value])),
  ...(process.env['BENCH_WORKER_NODE_OPTIONS'] === undefined
    ? {}
    : { NODE_OPTIONS: process.env['BENCH_WORKER_NODE_OPTIONS'] }),
});

/** One file, as the shipped worker is built. */
async function bundleWorker(folder: string): Promise<string> {
  const outfile = join(folder, 'worker.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, 'signalbox-worker.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
    logLevel: 'error',
  });
  return outfile;
}

/** What an operator would have resolved: one agent, two workflows, streams and the agent's consumer. */
async function prepare(nats: BenchNats, bus: NatsBus): Promise<ResolvedBundle> {
  const own = await connectNats({ url: nats.url, ...control, name: 'bench' });
  const admin = natsBusAdmin({ control: own, work: bus });
  await admin.ensureStreams(defaultPartitions);
  await admin.ensureTaskStreams();
  const content = {
    namespace,
    name: 'noop-1',
    agent: 'noop',
    spec: {
      agent: 'noop',
      prompts: { executor: { text: 'Do nothing.' } },
      models: { start: 'none' },
      tools: [],
      verifier: { rules: [{ name: 'always', cel: 'true' }] },
    },
    tools: {},
    models: {},
  };
  const bundle: ResolvedBundle = { ...content, digest: digest(content) };
  const agent: AgentSnapshot = {
    namespace,
    name: 'noop',
    role: 'Does nothing.',
    generation: 1,
    permissions: [],
    bundle: bundle.name,
    bundleDigest: bundle.digest,
  };
  const catalog = await own.bucket(buckets.catalog);
  await catalog.put(catalogKeys.bundle(bundle.digest), bundle);
  await catalog.put(catalogKeys.agent(namespace, 'noop'), agent);
  await admin.ensureTaskConsumer(
    taskConsumer(namespace, 'noop', bundle.digest),
    taskSubject(namespace, 'noop', bundle.digest),
    4 * slots,
  );
  for (const [name, spec] of Object.entries({ five: five(), waits })) {
    const resolved = { namespace, name, spec };
    const workflow: ResolvedWorkflow = { ...resolved, digest: digest(resolved), agents: ['noop'] };
    await catalog.put(catalogKeys.workflowAt(workflow.digest), workflow);
    await catalog.put(catalogKeys.workflow(namespace, name), workflow);
  }
  await own.close();
  return bundle;
}

const task = {
  type: 'task',
  agent: 'noop',
  backup: 'none',
  goal: 'Do nothing.',
  timeout: '1h',
  exits: { error: 'failed', timeout: 'failed' },
} as const;
const ends = {
  done: { type: 'terminal', outcome: 'success' },
  failed: { type: 'terminal', outcome: 'failed' },
} as const;

function five(): WorkflowSpec {
  const names = Array.from({ length: stepsOfRun }, (_, index) => `step_${index + 1}`);
  return {
    input: { type: 'object' },
    start: 'step_1',
    states: { ...Object.fromEntries(names.map((name) => [name, task])), ...ends },
    transitions: names.map((from, index) => ({ from, to: names[index + 1] ?? 'done' })),
  } as unknown as WorkflowSpec;
}

const waits = {
  input: { type: 'object' },
  start: 'step_1',
  states: {
    step_1: task,
    waiting: {
      type: 'wait',
      for: { event: 'go', by: 'input.id' },
      timeout: '24h',
      exits: { timeout: 'failed' },
    },
    ...ends,
  },
  transitions: [
    { from: 'step_1', to: 'waiting' },
    { from: 'waiting', to: 'done' },
  ],
} as unknown as WorkflowSpec;

async function openRuns(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^signalbox_engine_runs\{status="Running"\} (\d+)/m.exec(text)?.[1] ?? Number.NaN);
}
