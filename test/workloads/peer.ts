// Owns: a third-party workload as files on disk: a tool server, an oracle model, tasks with a known right end state.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface ListedTool {
  readonly name: string;
  readonly description: string;
  readonly parameters: Record<string, unknown>;
  readonly effect: 'read' | 'write' | 'generic';
}

export interface ExpectedTask {
  readonly calls: readonly { readonly name: string; readonly outcome: 'ok' | 'error' }[];
  readonly digest: string;
  readonly changed: boolean;
}

export interface Workload {
  readonly name: string;
  readonly folder: string;
  readonly domain: string;
  readonly tasks: Readonly<Record<string, ExpectedTask>>;
  /** Texts that the customer must be told, by task. */
  readonly mustSay: Readonly<Record<string, readonly string[]>>;
}

export interface PeerServer {
  readonly url: string;
  stop(): void;
}

/** Every folder that holds a workload of this format; empty where there is none. */
export function findWorkloads(folder: string): readonly Workload[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) =>
      ['tool-server.mjs', 'oracle-model.mjs', 'expected.json'].every((file) => existsSync(join(folder, name, file))),
    )
    .map((name) => readWorkload(join(folder, name), name));
}

function readWorkload(folder: string, name: string): Workload {
  const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as {
    domain: string;
    tasks: Record<string, ExpectedTask>;
  };
  const listed = JSON.parse(readFileSync(join(folder, 'data', 'tasks.json'), 'utf8')) as readonly {
    id: string | number;
    evaluation_criteria?: { communicate_info?: readonly string[] };
  }[];
  const mustSay = Object.fromEntries(
    listed.map((task) => [String(task.id), task.evaluation_criteria?.communicate_info ?? []]),
  );
  return { name, folder, domain: expected.domain, tasks: expected.tasks, mustSay };
}

/** Starts one of the workload's servers on a free port. */
export async function startPeer(workload: Workload, script: string, ...args: readonly string[]): Promise<PeerServer> {
  const child: ChildProcess = spawn(process.execPath, [join(workload.folder, script), '--port', '0', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const stop = (): void => void child.kill('SIGTERM');
  if (!child.stdout) throw new Error('the server has no standard output');
  for await (const line of createInterface({ input: child.stdout })) {
    return { url: (JSON.parse(line) as { url: string }).url, stop };
  }
  throw new Error(`${script} ended before it listened`);
}

export async function getJson<T>(url: string): Promise<T> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as T;
}
