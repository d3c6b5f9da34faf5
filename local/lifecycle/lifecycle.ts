// Owns: `up` and `down`. `up` starts the supervising process and waits for its word; `down` asks it to stop, reaps what
// is left and removes the files.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignalboxError, errorCodes, type ErrorCode } from '../../api/errors.ts';
import { lockHolder } from '../assets/lock.ts';
import type { DownOptions, Progress, UpOptions, UpResult } from '../contract.ts';
import { isAlive, signalProcess, type ProcessIdentity } from '../plane/identity.ts';
import { reap } from '../plane/launch.ts';
import { instancePaths, nodeBinary, projectRoot, type InstancePaths } from '../plane/paths.ts';
import { removeInstance } from '../plane/plane.ts';
import { callControl, runningRecord } from './control.ts';
import { status } from './inspect.ts';
import type { SupervisorMessage, SupervisorSettings } from './settings.ts';

const defaultReadyTimeoutMs = 60_000;
const stopTimeoutMs = 60_000;
const pollMs = 100;

/** Starts the instance, or finds it running. Resolves when our Deployments are Ready. */
export async function up(options: UpOptions, progress: Progress): Promise<UpResult> {
  const paths = instancePaths(options);
  if ((await runningRecord(paths)) !== undefined) return { status: await status(options), started: false };
  const root = projectRoot();
  const settings: SupervisorSettings = {
    name: paths.name,
    stateDir: paths.root,
    projectRoot: options.root ?? root,
    images: options.images ?? ['signalbox'],
    readyTimeoutMs: options.readyTimeoutMs ?? defaultReadyTimeoutMs,
    system: options.system ?? true,
    foreground: options.foreground ?? false,
  };
  const child = spawnSupervisor(paths, settings, root);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await untilReady(child, paths, progress);
  if (settings.foreground) {
    const stop = async (): Promise<void> => {
      child.kill('SIGTERM');
      await ended;
    };
    return { status: await status(options), started: true, stop, ended };
  }
  child.disconnect();
  child.unref();
  return { status: await status(options), started: true };
}

/** A session of its own, so that Ctrl-C in a terminal reaches only the one who then decides. */
function spawnSupervisor(paths: InstancePaths, settings: SupervisorSettings, root: string): ChildProcess {
  mkdirSync(paths.logs, { recursive: true, mode: 0o700 });
  const log = openSync(paths.supervisorLog, 'a', 0o600);
  try {
    return spawn(
      nodeBinary(root),
      ['--enable-source-maps', '--max-semi-space-size=2', supervisorProgram(root), JSON.stringify(settings)],
      {
        cwd: root,
        stdio: ['ignore', log, log, 'ipc'],
        detached: true,
      },
    );
  } finally {
    closeSync(log);
  }
}

/** The bundle when this runs from one, else the source. */
function supervisorProgram(root: string): string {
  const here = fileURLToPath(import.meta.url);
  return here.endsWith('.ts') ? join(dirname(here), '..', 'main.ts') : join(root, 'dist', 'local-plane.mjs');
}

function untilReady(child: ChildProcess, paths: InstancePaths, progress: Progress): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (code: string, message: string): void =>
      reject(new SignalboxError(Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : 'PLANE_FAILED', message));
    child.on('message', (message: SupervisorMessage) => {
      if ('progress' in message) progress(message.progress);
      else if ('ready' in message) resolve();
      else fail(message.failure.code, message.failure.message);
    });
    child.once('error', (error) => fail('PLANE_FAILED', `The supervising process could not start: ${error.message}`));
    child.once('exit', (code, signal) =>
      fail('PLANE_FAILED', `The supervising process ended (${code ?? signal}); see ${paths.supervisorLog}`),
    );
  });
}

/** Stops the instance in order, whatever state it is in. `existed` is false when there was nothing. */
export async function down(options: DownOptions, progress: Progress): Promise<{ readonly existed: boolean }> {
  const paths = instancePaths(options);
  if (!existsSync(paths.root)) {
    await rm(paths.lockFile, { force: true });
    return { existed: false };
  }
  // By the lock, since a supervising process that is still starting is in no record yet.
  const supervisor = await lockHolder(paths.lockFile);
  if (supervisor !== undefined) {
    progress(`stopping the instance "${paths.name}"`);
    await stopSupervisor(paths, supervisor);
  }
  const left = await reap(paths.root);
  if (left > 0) progress(`ended ${left} processes that were left over`);
  await rm(paths.lockFile, { force: true });
  if (options.keepData === true) {
    progress(`kept ${paths.root}`);
    return { existed: true };
  }
  await removeInstance(paths);
  progress(`removed ${paths.root}`);
  return { existed: true };
}

/** By its door, else by SIGTERM, else by SIGKILL: its warden and the reaping that follows take care of the rest. */
async function stopSupervisor(paths: InstancePaths, supervisor: ProcessIdentity): Promise<void> {
  await callControl(paths, 'stop').catch(() => signalProcess(supervisor, 'SIGTERM'));
  const deadline = Date.now() + stopTimeoutMs;
  while (isAlive(supervisor)) {
    if (Date.now() > deadline) signalProcess(supervisor, 'SIGKILL');
    await sleep(pollMs);
  }
}
