// Owns: starting processes so that none outlives its instance, whatever happens to the process that started it.
//
// Three nets, each enough alone in the common case:
//   1. `setpriv --pdeathsig KILL` (where util-linux has it): the kernel kills the child when its parent dies.
//   2. the warden, one small shell per instance, which sees its pipe to the parent close and kills what carries the mark;
//   3. reaping at the next `up` or `down`.
// The mark is SIGNALBOX_INSTANCE=<folder> in the environment, inherited by grandchildren: it cannot name a stranger.
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, readFileSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignalboxError } from '../../api/errors.ts';
import { identify, isAlive, signalProcess, type ProcessIdentity } from './identity.ts';

export interface LaunchSpec {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** stdout and stderr are appended here. */
  readonly logFile: string;
}

export interface Launched {
  readonly identity: ProcessIdentity;
  readonly ended: Promise<Ended>;
}

export interface Ended {
  /** 128 + signal number when a signal ended it, as shells and Kubernetes say it. */
  readonly exitCode: number;
  readonly signal?: string;
}

const mark = 'SIGNALBOX_INSTANCE';
const reapRounds = 25;
const reapPauseMs = 200;
const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

const wardenScript = `
cat >/dev/null
for round in 1 2 3 4 5; do
  found=$(grep -lzxF "${mark}=$1" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3)
  [ -z "$found" ] && exit 0
  kill -9 $found 2>/dev/null
  sleep 0.3
done
`;

/** Starts one marked process in a group of its own; throws when it cannot be started at all. */
export async function launch(instanceRoot: string, spec: LaunchSpec): Promise<Launched> {
  const log = openSync(spec.logFile, 'a', 0o600);
  try {
    const [command, args] = withDeathSignal(spec.command, spec.args);
    const child = spawn(command, [...args], {
      cwd: spec.cwd,
      env: { ...spec.env, [mark]: instanceRoot },
      stdio: ['ignore', log, log],
      detached: true,
    });
    const ended = endOf(child);
    await startOf(child, spec.command);
    const identity = identify(child.pid as number) ?? { pid: child.pid as number, start: 'ended' };
    return { identity, ended };
  } finally {
    closeSync(log);
  }
}

function startOf(child: ChildProcess, command: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) =>
      reject(new SignalboxError('PLANE_FAILED', `Cannot start ${command}: ${error.message}`, { cause: error })),
    );
  });
}

function endOf(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    child.once('error', () => resolve({ exitCode: 127 }));
    child.once('exit', (code, signal) =>
      resolve(signal === null ? { exitCode: code ?? 0 } : { exitCode: 128 + (signalNumbers[signal] ?? 0), signal }),
    );
  });
}

let deathSignal: readonly string[] | undefined;

/** The command line with which the kernel kills the process when its parent dies, where that is to be had. */
export function withDeathSignal(command: string, args: readonly string[]): [string, readonly string[]] {
  deathSignal ??= setprivPrefix();
  const [first, ...rest] = [...deathSignal, command];
  return [first as string, [...rest, ...args]];
}

function setprivPrefix(): readonly string[] {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'setpriv');
    try {
      accessSync(path, constants.X_OK);
      return [path, '--pdeathsig', 'KILL', '--'];
    } catch {
      continue;
    }
  }
  return [];
}

/** Starts the warden of this process; it ends with us. Call `dismiss` for an orderly end. */
export function startWarden(instanceRoot: string): { readonly dismiss: () => void } {
  const child = spawn('/bin/sh', ['-c', wardenScript, 'signalbox-warden', instanceRoot], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { PATH: '/usr/bin:/bin' },
    detached: true,
  });
  child.on('error', () => undefined);
  child.unref();
  return { dismiss: () => child.stdin?.end() };
}

/** Ends a process in order: SIGTERM, then SIGKILL after `graceMs`. Resolves when it is gone. */
export async function end(launched: Launched, graceMs: number): Promise<void> {
  if (!isAlive(launched.identity)) return;
  signalProcess(launched.identity, 'SIGTERM');
  const timer = setTimeout(() => signalProcess(launched.identity, 'SIGKILL'), graceMs);
  await launched.ended;
  clearTimeout(timer);
}

/** Processes of this user that carry the instance's mark, this one excepted. */
export function marked(instanceRoot: string): readonly ProcessIdentity[] {
  const found: ProcessIdentity[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const identity = identify(pid);
    if (identity !== undefined && isAlive(identity) && carriesMark(pid, instanceRoot)) found.push(identity);
  }
  return found;
}

function carriesMark(pid: number, instanceRoot: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`${mark}=${instanceRoot}`);
  } catch {
    return false;
  }
}

/** Kills everything that carries the mark; returns how many processes there were. */
export async function reap(instanceRoot: string): Promise<number> {
  let count = 0;
  for (let round = 0; round < reapRounds; round += 1) {
    const left = marked(instanceRoot);
    if (left.length === 0) return count;
    count = Math.max(count, left.length);
    for (const identity of left) signalProcess(identity, 'SIGKILL');
    await sleep(reapPauseMs);
  }
  throw new SignalboxError(
    'PLANE_FAILED',
    `Processes of ${instanceRoot} do not end: ${marked(instanceRoot)
      .map((left) => left.pid)
      .join(', ')}. Kill them by hand.`,
  );
}
