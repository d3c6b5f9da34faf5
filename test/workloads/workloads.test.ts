// Work that nobody here made up, through operator, engine, worker and gateway, over HTTP and again over MCP. The end state
// of each task's own session must be the one that the workload's authors computed.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunSummary } from '../../api/messages/history.ts';
import { down, up } from '../../local/api.ts';
import { type Desk, openDesk } from '../support/desk.ts';
import { workloadManifests } from './manifests.ts';
import {
  type ExpectedTask,
  findWorkloads,
  getJson,
  type ListedTool,
  type PeerServer,
  startPeer,
  type Workload,
} from './peer.ts';

const folder = process.env['SIGNALBOX_WORKLOADS'] ?? join(import.meta.dirname, '..', '..', '..', 'shared', 'workloads');
const workloads = findWorkloads(folder);
const inFlight = 16;
const runSecondsMax = 120;

if (workloads.length === 0) {
  test.skip(`no third-party workload in ${folder}: nothing to run (set SIGNALBOX_WORKLOADS to a folder of workloads)`);
}

describe.runIf(workloads.length > 0)('third-party workloads', () => {
  let stateDir: string;
  let desk: Desk;

  beforeAll(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'signalbox-workload-'));
    await up({ name: 'workload', stateDir, readyTimeoutMs: 120_000 }, () => undefined);
    desk = await openDesk({ name: 'workload', stateDir });
  }, 240_000);

  afterAll(async () => {
    await desk?.close();
    await down({ name: 'workload', stateDir }, () => undefined);
    await rm(stateDir, { recursive: true, force: true });
  }, 60_000);

  for (const workload of workloads) {
    for (const kind of ['http', 'mcp'] as const) {
      test(`${workload.name} over ${kind}: every task ends in the expected state`, async () => {
        const peers = [
          await startPeer(workload, 'tool-server.mjs'),
          await startPeer(workload, 'oracle-model.mjs'),
        ] as const;
        try {
          await runWorkload(desk, workload, kind, peers);
        } finally {
          for (const peer of peers) peer.stop();
        }
      }, 600_000);
    }
  }
});

async function runWorkload(
  desk: Desk,
  workload: Workload,
  kind: 'http' | 'mcp',
  [toolServer, oracle]: readonly [PeerServer, PeerServer],
): Promise<void> {
  const namespace = `${workload.name}-${kind}`;
  const { tools } = await getJson<{ tools: readonly ListedTool[] }>(`${toolServer.url}/tools`);
  await desk.apply(workloadManifests(namespace, tools, { kind, tools: toolServer.url, model: oracle.url }));
  await desk.waitReady(namespace, ['agents/clerk', 'workflows/serve'], 60_000);

  const started = performance.now();
  const failures: string[] = [];
  const ids = Object.keys(workload.tasks);
  const queue = [...ids];
  const drain = async (): Promise<void> => {
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
      const problem = await runTask(desk, { workload, namespace, id, tools: toolServer.url });
      if (problem) failures.push(`task ${id}: ${problem}`);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, drain));
  const minutes = (performance.now() - started) / 60_000;
  process.stdout.write(
    `${workload.name} over ${kind}: ${ids.length - failures.length} passed, ${failures.length} failed; ` +
      `${Math.round(ids.length / minutes)} runs per minute with ${inFlight} in flight\n`,
  );
  expect(failures).toEqual([]);
}

interface TaskRun {
  readonly workload: Workload;
  readonly namespace: string;
  readonly id: string;
  readonly tools: string;
}

/** Runs one task; undefined when everything is as expected, else what is not. */
async function runTask(desk: Desk, { workload, namespace, id, tools }: TaskRun): Promise<string | undefined> {
  const expected = workload.tasks[id] as ExpectedTask;
  const request = `[[task ${workload.domain}/${id}]]`;
  const run = await desk.start(namespace, 'serve', { request }, `task-${id}`);
  const closed = await desk.waitClosed(namespace, run.run, runSecondsMax * 1000);
  if (closed.outcome !== 'success') return `ended ${closed.outcome ?? closed.status}: ${closed.message}`;
  const session = `${tools}/s/${run.run}`;
  const [state, log] = await Promise.all([
    getJson<{ digest: string }>(`${session}/state`),
    getJson<{ entries: readonly { tool: string; outcome: string }[]; repeats: readonly unknown[] }>(`${session}/log`),
  ]);
  if (state.digest !== expected.digest) return `digest ${state.digest} is not the expected ${expected.digest}`;
  if (log.repeats.length > 0) return `writes ran twice: ${JSON.stringify(log.repeats)}`;
  const outcomes = { ok: 0, error: 0 };
  for (const call of expected.calls) outcomes[call.outcome] += 1;
  const errors = log.entries.filter((entry) => entry.outcome === 'error').length;
  if (errors !== outcomes.error) return `${errors} calls failed, ${outcomes.error} were expected to`;
  return unsaid(desk, namespace, closed, workload.mustSay[id] ?? []);
}

async function unsaid(
  desk: Desk,
  namespace: string,
  run: RunSummary,
  texts: readonly string[],
): Promise<string | undefined> {
  if (texts.length === 0) return undefined;
  const history = await desk.history(namespace, run.run);
  const said = history
    .flatMap((event) => (event.type === 'ActivityCompleted' ? [JSON.stringify(event.result)] : []))
    .join('\n');
  const missing = texts.filter((text) => !said.includes(text));
  return missing.length > 0 ? `the customer was not told ${missing.join(', ')}` : undefined;
}
