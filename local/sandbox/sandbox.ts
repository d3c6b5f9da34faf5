// Owns: a sandbox on this machine: a nats-server and the process that plays trials on it, in a folder that is gone afterwards.
// Nothing in it outlives the process that started it, so it promises no durability.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { SignalboxError } from '../../api/errors.ts';
import type { Scenario } from '../../api/v1alpha1/scenario.ts';
import type { Manifests } from '../../core/evaluation/catalog.ts';
import type { TrialRecord } from '../../core/evaluation/record.ts';
import type { SandboxReply, SandboxRequest } from '../../core/evaluation/sandbox.ts';
import { resolveAssets } from '../assets/resolve.ts';
import type { Progress } from '../contract.ts';
import { reap, startWarden } from '../plane/launch.ts';
import { nodeBinary, projectRoot } from '../plane/paths.ts';
import { freePorts } from '../plane/ports.ts';
import { Server } from '../plane/server.ts';

export interface LocalSandbox {
  /** Rejects when the sandbox is gone. */
  play(scenario: Scenario, trial: number): Promise<TrialRecord>;
  stop(): Promise<void>;
}

const startMs = 60_000;
const answerMs = 2_000;

export async function startSandbox(manifests: Manifests, progress: Progress): Promise<LocalSandbox> {
  const assets = await resolveAssets(progress);
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-sandbox-'));
  const warden = startWarden(folder);
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    try {
      for (const one of stops.toReversed()) await one();
    } finally {
      await reap(folder);
      warden.dismiss();
      await rm(folder, { recursive: true, force: true });
    }
  };
  try {
    const nats = await startNats(folder, assets['nats-server']);
    stops.push(() => nats.server.stop());
    const channel = await openChannel(folder, nats.environment);
    stops.push(() => channel.close());
    await channel.load(manifests);
    return { play: (scenario, trial) => channel.play(scenario, trial), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface SandboxNats {
  readonly server: Server;
  readonly environment: Readonly<Record<string, string>>;
}

async function startNats(folder: string, command: string): Promise<SandboxNats> {
  const [port = 0, monitor = 0] = await freePorts(2);
  const [control, work] = [randomBytes(16).toString('hex'), randomBytes(16).toString('hex')];
  const file = join(folder, 'nats-server.conf');
  await writeFile(file, natsConfig({ folder, port, monitor, control, work }), { mode: 0o600 });
  const server = new Server(folder, {
    name: 'nats-server',
    version: '',
    port,
    command,
    args: ['--config', file],
    env: { PATH: '/usr/bin:/bin', HOME: folder },
    cwd: folder,
    logFile: join(folder, 'nats-server.log'),
    stopGraceMs: 2_000,
    answers: async () => {
      const answer = await request(`http://127.0.0.1:${monitor}/healthz`, {
        headersTimeout: answerMs,
        bodyTimeout: answerMs,
      });
      await answer.body.dump();
      return answer.statusCode === 200;
    },
  });
  await server.start();
  const environment = {
    SIGNALBOX_NATS_URL: `nats://127.0.0.1:${port}`,
    SIGNALBOX_NATS_CONTROL_USER: 'control',
    SIGNALBOX_NATS_CONTROL_PASSWORD: control,
    SIGNALBOX_NATS_WORK_USER: 'work',
    SIGNALBOX_NATS_WORK_PASSWORD: work,
  };
  return { server, environment };
}

interface NatsSettings {
  readonly folder: string;
  readonly port: number;
  readonly monitor: number;
  readonly control: string;
  readonly work: string;
}

const natsConfig = ({ folder, port, monitor, control, work }: NatsSettings): string => `listen: "127.0.0.1:${port}"
http: "127.0.0.1:${monitor}"
max_payload: 1MB
jetstream { store_dir: ${JSON.stringify(join(folder, 'store'))}, max_memory_store: 256MB, max_file_store: 8GB }
accounts {
  CONTROL { jetstream: enabled, users: [ { user: control, password: "${control}" } ] }
  WORK { jetstream: enabled, users: [ { user: work, password: "${work}" } ] }
}
`;

interface Channel {
  load(manifests: Manifests): Promise<void>;
  play(scenario: Scenario, trial: number): Promise<TrialRecord>;
  close(): Promise<void>;
}

/** The bundle when this runs from one, else the source. */
function program(root: string): string {
  const here = fileURLToPath(import.meta.url);
  return here.endsWith('.ts')
    ? join(dirname(here), '..', '..', 'runtime', 'sandbox', 'main.ts')
    : join(root, 'dist', 'sandbox.mjs');
}

async function openChannel(folder: string, environment: SandboxNats['environment']): Promise<Channel> {
  const root = projectRoot();
  const errors: string[] = [];
  const child = spawn(
    nodeBinary(root),
    ['--enable-source-maps', '--disable-warning=ExperimentalWarning', program(root)],
    {
      cwd: root,
      env: { PATH: '/usr/bin:/bin', LOG_LEVEL: 'warn', SIGNALBOX_INSTANCE: folder, ...environment },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      serialization: 'json',
    },
  );
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => errors.push(String(chunk).slice(0, 4_096)) > 50 && errors.shift());
  const channel = new SandboxChannel(child, () => errors.join('').trim());
  await channel.ready();
  return channel;
}

class SandboxChannel implements Channel {
  readonly #child: ChildProcess;
  readonly #said: () => string;
  readonly #playing = new Map<number, PromiseWithResolvers<TrialRecord>>();
  readonly #ended: Promise<unknown>;
  #next = 0;
  #ready = Promise.withResolvers<void>();
  #closing = false;

  constructor(child: ChildProcess, said: () => string) {
    this.#child = child;
    this.#said = said;
    this.#ended = new Promise((resolve) => child.once('exit', resolve));
    child.on('message', (reply: SandboxReply) => this.#heard(reply));
    child.once('error', (error) => this.#lost(`it could not start: ${error.message}`));
    child.once('exit', (code, signal) => this.#lost(`it ended (${code ?? signal})`));
  }

  async ready(): Promise<void> {
    const timer = setTimeout(() => this.#lost(`it did not answer within ${startMs / 1_000} s`), startMs);
    try {
      await this.#ready.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  load(manifests: Manifests): Promise<void> {
    this.#ready = Promise.withResolvers<void>();
    this.#send({ kind: 'Load', manifests });
    return this.ready();
  }

  play(scenario: Scenario, trial: number): Promise<TrialRecord> {
    const id = (this.#next += 1);
    const playing = Promise.withResolvers<TrialRecord>();
    this.#playing.set(id, playing);
    this.#send({ kind: 'Play', id, scenario, trial });
    return playing.promise;
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), answerMs);
    await this.#ended;
    clearTimeout(timer);
  }

  #send(request: SandboxRequest): void {
    if (this.#child.connected) this.#child.send(request);
    else this.#lost('it is gone');
  }

  #heard(reply: SandboxReply): void {
    if (reply.kind === 'Ready') this.#ready.resolve();
    else if (reply.kind === 'Failed') this.#lost(reply.message);
    else {
      this.#playing.get(reply.id)?.resolve(reply.record);
      this.#playing.delete(reply.id);
    }
  }

  #lost(why: string): void {
    if (this.#closing) return;
    const said = this.#said();
    const error = new SignalboxError('PLANE_FAILED', `The sandbox failed: ${why}${said === '' ? '' : `\n${said}`}`);
    this.#ready.promise.catch(() => undefined);
    this.#ready.reject(error);
    for (const { reject } of this.#playing.values()) reject(error);
    this.#playing.clear();
  }
}
