// Owns: the operator as a process beside a test plane, with the rights of its own service account and nothing more.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../local/plane/ports.ts';
import { nodeOptions } from '../../operator/catalog/pods.ts';
import type { TestPlane } from './plane.ts';

const root = join(import.meta.dirname, '../..');
const readyMs = 30_000;
const isBuilt = process.env['SIGNALBOX_TEST_BUILT'] === '1';
export const systemNamespace = 'signalbox-system';

export interface TestOperator {
  readonly lines: readonly string[];
  readonly pid: () => number | undefined;
  /** GET of a page of its health port. */
  page(path: string): Promise<{ readonly status: number; readonly body: string }>;
  /** With more of an environment, if given. Resolves when it is ready, or was killed on its way by a failpoint. */
  start(more?: NodeJS.ProcessEnv): Promise<void>;
  /** Resolves when the process that runs now has ended. */
  ended(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  terminate(): Promise<number | null>;
  stop(): Promise<void>;
}

/** Applies deploy/ and starts the operator; resolves when it is ready. */
export async function startOperator(plane: TestPlane, built = isBuilt): Promise<TestOperator> {
  await plane.kubectl(['create', 'namespace', systemNamespace]);
  await plane.kubectl(['apply', '--server-side', '-n', systemNamespace, '-f', join(root, 'deploy')]);
  await plane.kubectl(['-n', systemNamespace, 'scale', 'deployment', '--all', '--replicas=0']);
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-operator-'));
  const [http = 0, webhook = 0] = await freePorts(2);
  await writeAccount(folder, plane);
  const lines: string[] = [];
  let child: ChildProcess | undefined;
  let ended = Promise.resolve();
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return null;
    const ended = new Promise<number | null>((resolve) => running.once('exit', resolve));
    running.kill(signal);
    return ended;
  };
  const page = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${http}${path}`, { signal: AbortSignal.timeout(2_000) });
    return { status: answer.status, body: await answer.text() };
  };
  const operator: TestOperator = {
    lines,
    pid: () => child?.pid,
    page,
    async start(more = {}) {
      child = spawn(process.execPath, [entry(built)], {
        env: { ...environmentOf(plane, { folder, http, webhook }), ...more },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      for (const stream of [child.stdout, child.stderr]) {
        stream?.setEncoding('utf8').on('data', (text: string) => lines.push(...text.split('\n').filter(Boolean)));
      }
      const started = child;
      ended = new Promise((resolve) => started.once('exit', () => resolve()));
      const killed = (): boolean => more['SIGNALBOX_FAILPOINT'] !== undefined && started.signalCode !== null;
      await untilReady(page, lines, killed);
    },
    ended: () => ended,
    async kill() {
      await end('SIGKILL');
    },
    terminate: () => end('SIGTERM'),
    async stop() {
      await end('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
  await operator.start();
  return operator;
}

async function untilReady(page: TestOperator['page'], lines: readonly string[], killed: () => boolean): Promise<void> {
  const deadline = Date.now() + readyMs;
  while (!killed()) {
    const answer = await page('/readyz').catch(() => undefined);
    if (answer?.status === 200) return;
    if (Date.now() > deadline) throw new Error(`the operator is not ready: ${answer?.body}\n${lines.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** As the kubelet mounts it. */
async function writeAccount(folder: string, plane: TestPlane): Promise<void> {
  const account = join(folder, 'var/run/secrets/kubernetes.io/serviceaccount');
  await mkdir(account, { recursive: true });
  const token = await plane.kubectl(['-n', systemNamespace, 'create', 'token', 'signalbox-operator']);
  await writeFile(join(account, 'token'), token.trim());
  await writeFile(join(account, 'ca.crt'), plane.kube.caPem);
  await writeFile(join(account, 'namespace'), systemNamespace);
}

interface Place {
  readonly folder: string;
  readonly http: number;
  readonly webhook: number;
}

function environmentOf(plane: TestPlane, { folder, http, webhook }: Place): NodeJS.ProcessEnv {
  const { hostname, port } = new URL(plane.kube.server);
  const { operator, 'operator-work': work, callout } = plane.nats.users;
  return {
    PATH: '/usr/bin:/bin',
    NODE_OPTIONS: nodeOptions('operator'),
    SIGNALBOX_ROOT: folder,
    KUBERNETES_SERVICE_HOST: hostname,
    KUBERNETES_SERVICE_PORT: port,
    POD_IP: '127.0.0.1',
    POD_NAME: 'signalbox-operator-0',
    POD_NAMESPACE: systemNamespace,
    SIGNALBOX_HTTP_PORT: String(http),
    SIGNALBOX_WEBHOOK_PORT: String(webhook),
    SIGNALBOX_NATS_URL: plane.nats.natsUrl,
    SIGNALBOX_NATS_CONTROL_USER: operator.user,
    SIGNALBOX_NATS_CONTROL_PASSWORD: operator.password,
    SIGNALBOX_NATS_WORK_USER: work.user,
    SIGNALBOX_NATS_WORK_PASSWORD: work.password,
    SIGNALBOX_NATS_CALLOUT_USER: callout.user,
    SIGNALBOX_NATS_CALLOUT_PASSWORD: callout.password,
    SIGNALBOX_NATS_ISSUER_SEED: plane.nats.issuerSeed,
    SIGNALBOX_LEASE_SECONDS: '6',
  };
}

/** The sources; SIGNALBOX_TEST_BUILT=1 takes what is in dist/, as the image does. */
const entry = (built: boolean): string => join(root, built ? 'dist/operator.mjs' : 'operator/main.ts');
