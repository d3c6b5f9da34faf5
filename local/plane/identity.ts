// Owns: who a process is. A pid alone is not an identity, since the kernel gives it out again: a pid with the start time
// the kernel recorded for it, within one boot, is. Nothing in this layer signals a pid whose start time differs.
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Boot id and start time in clock ticks since that boot. */
  readonly start: string;
}

interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly startTicks: string;
  readonly rssPages: number;
}

const pageBytes = 4096;
let boot: string | undefined;

function bootId(): string {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return boot;
}

/** `/proc/<pid>/stat` after the command name, which may itself hold spaces and parentheses. */
function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return {
      state: fields[0] ?? '',
      parent: Number(fields[1]),
      startTicks: fields[19] ?? '',
      rssPages: Number(fields[21]),
    };
  } catch {
    return undefined;
  }
}

/** The identity of a running process, or undefined when there is none with this pid. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  return stat === undefined ? undefined : { pid, start: `${bootId()}/${stat.startTicks}` };
}

export function selfIdentity(): ProcessIdentity {
  const identity = identify(process.pid);
  if (identity === undefined) throw new Error('/proc is not mounted: the local control plane needs Linux');
  return identity;
}

export function parseIdentity(text: string): ProcessIdentity | undefined {
  try {
    const value = JSON.parse(text) as Partial<ProcessIdentity>;
    return typeof value.pid === 'number' && typeof value.start === 'string'
      ? { pid: value.pid, start: value.start }
      : undefined;
  } catch {
    return undefined;
  }
}

/** True while exactly this process runs; a zombie does not. */
export function isAlive(identity: ProcessIdentity): boolean {
  const stat = readStat(identity.pid);
  return stat !== undefined && stat.state !== 'Z' && `${bootId()}/${stat.startTicks}` === identity.start;
}

/** Signals the process and its group (it leads one when it was started by `launch`). False when it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(-identity.pid, signal);
    return true;
  } catch {
    try {
      process.kill(identity.pid, signal);
      return true;
    } catch {
      return false;
    }
  }
}

/** Resident memory in MiB, rounded; undefined when the process is gone. */
export function residentMiB(pid: number): number | undefined {
  const stat = readStat(pid);
  return stat === undefined ? undefined : Math.round((stat.rssPages * pageBytes) / 1048576);
}
