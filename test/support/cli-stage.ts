// Owns: a command line under test: a real API server, and an engine's HTTP API that speaks the protocol from memory.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { connectKube } from '../../adapters/kube/kube.ts';
import { kubeconfigConfig } from '../../adapters/kube/kubeconfig.ts';
import type { HistoryEvent, RunSummary } from '../../api/messages/history.ts';
import { run } from '../../cli/program.ts';
import { testHost } from './cli-host.ts';
import { startPlane, type TestPlane } from './plane.ts';

export const namespace = 'clinic';

export interface Engine {
  readonly url: string;
  readonly runs: Map<string, RunSummary>;
  readonly asked: { path: string; authorization: string | undefined; forwarded: string | undefined; body: unknown }[];
  readonly server: Server;
  readonly app: express.Express;
}

/** What somebody types, and what comes of it. */
export interface CliStage {
  readonly plane: TestPlane;
  readonly engine: Engine;
  readonly typed: (words: readonly string[], options?: TypedOptions) => Promise<Typed>;
  /** With the stand-in as its engine. */
  readonly onEngine: (...words: readonly string[]) => Promise<Typed>;
}

export interface TypedOptions {
  readonly token?: string;
  readonly stdin?: string;
}

export interface Typed {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

export const summary = (over: Partial<RunSummary>): RunSummary => ({
  run: '7dKq3vXW1pLm9RtYzB2cNf',
  namespace,
  workflow: 'billing',
  workflowDigest: `sha256:${'ab'.repeat(32)}`,
  requestedBy: 'front-desk',
  source: 'http',
  status: 'Running',
  state: 'assess',
  message: 'Agent billing works on assess.',
  costMicros: 2158,
  effects: 1,
  attempts: 1,
  repairs: 0,
  escalations: 0,
  route: 'primary',
  startedAt: Date.now() - 4000,
  seq: 3,
  ...over,
});

export const history: readonly HistoryEvent[] = [
  {
    seq: 1,
    at: Date.now() - 4000,
    cause: 'start',
    type: 'RunStarted',
    namespace,
    workflow: 'billing',
    workflowDigest: 'sha256:a',
    input: { invoice: 'inv-1' },
    requestedBy: 'front-desk',
    source: 'http',
    pins: {},
    deadline: Date.now() + 60_000,
  },
  { seq: 2, at: Date.now() - 3990, cause: 'start', type: 'StateEntered', state: 'assess', visit: 1 },
];

function startEngine(plane: TestPlane): Promise<Engine> {
  const app = express();
  const runs = new Map<string, RunSummary>();
  const asked: Engine['asked'] = [];
  app.use(express.json());
  app.use((request, response, next) => {
    const { authorization } = request.headers;
    const forwarded = request.headers['x-signalbox-token'];
    asked.push({
      path: `${request.method} ${request.url}`,
      authorization,
      forwarded: forwarded?.toString(),
      body: request.body,
    });
    const token = forwarded?.toString() ?? authorization?.replace(/^Bearer /, '');
    if (token === plane.kube.token) next();
    else response.status(401).json({ code: 'UNAUTHENTICATED', message: 'no valid credentials came with the request' });
  });
  const at = '/v1/namespaces/:ns';
  app.post(`${at}/workflows/:name/runs`, (request, response) => {
    const { name } = request.params;
    if (name !== 'billing') {
      response
        .status(404)
        .json({ code: 'NOT_FOUND', message: `there is no workflow "${name}" in ${request.params.ns}` });
      return;
    }
    const { input, key } = request.body as { input: { invoice?: string }; key?: string };
    if (input.invoice === undefined) {
      response.status(400).json({ code: 'INVALID_INPUT', message: 'input.invoice is required, found nothing' });
      return;
    }
    const started = summary({ ...(key === undefined ? {} : { key }), startedAt: Date.now() });
    runs.set(started.run, started);
    response.status(201).json(started);
  });
  app.get(`${at}/runs`, (request, response) => {
    const { workflow, status } = request.query;
    const items = [...runs.values()].filter(
      (one) => (workflow === undefined || one.workflow === workflow) && (status === undefined || one.status === status),
    );
    response.json({ items });
  });
  app.get(`${at}/runs/:run`, (request, response) => {
    const found = runs.get(request.params.run);
    if (found === undefined) response.status(404).json({ code: 'NOT_FOUND', message: 'there is no such run' });
    else response.json(found);
  });
  app.get(`${at}/runs/:run/history`, (_request, response) => void response.json({ events: history }));
  app.post(`${at}/runs/:run/cancel`, (request, response) => {
    const found = runs.get(request.params.run);
    if (found === undefined) return void response.status(404).json({ code: 'NOT_FOUND', message: 'no such run' });
    const closed: RunSummary = { ...found, status: 'Closed', outcome: 'cancelled', closedAt: Date.now() };
    runs.set(found.run, closed);
    response.json(closed);
  });
  for (const verb of ['freeze', 'resume', 'readonly'] as const) {
    app.post(`${at}/runs/:run/${verb}`, (request, response) => {
      const { reason, readOnly } = request.body as { reason: string; readOnly?: boolean };
      const found = runs.get(request.params.run);
      if (found === undefined) return void response.status(404).json({ code: 'NOT_FOUND', message: 'no such run' });
      const { frozen: _frozen, ...thawed } = found;
      const hold = { source: 'person', by: 'front-desk', reason } as const;
      const after: Readonly<Record<typeof verb, RunSummary>> = {
        freeze: { ...found, status: 'Frozen', frozen: [hold] },
        resume: { ...thawed, status: 'Running' },
        readonly: { ...found, readOnly: readOnly === true },
      };
      runs.set(found.run, after[verb]);
      response.json(after[verb]);
    });
  }
  return listen(app, '127.0.0.1', 0).then((server) => ({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    runs,
    asked,
    server,
    app,
  }));
}

export function listen(app: express.Express, host: string, port: number): Promise<Server> {
  const server = createServer(app);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

/** Starts all of it before the tests of a file and stops it after them; each test finds the stand-in empty. */
export function cliStage(): CliStage {
  let plane: TestPlane | undefined;
  let engine: Engine | undefined;
  const started = <T>(part: T | undefined): T => {
    if (part === undefined) throw new Error('the stage is there in tests only');
    return part;
  };
  beforeAll(async () => {
    plane = await startPlane({ crds: true });
    engine = await startEngine(plane);
    await plane.kubectl(['create', 'namespace', namespace]);
    await plane.kubectl(['create', 'namespace', 'signalbox-system']);
    await plane.kubectl(['create', 'serviceaccount', 'default', '-n', 'signalbox-system']);
  });
  afterAll(async () => {
    engine?.server.close();
    await plane?.stop();
  });
  beforeEach(() => {
    engine?.runs.clear();
    if (engine !== undefined) engine.asked.length = 0;
  });
  const typed: CliStage['typed'] = (words, options = {}) => typeLine(started(plane), words, options);
  return {
    get plane() {
      return started(plane);
    },
    get engine() {
      return started(engine);
    },
    typed,
    onEngine: (...words) => typed([...words, '-n', namespace, '--server', started(engine).url]),
  };
}

/** Types a command line against the test's API server. */
export async function typeLine(
  plane: Pick<TestPlane, 'kubeconfig'>,
  words: readonly string[],
  options: TypedOptions = {},
): Promise<Typed> {
  const { host, out, error } = testHost({
    kubeconfigAccess: kubeconfigConfig,
    local: () => import('../../local/api.ts'),
    connect: (access, timeoutMs) => Promise.resolve(connectKube({ access, component: 'cli', timeoutMs })),
    readStdin: () => Promise.resolve(options.stdin ?? ''),
    environment: {
      KUBECONFIG: plane.kubeconfig,
      ...(options.token === undefined ? {} : { SIGNALBOX_TOKEN: options.token }),
    },
  });
  const code = await run(host, words);
  return { code, out: out(), error: error() };
}
