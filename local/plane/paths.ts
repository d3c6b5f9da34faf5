// Owns: where things are: the project, and the files of one instance. Everything of an instance is below one folder.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SignalboxError } from '../../api/errors.ts';
import type { InstanceOptions } from '../contract.ts';

const nameRule = /^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/;

/** The folder that holds package.json, whether this file runs as a source or in a bundle. */
export function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new SignalboxError('CONFIG_INVALID', 'No package.json above the program: reinstall it.');
    folder = parent;
  }
  return folder;
}

export interface InstancePaths {
  readonly name: string;
  readonly root: string;
  /** What the supervising process publishes: ports, pids, paths. */
  readonly instanceFile: string;
  /** One line per process started, for the watchdog and for reaping. */
  readonly processesFile: string;
  readonly lockFile: string;
  readonly supervisorLog: string;
  readonly keys: string;
  readonly etcd: string;
  readonly nats: string;
  readonly logs: string;
  readonly pods: string;
  readonly podLogs: string;
}

export function instancePaths(options: InstanceOptions): InstancePaths {
  const name = options.name ?? 'default';
  if (!nameRule.test(name)) {
    throw new SignalboxError(
      'CONFIG_INVALID',
      `Instance name "${name}" is not allowed: up to 40 lower case letters, digits and inner dashes.`,
    );
  }
  const home = process.env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state');
  const root = resolve(options.stateDir ?? join(home, 'signalbox', name));
  return {
    name,
    root,
    instanceFile: join(root, 'instance.json'),
    processesFile: join(root, 'processes'),
    lockFile: `${root}.lock`,
    supervisorLog: join(root, 'logs', 'supervisor.log'),
    keys: join(root, 'keys'),
    etcd: join(root, 'etcd'),
    nats: join(root, 'nats'),
    logs: join(root, 'logs'),
    pods: join(root, 'pods'),
    podLogs: join(root, 'pod-logs'),
  };
}

/** The project's own Node where it is installed, else the one that runs this. */
export function nodeBinary(root: string): string {
  const own = join(root, 'node_modules', '.bin', 'node');
  return existsSync(own) ? own : process.execPath;
}

export function projectVersion(root: string): string {
  const text = readFileSync(join(root, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** A number below `bound` that depends on the text only. */
export function stableNumber(text: string, bound: number): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) % bound;
}
