// Owns: building one program from its pinned Go module (`tools/assets/<module>/go.mod`).
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { withDeathSignal } from '../plane/launch.ts';
import type { Binary } from './binaries.ts';

const buildTimeoutMs = 30 * 60_000;
const complaintLines = 12;

type Buildable = Pick<Binary, 'module' | 'goPackage' | 'goLinkerFlags'>;

/** Puts the program at `target`, or throws an Error whose message says why not. */
export async function buildBinary(binary: Buildable, modulesRoot: string, target: string): Promise<void> {
  const folder = join(modulesRoot, binary.module);
  if (!existsSync(join(folder, 'go.mod'))) throw new Error(`${folder}/go.mod does not exist`);
  const scratch = `${target}.build-${process.pid}`;
  const flags = ['-s', '-w', binary.goLinkerFlags].filter((flag) => flag !== '').join(' ');
  try {
    await go(['build', '-trimpath', '-ldflags', flags, '-o', scratch, binary.goPackage], folder);
    await rename(scratch, target);
  } finally {
    await rm(scratch, { force: true });
  }
}

function go(args: readonly string[], cwd: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const [command, words] = withDeathSignal('go', args);
    const child = spawn(command, [...words], {
      cwd,
      env: { ...process.env, CGO_ENABLED: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: buildTimeoutMs,
    });
    // A build of minutes must not freeze the machine of the person who waits for it.
    lower(child.pid);
    let said = '';
    const keep = (chunk: Buffer): void => {
      said = (said + chunk.toString('utf8')).slice(-8192);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const absent = new Error('go is not installed (not found in PATH)');
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? absent : new Error(`cannot start go: ${error.message}`)),
    );
    child.once('close', (code, signal) => {
      if (code === 0) resolve();
      else if (code === 127) reject(absent);
      else reject(new Error(`go ${args[0]} ended with ${code ?? signal}: ${lastLines(said)}`));
    });
  });
}

function lower(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It has ended already: its exit code says why.
  }
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-complaintLines).join('\n    ');
}
