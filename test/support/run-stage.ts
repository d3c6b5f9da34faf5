// Owns: a whole runtime under test without Kubernetes: real nats-server, engine, gateway and workers as processes; the test
// writes into the catalog what the operator would.
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectNats, natsBusAdmin, type NatsBus } from '../../adapters/nats/nats.ts';
import type { EngineReply, StartRequest } from '../../api/messages/asks.ts';
import type { AgentSnapshot, ResolvedBundle, ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { HistoryEvent, JsonObject, RunSummary } from '../../api/messages/history.ts';
import {
  buckets,
  catalogKeys,
  engineSubject,
  type EngineVerb,
  taskConsumer,
  taskSubject,
} from '../../api/messages/subjects.ts';
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import { isSignalboxError } from '../../api/errors.ts';
import {
  bundleOf,
  type GatewayProcess,
  natsEnvironment,
  stageAgent,
  type StageContent,
  stageNamespace,
  startProcess,
} from './gateway-stage.ts';
import { startNats, type TestNats } from './nats.ts';

type Environment = Readonly<Record<string, string>>;

export interface RunStage {
  readonly nats: TestNats;
  readonly control: NatsBus;
  readonly work: NatsBus;
  readonly bundle: ResolvedBundle;
  readonly partitions: number;
  /** Each process may be given more of an environment. */
  startEngine(more?: Environment): Promise<GatewayProcess>;
  startGateway(more?: Environment): Promise<GatewayProcess>;
  startWorker(name: string, more?: Environment): Promise<GatewayProcess>;
  /** The longest time that somebody had to ask until an engine answered. */
  readonly longestAskMs: () => number;
  /** Asks the engine; repeats while none is there. */
  engine<T>(verb: EngineVerb, payload: object): Promise<T>;
  start(run: string, workflow: string, input: JsonObject): Promise<RunSummary>;
  /** The run once `found` holds, at the latest after 40 s, or the patience that the stage has with an engine if that is more. */
  until(run: string, found: (summary: RunSummary) => boolean): Promise<RunSummary>;
  history(run: string): Promise<readonly HistoryEvent[]>;
  stop(): Promise<void>;
}

export interface RunStageOptions {
  /** Default 1. */
  readonly partitions?: number;
  /** How long the engine is asked again while nobody answers; default 20,000 ms. */
  readonly patienceMs?: number;
  /** What is in dist/, as the image has it; default: the sources. */
  readonly built?: boolean;
  /** Workflow → its escalation policy. */
  readonly policies?: Readonly<Record<string, EscalationPolicySpec>>;
  /** Default: a nats-server of its own with static users. */
  readonly nats?: TestNats;
  /** Environment by which gateway and workers prove who they are; default: the static users. */
  readonly identity?: (
    role: 'gateway' | 'worker',
    pod: string,
    bundle: ResolvedBundle,
  ) => Promise<Record<string, string>>;
}

export async function startRunStage(
  content: StageContent,
  workflows: Readonly<Record<string, WorkflowSpec>>,
  options: RunStageOptions = {},
): Promise<RunStage> {
  const nats = options.nats ?? (await startNats());
  const connect = (account: 'control' | 'work') => connectNats({ url: nats.url, name: 'stage', ...nats[account] });
  const [control, work] = [await connect('control'), await connect('work')];
  const admin = natsBusAdmin({ control, work, taskAckWaitMs: 5_000 });
  const partitions = options.partitions ?? 1;
  await admin.ensureStreams(partitions);
  await admin.ensureTaskStreams();
  const bundle = bundleOf(content);
  const consumer = taskConsumer(stageNamespace, stageAgent, bundle.digest);
  await admin.ensureTaskConsumer(consumer, taskSubject(stageNamespace, stageAgent, bundle.digest), 64);
  await writeCatalog(control, { content, bundle, workflows, policies: options.policies ?? {} });
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-run-'));
  await mkdir(join(folder, 'etc/signalbox'), { recursive: true });
  await writeFile(join(folder, 'etc/signalbox/bundle.json'), JSON.stringify(bundle));
  const processes = new Set<ChildProcess>();
  const environment = {
    SIGNALBOX_ROOT: folder,
    SIGNALBOX_NAMESPACE: stageNamespace,
    SIGNALBOX_PARTITIONS: String(partitions),
    SIGNALBOX_HTTP_PORT: '0',
  };
  const entry = (role: string): string => (options.built === true ? `dist/${role}.mjs` : `runtime/${role}/main.ts`);
  const { identity = () => Promise.resolve(natsEnvironment(nats)), patienceMs = 20_000 } = options;
  /** Runs whose start was acknowledged: from then on nobody may say that there is no such run. */
  const acknowledged = new Set<string>();
  let longestAskMs = 0;
  const engine: RunStage['engine'] = async <T>(verb: EngineVerb, payload: object) => {
    const asked = performance.now();
    const answer = await persist<T>(control, { verb, payload, partitions, patienceMs, acknowledged });
    longestAskMs = Math.max(longestAskMs, Math.round(performance.now() - asked));
    return answer;
  };
  const untilMs = Math.max(40_000, patienceMs);
  const show = (run: string) => engine<RunSummary>('show', { run, namespace: stageNamespace });
  return {
    nats,
    control,
    work,
    bundle,
    partitions,
    longestAskMs: () => longestAskMs,
    startEngine: (more) =>
      startProcess(entry('engine'), processes, {
        ...environment,
        ...natsEnvironment(nats),
        POD_NAME: 'engine-0',
        ...more,
      }),
    startGateway: async (more) =>
      startProcess(entry('gateway'), processes, {
        ...environment,
        ...(await identity('gateway', 'gateway-0', bundle)),
        POD_NAME: 'gateway-0',
        ...more,
      }),
    startWorker: async (name, more) =>
      startProcess(entry('worker'), processes, {
        ...environment,
        ...(await identity('worker', name, bundle)),
        POD_NAME: name,
        SIGNALBOX_AGENT: stageAgent,
        SIGNALBOX_BUNDLE_DIGEST: bundle.digest,
        SIGNALBOX_SLOTS: '4',
        ...more,
      }),
    engine,
    async start(run, workflow, input) {
      const request: StartRequest = {
        run,
        namespace: stageNamespace,
        workflow,
        input,
        requestedBy: 'test',
        source: 'object',
        // Whatever an object shows is in the projection from its first state to its last.
        object: { name: run.toLowerCase(), uid: run },
      };
      const started = await engine<RunSummary>('start', request);
      acknowledged.add(run);
      return started;
    },
    async until(run, found) {
      const end = Date.now() + untilMs;
      for (;;) {
        const summary = await show(run);
        if (found(summary)) return summary;
        if (Date.now() > end) throw new Error(`run ${run} did not get there: ${JSON.stringify(summary)}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    history: async (run) => (await engine<{ events: readonly HistoryEvent[] }>('history', { run })).events,
    async stop() {
      for (const child of processes) child.kill('SIGKILL');
      await Promise.allSettled([control.close(), work.close()]);
      await nats.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function writeCatalog(
  control: NatsBus,
  of: {
    readonly content: StageContent;
    readonly bundle: ResolvedBundle;
    readonly workflows: Readonly<Record<string, WorkflowSpec>>;
    readonly policies: Readonly<Record<string, EscalationPolicySpec>>;
  },
): Promise<void> {
  const { content, bundle, workflows, policies } = of;
  const catalog = await control.bucket<unknown>(buckets.catalog);
  await catalog.put(catalogKeys.bundle(bundle.digest), bundle);
  const agent: AgentSnapshot = {
    namespace: stageNamespace,
    name: stageAgent,
    role: 'Serves people.',
    generation: 1,
    permissions: content.permissions,
    bundle: bundle.name,
    bundleDigest: bundle.digest,
    ...(content.budget === undefined ? {} : { budget: content.budget }),
  };
  await catalog.put(catalogKeys.agent(stageNamespace, stageAgent), agent);
  for (const [name, spec] of Object.entries(workflows)) {
    const workflow: ResolvedWorkflow = {
      namespace: stageNamespace,
      name,
      digest: digest({ namespace: stageNamespace, name, spec }),
      spec,
      agents: [stageAgent],
      ...(policies[name] === undefined ? {} : { policy: { name, spec: policies[name] } }),
    };
    await catalog.put(catalogKeys.workflowAt(workflow.digest), workflow);
    await catalog.put(catalogKeys.workflow(stageNamespace, name), workflow);
  }
}

interface Asked {
  readonly verb: EngineVerb;
  readonly payload: object;
  readonly partitions: number;
  readonly patienceMs: number;
  readonly acknowledged: ReadonlySet<string>;
}

async function persist<T>(control: NatsBus, asked: Asked): Promise<T> {
  const { verb, payload, partitions, patienceMs, acknowledged } = asked;
  const { run = '' } = payload as { readonly run?: string };
  const subject = engineSubject(partitions === 1 ? 0 : partitionOf(run, partitions), verb);
  const until = Date.now() + patienceMs;
  for (;;) {
    try {
      const reply = await control.ask<EngineReply<T>>(subject, payload, 2_000);
      if (reply.ok) return reply.result;
      const passing = reply.code === 'NOT_OWNER' || (reply.code === 'NOT_FOUND' && !acknowledged.has(run));
      if (!passing) throw new Error(`${reply.code}: ${reply.message}`);
      if (Date.now() > until) throw new Error(`${reply.code}: ${reply.message}`);
    } catch (error) {
      if (!isSignalboxError(error) || Date.now() > until) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
