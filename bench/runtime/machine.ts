// Owns: looking at processes from outside: processor time, memory, load, versions of the machine.
import { execFile } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { arch, cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Linux counts processor time in hundredths of a second. */
const ticksPerSecond = 100;

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly cpuMs: number;
}

function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name may hold blanks and brackets; what follows its last bracket is numbers.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
    return { pid, parent: Number(fields[1]), cpuMs: (ticks * 1_000) / ticksPerSecond };
  } catch {
    return undefined;
  }
}

/** The processes and all their descendants. */
function family(roots: readonly number[]): readonly Stat[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => statOf(Number(name)) ?? []);
  const inside = new Set(roots);
  for (let before = -1; before !== inside.size;) {
    before = inside.size;
    for (const { pid, parent } of all) if (inside.has(parent)) inside.add(pid);
  }
  return all.filter(({ pid }) => inside.has(pid));
}

/** Processor time of the process trees so far, in ms, with that of children that ended. */
export const cpuMsOf = (roots: readonly number[]): number => family(roots).reduce((sum, { cpuMs }) => sum + cpuMs, 0);

/** Proportional set size of the process trees in MiB: shared pages count once. */
export function memoryMiBOf(roots: readonly number[]): number {
  let kib = 0;
  for (const { pid } of family(roots)) {
    try {
      kib += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch {
      // It has just ended.
    }
  }
  return kib / 1_024;
}

/** Load of the last minute. */
export const load = (): number => Math.round((loadavg()[0] ?? 0) * 10) / 10;

/** Milliseconds of one write of 8 KiB with fdatasync, the median of 200. */
export function fdatasyncMs(folder: string): number {
  const file = join(folder, 'fdatasync');
  const descriptor = openSync(file, 'w');
  const page = Buffer.alloc(8_192, 1);
  const took = Array.from({ length: 200 }, () => {
    const started = performance.now();
    writeSync(descriptor, page, 0, page.length, 0);
    fdatasyncSync(descriptor);
    return performance.now() - started;
  });
  closeSync(descriptor);
  rmSync(file);
  return took.toSorted((left, right) => left - right)[100] ?? Number.NaN;
}

export async function describeMachine(): Promise<string> {
  const { stdout } = await promisify(execFile)('stat', ['-f', '-c', '%T', '.']).catch(() => ({ stdout: '?' }));
  const memory = Math.round(totalmem() / 1_073_741_824);
  return `${cpus().length} cores (${cpus()[0]?.model.trim() ?? '?'}), ${memory} GiB, Linux ${release()} ${arch()}, ${stdout.trim()}, Node ${process.versions.node}`;
}
