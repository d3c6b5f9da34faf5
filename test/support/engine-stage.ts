// Owns: an engine under test: the real engine (here or as a process), a real nats-server, and workers that a test scripts.
import { type ChildProcess, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectNats, natsBusAdmin, type NatsBus } from '../../adapters/nats/nats.ts';
import { systemIds } from '../../adapters/system/ids.ts';
import type {
  AuthorizeReply,
  AuthorizeRequest,
  ClaimReply,
  DecideRequest,
  EngineReply,
  StartRequest,
  TaskHint,
} from '../../api/messages/asks.ts';
import type { AgentSnapshot, ResolvedBundle, ResolvedPolicy, ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { HistoryEvent, JsonObject, RunSummary } from '../../api/messages/history.ts';
import {
  askEngine,
  buckets,
  bundleToken,
  catalogKeys,
  engineSubject,
  type EngineVerb,
  eventSubject,
  streams,
  taskConsumer,
  taskSubject,
  type WorkerEngineVerb,
} from '../../api/messages/subjects.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { partitionOf, runIdFor } from '../../core/workflow/partition.ts';
import type { Subscription, Task } from '../../ports/bus.ts';
import { type Engine, startEngine } from '../../runtime/engine/engine.ts';
import type { EnginePorts, StorageSettings } from '../../runtime/engine/ports.ts';
import { loadReceiptKey } from '../../runtime/receipts.ts';
import { enginePorts } from './engine-ports.ts';
import { startNats, type TestNats } from './nats.ts';
import { type Desk, openDesk, type Script, type Work } from './worker-desk.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const namespace = 'clinic';
export const partitions = 2;

export interface EngineProcess {
  readonly pid: number;
  log(): string;
  kill(): Promise<void>;
  rssMiB(): Promise<number>;
}

export class EngineStage {
  readonly nats: TestNats;
  readonly control: NatsBus;
  readonly work: NatsBus;
  readonly #key: Uint8Array;
  readonly #bundles = new Map<string, ResolvedBundle>();
  readonly #stops: (() => Promise<unknown>)[] = [];
  #workers = 0;

  private constructor(nats: TestNats, control: NatsBus, work: NatsBus, key: Uint8Array) {
    this.nats = nats;
    this.control = control;
    this.work = work;
    this.#key = key;
  }

  /** `nats`: one that the caller has started; the stage stops it. */
  static async start(
    options: { readonly journalBytesMax?: number; readonly nats?: TestNats } = {},
  ): Promise<EngineStage> {
    const nats = options.nats ?? (await startNats());
    const control = await connectNats({ url: nats.url, ...nats.control, name: 'stage' });
    const work = await connectNats({ url: nats.url, ...nats.work, name: 'stage' });
    const admin = natsBusAdmin({
      control,
      work,
      journalBytesMax: options.journalBytesMax ?? 200_000_000,
      checkpointBytesMax: 200_000_000,
      archiveBytesMax: 200_000_000,
      ledgerBytesMax: 50_000_000,
    });
    await admin.ensureStreams(partitions);
    await admin.ensureTaskStreams();
    const stage = new EngineStage(nats, control, work, await loadReceiptKey(control));
    stage.#admin = admin;
    return stage;
  }

  #admin: ReturnType<typeof natsBusAdmin> | undefined;

  async stop(): Promise<void> {
    for (const stop of this.#stops.toReversed()) await stop();
    await Promise.all([this.control.close(), this.work.close()]);
    await this.nats.stop();
  }

  /** An agent with a bundle, its consumer, and (with a script) one worker. */
  async agent(name: string, script?: Script, spec: Partial<BundleSpec> = {}): Promise<ResolvedBundle> {
    const content = {
      namespace,
      name: `${name}-1`,
      agent: name,
      spec: {
        agent: name,
        prompts: { executor: { text: 'Work.' } },
        models: { start: 'small' },
        tools: [],
        verifier: { rules: [{ name: 'always', cel: 'true' }] },
        ...spec,
      },
      tools: {},
      models: {},
    };
    const bundle: ResolvedBundle = { ...content, digest: digest(content) };
    this.#bundles.set(name, bundle);
    const snapshot: AgentSnapshot = {
      namespace,
      name,
      role: 'Works.',
      generation: 1,
      permissions: [],
      bundle: bundle.name,
      bundleDigest: bundle.digest,
    };
    const catalog = await this.control.bucket(buckets.catalog);
    await catalog.put(catalogKeys.bundle(bundle.digest), bundle);
    await catalog.put(catalogKeys.agent(namespace, name), snapshot);
    const consumer = taskConsumer(namespace, name, bundle.digest);
    await this.#admin?.ensureTaskConsumer(consumer, taskSubject(namespace, name, bundle.digest), 64);
    if (script !== undefined) this.worker(name, script);
    return bundle;
  }

  async workflow(
    name: string,
    spec: WorkflowSpec,
    policy?: EscalationPolicySpec,
    of = namespace,
  ): Promise<ResolvedWorkflow> {
    const agents = new Set<string>();
    for (const state of Object.values(spec.states)) {
      if (state.agent !== undefined) agents.add(state.agent);
      if (state.backup !== undefined && state.backup !== 'none') agents.add(state.backup);
    }
    for (const rule of policy?.rules ?? []) if (rule.agent !== undefined) agents.add(rule.agent);
    const resolvedPolicy: ResolvedPolicy | undefined =
      policy === undefined ? undefined : { name: 'policy', spec: policy };
    const content = { namespace: of, name, spec, ...(resolvedPolicy === undefined ? {} : { policy: resolvedPolicy }) };
    const workflow: ResolvedWorkflow = { ...content, digest: digest(content), agents: [...agents] };
    const catalog = await this.control.bucket(buckets.catalog);
    await catalog.put(catalogKeys.workflowAt(workflow.digest), workflow);
    await catalog.put(catalogKeys.workflow(of, name), workflow);
    return workflow;
  }

  /** A worker of the agent; `stop` is a worker that dies: nothing is acknowledged or said any more. */
  worker(agent: string, script: Script, slots = 8): { readonly name: string; die(): void } {
    const bundle = this.#bundles.get(agent);
    if (bundle === undefined) throw new Error(`no agent ${agent}`);
    const name = `${agent}-${(this.#workers += 1)}`;
    let dead = false;
    const subscription: Subscription = this.work.consume(
      streams.tasks,
      taskConsumer(namespace, agent, bundle.digest),
      slots,
      (task) => this.#take(task, { name, bundle, script, dead: () => dead }),
    );
    this.#stops.push(async () => {
      dead = true;
      await Promise.race([subscription.stop(), new Promise((resolve) => setTimeout(resolve, 500))]);
    });
    return {
      name,
      die: () => {
        dead = true;
        void subscription.stop();
      },
    };
  }

  async #take(
    task: Task,
    as: { name: string; bundle: ResolvedBundle; script: Script; dead: () => boolean },
  ): Promise<void> {
    const hint = task.payload as TaskHint;
    const identity = { namespace, agent: as.bundle.agent, bundle: bundleToken(as.bundle.digest) };
    const target = { run: hint.run, activity: hint.activity, attempt: hint.attempt };
    const ask = <T>(verb: WorkerEngineVerb, payload: object = {}): Promise<T> =>
      as.dead()
        ? new Promise<T>(() => undefined)
        : this.#patiently(() =>
            this.work.ask<T>(
              askEngine(identity, hint.partition, verb),
              { ...target, worker: as.name, ...payload },
              3_000,
            ),
          );
    const claimed = await ask<ClaimReply | { kind: 'Error'; code: string }>('claim');
    if (claimed.kind === 'Busy') return task.nak(500);
    if (claimed.kind !== 'Work') return task.ack();
    const beat = setInterval(() => void ask('heartbeat').catch(() => undefined), 1_000);
    try {
      const authorize: Desk['authorize'] = (request) => this.#authorize(claimed, as.name, request);
      await as.script(openDesk({ work: claimed, worker: as.name, ask, authorize, receiptKey: this.#key }));
      if (!as.dead()) task.ack();
    } finally {
      clearInterval(beat);
    }
  }

  /** As the gateway asks about a call of this worker. */
  #authorize(work: Work, worker: string, request: Partial<AuthorizeRequest>): Promise<AuthorizeReply> {
    const { run, activity, attempt } = work;
    const agent = worker.replace(/-\d+$/, '');
    return this.control
      .ask(
        engineSubject(partitionOf(run.id, partitions), 'authorize'),
        {
          run: run.id,
          namespace,
          activity,
          attempt,
          turn: 1,
          kind: 'tool',
          agent,
          bundle: this.#bundles.get(agent)?.digest ?? '',
          ...request,
        },
        3_000,
      )
      .then((reply) => (reply as EngineReply<AuthorizeReply> & { ok: true }).result);
  }

  /** Asks the owner of a run until somebody owns it. */
  ask<T>(run: string, verb: EngineVerb, payload: object): Promise<EngineReply<T>> {
    return this.#patiently(async () => {
      const reply = await this.control.ask<EngineReply<T>>(
        engineSubject(partitionOf(run, partitions), verb),
        payload,
        3_000,
      );
      if (!reply.ok && reply.code === 'NOT_OWNER') throw new Error(reply.message);
      return reply;
    });
  }

  async #patiently<T>(action: () => Promise<T>): Promise<T> {
    const until = Date.now() + 20_000;
    for (;;) {
      try {
        const reply = await action();
        const code = (reply as { code?: string } | null)?.code;
        if (code !== 'NOT_OWNER' || Date.now() > until) return reply;
      } catch (error) {
        if (Date.now() > until) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async begin(workflow: string, input: JsonObject = {}, more: Partial<StartRequest> = {}): Promise<string> {
    const run = more.run ?? runIdFor(namespace, workflow, more.key ?? systemIds().random());
    const request = { run, namespace, workflow, input, requestedBy: 'ann', source: 'http', ...more };
    const reply = await this.ask<RunSummary>(run, 'start', request);
    if (!reply.ok) throw new Error(`${reply.code}: ${reply.message}`);
    return run;
  }

  async show(run: string): Promise<RunSummary> {
    const reply = await this.ask<RunSummary>(run, 'show', { run });
    if (!reply.ok) throw new Error(`${reply.code}: ${reply.message}`);
    return reply.result;
  }

  async until(run: string, condition: (summary: RunSummary) => boolean, timeoutMs = 15_000): Promise<RunSummary> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const summary = await this.show(run);
      if (condition(summary)) return summary;
      if (Date.now() > end) throw new Error(`run ${run} did not get there: ${JSON.stringify(summary)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  closed(run: string, timeoutMs?: number): Promise<RunSummary> {
    return this.until(run, (summary) => summary.status === 'Closed', timeoutMs);
  }

  async history(run: string): Promise<readonly HistoryEvent[]> {
    const reply = await this.ask<{ events: HistoryEvent[] }>(run, 'history', { run });
    if (!reply.ok) throw new Error(reply.message);
    return reply.result.events;
  }

  async types(run: string): Promise<readonly string[]> {
    return (await this.history(run)).map((event) => event.type);
  }

  decide(run: string, escalation: string, more: Partial<DecideRequest> = {}): Promise<EngineReply<unknown>> {
    return this.history(run).then((events) => {
      const opened = events.findLast(
        (event) => event.type === 'EscalationOpened' && event.escalation.id === escalation,
      ) as Extract<HistoryEvent, { type: 'EscalationOpened' }> | undefined;
      return this.ask(run, 'decide', {
        namespace,
        run,
        escalation,
        queue: opened?.escalation.queue ?? '',
        option: 'approve',
        by: 'bob',
        reason: 'looks right',
        digest: opened?.escalation.digest ?? '',
        decision: `uid-${escalation}`,
        ...more,
      });
    });
  }

  event(subject: string, key: string, payload: JsonObject, id = systemIds().random()): Promise<void> {
    return this.work.publish(eventSubject(namespace, subject), { id, key, payload });
  }

  /** The engine in this process. */
  async engine(
    name = 'engine',
    storage?: StorageSettings,
    written: { readonly recordVersion?: number } = {},
  ): Promise<{ readonly engine: Engine; readonly ports: EnginePorts }> {
    const { url } = this.nats;
    const control = await connectNats({ url, ...this.nats.control, name });
    const work = await connectNats({ url, ...this.nats.work, name });
    const ports = await enginePorts({ control, work }, { name, receiptKey: this.#key, ...written });
    const engine = startEngine(ports, { name, partitions, ...(storage === undefined ? {} : { storage }) });
    this.#stops.push(async () => {
      await engine.stop();
      await Promise.all([control.close(), work.close()]);
    });
    return { engine, ports };
  }

  /**
   * The engine as a process that can be killed. A variable of `environment` that is undefined is not set. `program`: the
   * sources, or what is built of them.
   */
  engineProcess(
    name = 'engine-pod',
    environment: Readonly<Record<string, string | undefined>> = {},
    program: 'runtime/engine/main.ts' | 'dist/engine.mjs' = 'runtime/engine/main.ts',
  ): EngineProcess {
    const child: ChildProcess = spawn(join(root, 'node_modules', '.bin', 'node'), [join(root, program)], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'] ?? '',
        SIGNALBOX_NATS_URL: this.nats.url,
        SIGNALBOX_NATS_MONITOR_URL: this.nats.monitorUrl,
        SIGNALBOX_NATS_CONTROL_USER: this.nats.control.user,
        SIGNALBOX_NATS_CONTROL_PASSWORD: this.nats.control.password,
        SIGNALBOX_NATS_WORK_USER: this.nats.work.user,
        SIGNALBOX_NATS_WORK_PASSWORD: this.nats.work.password,
        SIGNALBOX_PARTITIONS: String(partitions),
        SIGNALBOX_HTTP_PORT: '0',
        POD_IP: '127.0.0.1',
        POD_NAME: name,
        ...environment,
      },
    });
    let log = '';
    child.stdout?.on('data', (chunk: Buffer) => (log += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const kill = async (): Promise<void> => {
      child.kill('SIGKILL');
      await ended;
    };
    this.#stops.push(kill);
    return {
      pid: child.pid ?? 0,
      log: () => log,
      kill,
      rssMiB: async () => {
        const { readFile } = await import('node:fs/promises');
        const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
        return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024;
      },
    };
  }
}
