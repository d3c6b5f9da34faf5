// Owns: what a person does with a running local instance, for end-to-end tests: apply, wait, start, look, decide.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { HistoryEvent, JsonObject, RunSummary } from '../../api/messages/history.ts';
import { kubeconfig, resolveAssets, status } from '../../local/api.ts';
import type { InstanceOptions } from '../../local/contract.ts';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';

const run = promisify(execFile);

export interface Desk {
  kubectl(args: readonly string[], input?: string): Promise<string>;
  apply(yaml: string): Promise<void>;
  /** Objects as `agents/clerk`; rejects with their conditions when they are not Ready in time. */
  waitReady(namespace: string, objects: readonly string[], timeoutMs: number): Promise<void>;
  start(namespace: string, workflow: string, input: JsonObject, key?: string): Promise<RunSummary>;
  show(namespace: string, run: string): Promise<RunSummary>;
  waitClosed(namespace: string, run: string, timeoutMs: number): Promise<RunSummary>;
  history(namespace: string, run: string): Promise<readonly HistoryEvent[]>;
  close(): Promise<void>;
}

export async function openDesk(instance: InstanceOptions): Promise<Desk> {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-desk-'));
  const config = join(folder, 'kubeconfig');
  const text = await kubeconfig(instance);
  await writeFile(config, text, { mode: 0o600 });
  const token = (parse(text) as { users: readonly { user: { token: string } }[] }).users[0]?.user.token ?? '';
  const { kubectl: binary } = await resolveAssets(() => undefined);
  const kubectl = async (args: readonly string[], input?: string): Promise<string> => {
    const child = run(binary, ['--kubeconfig', config, ...args], { timeout: 120_000, maxBuffer: 64 * 1024 * 1024 });
    child.child.stdin?.end(input ?? '');
    return (await child).stdout;
  };
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await fetch(`${await engineUrl(instance)}/v1/namespaces/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const reply = (await answer.json()) as T & { code?: string; message?: string };
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status} ${reply.code}: ${reply.message}`);
    return reply;
  };
  const show = (namespace: string, id: string): Promise<RunSummary> => call('GET', `${namespace}/runs/${id}`);
  return {
    kubectl,
    async apply(yaml) {
      await kubectl(['apply', '--server-side', '-f', '-'], yaml);
    },
    async waitReady(namespace, objects, timeoutMs) {
      const seconds = Math.ceil(timeoutMs / 1000);
      try {
        await kubectl(['-n', namespace, 'wait', '--for=condition=Ready', `--timeout=${seconds}s`, ...objects]);
      } catch (cause) {
        const found = await kubectl([
          '-n',
          namespace,
          'get',
          'agents,bundles,tools,models,workflows,pods',
          '-o',
          'wide',
        ]);
        throw new Error(`${objects.join(', ')} not Ready after ${seconds} s:\n${found}`, { cause });
      }
    },
    start: (namespace, workflow, input, key) =>
      call('POST', `${namespace}/workflows/${workflow}/runs`, { input, ...(key === undefined ? {} : { key }) }),
    show,
    async waitClosed(namespace, id, timeoutMs) {
      const end = performance.now() + timeoutMs;
      for (;;) {
        const found = await show(namespace, id);
        if (found.status === 'Closed') return found;
        if (performance.now() > end)
          throw new Error(`run ${id} is ${found.status} in ${found.state}: ${found.message}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    history: async (namespace, id) =>
      (await call<{ events: readonly HistoryEvent[] }>('GET', `${namespace}/runs/${id}/history`)).events,
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

async function engineUrl(instance: InstanceOptions): Promise<string> {
  const { pods } = await status(instance);
  const engine = pods.find((pod) => pod.role === 'engine' && pod.ready && pod.ip);
  if (!engine) throw new Error('no engine pod is ready');
  return `http://${engine.ip}:8080`;
}
