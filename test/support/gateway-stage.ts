// Owns: a gateway under test: the real process, a real nats-server, and an engine that answers as the test says.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectNats, natsBusAdmin, type NatsBus } from '../../adapters/nats/nats.ts';
import type { AuthorizeReply, AuthorizeRequest } from '../../api/messages/asks.ts';
import type { AgentSnapshot, ResolvedBundle } from '../../api/messages/catalog.ts';
import {
  askGateway,
  buckets,
  bundleToken,
  catalogKeys,
  engineSubject,
  type GatewayVerb,
} from '../../api/messages/subjects.ts';
import type { Permission } from '../../api/v1alpha1/agent.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { loadReceiptKey } from '../../runtime/receipts.ts';
import { startNats, type TestNats } from './nats.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const stageNamespace = 'clinic';
export const stageAgent = 'clerk';

export type Allowed = Extract<AuthorizeReply, { kind: 'Allowed' }>;

export interface GatewayProcess {
  readonly pid: number;
  /** Everything it wrote so far. */
  log(): string;
  /** The exit code, null after a signal. */
  readonly ended: Promise<number | null>;
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  terminate(): Promise<number | null>;
  rssMiB(): Promise<number>;
}

/** What the engine of the stage says; a test changes it. */
export interface EngineAnswers {
  allowed: Partial<Allowed>;
  refused: { code: string; message: string } | undefined;
  /** Digests a person said yes to. */
  readonly approved: Set<string>;
  /** Effects are authorized only when proposed. */
  proposed: boolean;
  readonly requests: AuthorizeRequest[];
}

export interface GatewayStage {
  readonly nats: TestNats;
  readonly control: NatsBus;
  readonly work: NatsBus;
  readonly receiptKey: Uint8Array;
  readonly engine: EngineAnswers;
  readonly bundle: ResolvedBundle;
  /** Replaces the live ceiling. */
  grant(permissions: readonly Permission[], more?: Partial<AgentSnapshot>): Promise<void>;
  startGateway(): Promise<GatewayProcess>;
  ask<T>(verb: GatewayVerb, payload: object, timeoutMs?: number): Promise<T>;
  stop(): Promise<void>;
}

export interface StageContent {
  readonly tools: Readonly<Record<string, ToolSpec>>;
  readonly models: Readonly<Record<string, ModelSpec>>;
  readonly spec?: Partial<BundleSpec>;
  /** Secret → key → value, mounted for the gateway. */
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly permissions: readonly Permission[];
  readonly budget?: AgentSnapshot['budget'];
}

export function bundleOf(content: StageContent): ResolvedBundle {
  const names = Object.keys(content.models);
  const spec: BundleSpec = {
    agent: stageAgent,
    prompts: { executor: { text: 'You are the clerk.' }, verifier: { text: 'You judge the clerk.' } },
    models: { start: names[0] ?? 'small' },
    tools: Object.keys(content.tools),
    verifier: { model: names[0] ?? 'small' },
    ...content.spec,
  };
  const pin = <T>(value: T) => ({ digest: digest(value), spec: value });
  const tools = Object.fromEntries(Object.entries(content.tools).map(([name, tool]) => [name, pin(tool)]));
  const models = Object.fromEntries(Object.entries(content.models).map(([name, model]) => [name, pin(model)]));
  return {
    namespace: stageNamespace,
    name: 'clerk-v1',
    agent: stageAgent,
    digest: digest({ agent: stageAgent, spec, tools, models }),
    spec,
    tools,
    models,
  };
}

export async function startGatewayStage(content: StageContent): Promise<GatewayStage> {
  const nats = await startNats();
  const connect = (account: 'control' | 'work') => connectNats({ url: nats.url, name: 'stage', ...nats[account] });
  const [control, work] = [await connect('control'), await connect('work')];
  const admin = natsBusAdmin({ control, work });
  await admin.ensureStreams(1);
  await admin.ensureTaskStreams();
  const catalog = await control.bucket<unknown>(buckets.catalog);
  const bundle = bundleOf(content);
  await catalog.put(catalogKeys.bundle(bundle.digest), bundle);
  const grant: GatewayStage['grant'] = async (permissions, more = {}) => {
    const agent: AgentSnapshot = {
      namespace: stageNamespace,
      name: stageAgent,
      role: 'Serves people.',
      generation: 1,
      permissions,
      bundle: bundle.name,
      bundleDigest: bundle.digest,
      ...more,
    };
    await catalog.put(catalogKeys.agent(stageNamespace, stageAgent), agent);
  };
  await grant(content.permissions);
  const engine = serveEngine(control, bundle);
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-gateway-'));
  for (const [secret, keys] of Object.entries(content.secrets ?? {})) {
    const place = join(folder, 'var/run/signalbox/secrets', secret);
    await mkdir(place, { recursive: true });
    for (const [key, value] of Object.entries(keys)) await writeFile(join(place, key), value);
  }
  const processes = new Set<ChildProcess>();
  const worker = { namespace: stageNamespace, agent: stageAgent, bundle: bundleToken(bundle.digest) };
  const ask = async <T>(verb: GatewayVerb, payload: object, timeoutMs: number): Promise<T> => {
    const reply = await work.ask<T>(askGateway(worker, verb), payload, timeoutMs);
    const { code } = reply as { readonly code?: string };
    return code === 'TIMEOUT' ? ask(verb, payload, timeoutMs) : reply;
  };
  return {
    nats,
    control,
    work,
    receiptKey: await loadReceiptKey(control),
    engine,
    bundle,
    grant,
    startGateway: () =>
      startProcess('runtime/gateway/main.ts', processes, {
        POD_NAME: `gateway-${processes.size}`,
        SIGNALBOX_ROOT: folder,
        SIGNALBOX_NAMESPACE: stageNamespace,
        SIGNALBOX_PARTITIONS: '1',
        ...natsEnvironment(nats),
      }),
    ask: (verb, payload, timeoutMs = 20_000) => ask(verb, payload, timeoutMs),
    async stop() {
      for (const child of processes) child.kill('SIGKILL');
      await Promise.allSettled([control.close(), work.close()]);
      await nats.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const natsEnvironment = (nats: TestNats): Record<string, string> => ({
  SIGNALBOX_NATS_URL: nats.url,
  SIGNALBOX_NATS_CONTROL_USER: nats.control.user,
  SIGNALBOX_NATS_CONTROL_PASSWORD: nats.control.password,
  SIGNALBOX_NATS_WORK_USER: nats.work.user,
  SIGNALBOX_NATS_WORK_PASSWORD: nats.work.password,
});

function serveEngine(control: NatsBus, bundle: ResolvedBundle): EngineAnswers {
  const answers: EngineAnswers = { allowed: {}, refused: undefined, approved: new Set(), proposed: true, requests: [] };
  const answer = async (asked: AuthorizeRequest): Promise<AuthorizeReply> => {
    answers.requests.push(asked);
    if (answers.refused !== undefined) return { kind: 'Refused', ...answers.refused };
    if (asked.effectful === true && !answers.proposed) {
      return { kind: 'Refused', code: 'DENIED', message: 'not proposed' };
    }
    const approved = answers.approved.has(asked.digest ?? '');
    return {
      kind: 'Allowed',
      run: { id: asked.run, namespace: asked.namespace, workflow: 'visit', requestedBy: 'test' },
      bundleDigest: bundle.digest,
      state: 'work',
      goal: 'Do the work.',
      readOnly: false,
      highRisk: false,
      input: { patient: 'p1' },
      facts: {},
      deadline: Date.now() + 30_000,
      approval: asked.approvalNeeded !== true ? 'notNeeded' : approved ? 'consumed' : 'absent',
      turns: [],
      ...answers.allowed,
    };
  };
  control.serve(engineSubject(0, 'authorize'), (request) => answer(request.payload as AuthorizeRequest), {
    maxParallel: 64,
  });
  return answers;
}

/** Starts an entry point on the project's Node; resolves once it serves. */
/** On a machine with much else to do. */
const READY_MS = 60_000;

export async function startProcess(
  entry: string,
  processes: Set<ChildProcess>,
  environment: Readonly<Record<string, string>>,
): Promise<GatewayProcess> {
  const child = spawn(
    join(root, 'node_modules/.bin/node'),
    ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=2', join(root, entry)],
    {
      cwd: root,
      env: {
        PATH: process.env['PATH'] ?? '',
        LOG_LEVEL: 'debug',
        POD_IP: '127.0.0.1',
        SIGNALBOX_HEALTH_PORT: '0',
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  processes.add(child);
  let output = '';
  child.stdout?.on('data', (chunk) => (output += String(chunk)));
  child.stderr?.on('data', (chunk) => (output += String(chunk)));
  const exited = new Promise<number | null>((resolve) =>
    child.once('exit', (code) => {
      processes.delete(child);
      resolve(code);
    }),
  );
  const until = Date.now() + READY_MS;
  while (!/"message":"(serving|taking tasks)"/.test(output)) {
    // One that is killed on purpose may not come so far.
    if (child.signalCode !== null && environment['SIGNALBOX_FAILPOINT'] !== undefined) break;
    if (child.exitCode !== null || Date.now() > until) throw new Error(`${entry} did not start:\n${output}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    pid: child.pid ?? 0,
    log: () => output,
    ended: exited,
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
    terminate: () => {
      child.kill('SIGTERM');
      return exited;
    },
    rssMiB: async () => {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024;
    },
  };
}
