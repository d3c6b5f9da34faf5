// Owns: a nats-server on a disk of its own, an engine process, and load, while a test makes the disk fail; and injecting failures
// into the server's system calls.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { EngineStage, type EngineProcess } from '../support/engine-stage.ts';
import { startNats, type TestNats } from '../support/nats.ts';
import { until } from '../support/until.ts';
import { Load } from './load.ts';
import { isInstalled, LoopDisk } from './loop-disk.ts';
import { type Fact, Recorder } from './recorder.ts';
import { look } from './told.ts';

/** What this machine lacks for failures of system calls. */
export function missingForInjection(): string | undefined {
  if (process.platform !== 'linux') return `strace is of Linux; this is ${process.platform}`;
  return isInstalled('strace') ? undefined : 'not installed: strace';
}

export interface FaultStage {
  readonly disk: LoopDisk | undefined;
  readonly nats: TestNats;
  readonly stage: EngineStage;
  readonly load: Load;
  readonly recorder: Recorder;
  engine(name: string): EngineProcess;
  /** Resolves when so many more facts are acknowledged than now. */
  acknowledged(more: number, timeoutMs?: number): Promise<void>;
  /** Acknowledged facts that are not to be found, and broken histories; the load is held meanwhile. */
  missing(delivered?: boolean): Promise<readonly (Fact | string)[]>;
  stop(): Promise<void>;
}

/** `sizeMiB`: of a loop disk for the store; absent: the store lies in the temporary folder. */
export async function startFaultStage(options: {
  readonly sizeMiB?: number;
  readonly inFlight: number;
}): Promise<FaultStage> {
  const disk = options.sizeMiB === undefined ? undefined : await LoopDisk.make(options.sizeMiB);
  const nats = await startNats(disk === undefined ? {} : { store: join(disk.path, 'store') });
  const stage = await EngineStage.start({ nats });
  const recorder = new Recorder();
  const load = new Load({ stage, recorder, inFlight: options.inFlight });
  return {
    disk,
    nats,
    stage,
    load,
    recorder,
    engine: (name) => stage.engineProcess(name),
    async acknowledged(more, timeoutMs = 60_000) {
      const wanted = recorder.total + more;
      const reached = () => Promise.resolve(recorder.total >= wanted ? true : undefined);
      await until(`${more} more acknowledgements`, reached, timeoutMs);
    },
    async missing(delivered = false) {
      load.pause();
      const { lost, broken } = await look(stage, recorder, recorder.runs, delivered);
      load.resume();
      return [...lost, ...broken];
    },
    async stop() {
      load.abandon();
      await stage.stop();
      recorder.remove();
      await disk?.remove();
    },
  };
}

/** What strace does to the server from now on, such as `fsync,fdatasync:error=EIO`. */
export async function inject(nats: TestNats, what: string): Promise<{ end(): Promise<void> }> {
  const pid = nats.pid();
  if (pid === undefined) throw new Error('nats-server does not run');
  const calls = what.split(':')[0] ?? '';
  const args = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${calls}`, '-e', `inject=${what}`, '-p', String(pid)];
  const tracer: ChildProcess = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  tracer.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<void>((resolve) => tracer.once('exit', () => resolve()));
  await until('strace to be attached', async () => {
    if (tracer.exitCode !== null) throw new Error(`strace ended: ${said}`);
    return (await isTraced(pid)) ? true : undefined;
  });
  return {
    async end() {
      tracer.kill('SIGTERM');
      await ended;
    },
  };
}

async function isTraced(pid: number): Promise<boolean> {
  const { readFile } = await import('node:fs/promises');
  return !/^TracerPid:\s+0$/m.test(await readFile(`/proc/${pid}/status`, 'utf8'));
}
