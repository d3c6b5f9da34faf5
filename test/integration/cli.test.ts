// The verbs for runs and people, on a real API server and an engine's HTTP API that speaks the protocol from memory.
import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import express from 'express';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectKube } from '../../adapters/kube/kube.ts';
import { kubeconfigConfig } from '../../adapters/kube/kubeconfig.ts';
import type { HistoryEvent, RunSummary } from '../../api/messages/history.ts';
import { run } from '../../cli/program.ts';
import { startPlane, type TestPlane } from '../support/plane.ts';
import { testHost } from '../support/cli-host.ts';

const namespace = 'clinic';
let plane: TestPlane;
let engine: Engine;

interface Engine {
  readonly url: string;
  readonly runs: Map<string, RunSummary>;
  readonly asked: { path: string; authorization: string | undefined; forwarded: string | undefined; body: unknown }[];
  readonly server: Server;
  readonly app: express.Express;
}

const summary = (over: Partial<RunSummary>): RunSummary => ({
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

const history: readonly HistoryEvent[] = [
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

function startEngine(): Promise<Engine> {
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

function listen(app: express.Express, host: string, port: number): Promise<Server> {
  const server = createServer(app);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

/** Types a command line against the test's API server. */
async function typed(words: readonly string[], options: { token?: string; stdin?: string } = {}) {
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
const onEngine = (...words: readonly string[]) => typed([...words, '-n', namespace, '--server', engine.url]);

beforeAll(async () => {
  plane = await startPlane({ crds: true });
  engine = await startEngine();
  await plane.kubectl(['create', 'namespace', namespace]);
  await plane.kubectl(['create', 'namespace', 'signalbox-system']);
  await plane.kubectl(['create', 'serviceaccount', 'default', '-n', 'signalbox-system']);
});
afterAll(async () => {
  engine?.server.close();
  await plane?.stop();
});
beforeEach(() => {
  engine.runs.clear();
  engine.asked.length = 0;
});

describe('run start', () => {
  test('sends the input and the caller’s own token', async () => {
    const { code, out, error } = await onEngine(
      'run',
      'start',
      'billing',
      '--input',
      '{"invoice":"inv-1"}',
      '--key',
      'k1',
    );
    expect([code, out]).toEqual([
      0,
      'Run 7dKq3vXW1pLm9RtYzB2cNf of billing: Running in assess.\nAgent billing works on assess.\n',
    ]);
    expect(error).toBe('next: signalbox trace 7dKq3vXW1pLm9RtYzB2cNf -n clinic\n');
    expect(engine.asked).toEqual([
      {
        path: 'POST /v1/namespaces/clinic/workflows/billing/runs',
        authorization: `Bearer ${plane.kube.token}`,
        forwarded: undefined,
        body: { input: { invoice: 'inv-1' }, key: 'k1' },
      },
    ]);
  });

  test('reads YAML from standard input and prints the id for a script', async () => {
    const words = ['run', 'start', 'billing', '--input', '-', '-o', 'name', '-n', namespace, '--server', engine.url];
    expect(await typed(words, { stdin: 'invoice: inv-2\n' })).toMatchObject({
      code: 0,
      out: '7dKq3vXW1pLm9RtYzB2cNf\n',
    });
    expect(engine.asked[0]?.body).toEqual({ input: { invoice: 'inv-2' } });
  });

  test.each([
    ['success', 0],
    ['refused', 4],
    ['failed', 1],
    ['handedOver', 1],
  ])('--wait ends with the outcome %s as exit code %i', async (outcome, exit) => {
    const answer = onEngine('run', 'start', 'billing', '--input', '{"invoice":"inv-1"}', '--wait');
    while (engine.runs.size === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    engine.runs.set('7dKq3vXW1pLm9RtYzB2cNf', summary({ status: 'Waiting', escalation: '7dkq3vxw1plm9rtyzb2cnf-1' }));
    setTimeout(
      () => engine.runs.set('7dKq3vXW1pLm9RtYzB2cNf', summary({ status: 'Closed', outcome, closedAt: Date.now() })),
      500,
    );
    const { code, error } = await answer;
    expect(code).toBe(exit);
    expect(error).toContain('it waits for a person: signalbox escalation show 7dkq3vxw1plm9rtyzb2cnf-1 -n clinic');
  });

  test('--wait gives up after --timeout and says the run goes on', async () => {
    const { code, error } = await onEngine(
      'run',
      'start',
      'billing',
      '--input',
      '{"invoice":"i"}',
      '--wait',
      '--timeout',
      '400ms',
    );
    expect(code).toBe(1);
    expect(error).toContain('has not ended after 0.4s; it goes on by itself');
    expect(error).toContain('try: signalbox run show 7dKq3vXW1pLm9RtYzB2cNf -n clinic --watch');
  });

  test.each([
    ['a workflow nobody knows', ['run', 'start', 'biling'], 3, 'there is no workflow "biling" in clinic'],
    ['input the workflow refuses', ['run', 'start', 'billing'], 2, 'input.invoice is required, found nothing'],
    [
      'input that is no object',
      ['run', 'start', 'billing', '--input', '[1]'],
      2,
      '--input must be one JSON object, found a list in --input',
    ],
    ['input that is no JSON', ['run', 'start', 'billing', '--input', '{"a"'], 2, '--input is no JSON'],
    ['a file that is not there', ['run', 'start', 'billing', '--input', 'gone.json'], 2, 'gone.json cannot be read'],
  ])('%s', async (_what, words, exit, message) => {
    const { code, out, error } = await onEngine(...words);
    expect([code, out]).toEqual([exit, '']);
    expect(error).toContain(`error: `);
    expect(error.replaceAll(/\s+/g, ' ')).toContain(message);
  });
});

describe('runs', () => {
  test('lists, filters, and speaks to programs', async () => {
    engine.runs.set(
      'a',
      summary({ run: 'a', workflow: 'support', status: 'Closed', outcome: 'success', closedAt: Date.now() }),
    );
    engine.runs.set('b', summary({ run: 'b' }));
    expect((await onEngine('runs', '-o', 'name')).out).toBe('a\nb\n');
    expect((await onEngine('runs', '--workflow', 'support', '-o', 'name')).out).toBe('a\n');
    const json = JSON.parse((await onEngine('runs', '--status', 'Running', '-o', 'json')).out) as {
      items: RunSummary[];
    };
    expect(json.items.map((item) => item.run)).toEqual(['b']);
    expect((await onEngine('runs', '-o', 'yaml')).out).toMatch(/^items:\n {2}- run: a\n/);
    expect((await onEngine('runs')).out).toMatch(/^RUN +WORKFLOW +STATUS .*\na +support +success/);
  });

  test('an empty list says so and what to type', async () => {
    expect(await onEngine('runs', '--status', 'Waiting')).toEqual({
      code: 0,
      out: '',
      error:
        'No runs that are Waiting in namespace clinic.\nnext: signalbox run start WORKFLOW -n clinic --input FILE\n',
    });
  });
});

describe('run show, trace and cancel', () => {
  test('by id', async () => {
    engine.runs.set('7dKq3vXW1pLm9RtYzB2cNf', summary({}));
    expect((await onEngine('run', 'show', '7dKq3vXW1pLm9RtYzB2cNf')).out).toContain(
      'status        Running, state assess\n',
    );
    const trace = await onEngine('trace', '7dKq3vXW1pLm9RtYzB2cNf');
    expect(trace.out).toContain('  +0.000s  · started by front-desk (http)\n             input {"invoice": "inv-1"}\n');
    expect(JSON.parse((await onEngine('trace', '7dKq3vXW1pLm9RtYzB2cNf', '-o', 'json')).out)).toEqual({
      events: history,
    });
    expect((await onEngine('run', 'cancel', '7dKq3vXW1pLm9RtYzB2cNf', '--reason', 'twice')).out).toBe(
      'Run 7dKq3vXW1pLm9RtYzB2cNf is cancelled.\n',
    );
    expect(engine.asked.at(-1)?.body).toEqual({ reason: 'twice' });
  });

  test('freeze, resume, read-only: what the run is then', async () => {
    engine.runs.set('f1', summary({ run: 'f1' }));
    const said = async (...words: readonly string[]) => (await onEngine('run', ...words)).out;
    expect(await said('freeze', 'f1', '--reason', 'look first')).toBe('Run f1: frozen by front-desk (look first).\n');
    expect(await said('show', 'f1')).toContain('frozen        by front-desk: look first\n');
    expect(await said('resume', 'f1', '--reason', 'seen')).toBe('Run f1: Running in state assess.\n');
    expect(await said('readonly', 'f1', '--reason', 'careful')).toBe('Run f1: Running in state assess, read-only.\n');
    expect(engine.asked.at(-1)?.body).toEqual({ readOnly: true, reason: 'careful' });
    expect(await said('readonly', 'f1', '--off', '--reason', 'fine')).toBe('Run f1: Running in state assess.\n');
    engine.runs.set('f1', summary({ run: 'f1', status: 'Closed', outcome: 'success' }));
    expect(await said('freeze', 'f1', '--reason', 'late')).toBe('Run f1 has ended already (success).\n');
  });

  test('a run with children shows the tree, with those that are not started', async () => {
    const child = (name: string, run: string) => ({ child: name, run, workflow: 'check', state: 'fork' });
    engine.runs.set('p1', summary({ run: 'p1', children: [child('credit', 'q1'), child('stock', 'q2')] }));
    engine.runs.set('q1', summary({ run: 'q1', parentRun: 'p1' }));
    const tree = 'children\n├ credit: run q1 of check, Running in assess\n└ stock: run q2 of check, not started yet\n';
    expect((await onEngine('run', 'show', 'p1')).out).toContain(tree);
    expect((await onEngine('trace', 'p1')).out).toContain(tree);
    expect((await onEngine('run', 'show', 'q1')).out).toContain('parent        run p1\n');
  });

  test('by the name of the WorkflowRun that started it', async () => {
    engine.runs.set('b1', summary({ run: 'b1' }));
    const object = {
      apiVersion: 'signalbox.dev/v1alpha1',
      kind: 'WorkflowRun',
      metadata: { name: 'invoice-1042', namespace },
      spec: { workflowRef: { name: 'billing' } },
    };
    await plane.kubectl(['apply', '-f', '-'], JSON.stringify(object));
    await plane.kubectl([
      'patch',
      'workflowrun',
      'invoice-1042',
      '-n',
      namespace,
      '--subresource=status',
      '--type=merge',
      '-p',
      '{"status":{"run":"b1"}}',
    ]);
    expect((await onEngine('run', 'show', 'invoice-1042', '-o', 'name')).out).toBe('b1\n');
  });

  test('what nobody knows ends with 3', async () => {
    const { code, error } = await onEngine('trace', 'nobody');
    expect([code, error.replaceAll(/\s+/g, ' ')]).toEqual([
      3,
      'error: no run and no WorkflowRun is called "nobody" in namespace clinic try: signalbox runs -n clinic, or another namespace with -n ',
    ]);
  });
});

describe('how the engine is reached', () => {
  const address = `127.${100 + (process.pid % 100)}.7.9`;

  test('on this machine: at the address of its ready pod', async () => {
    const beside = await listen(engine.app, address, 8080);
    try {
      const labels = { 'app.kubernetes.io/component': 'engine' };
      const spec = { containers: [{ name: 'engine', image: 'signalbox' }] };
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'engine', namespace: 'signalbox-system', labels },
        spec,
      };
      await plane.kubectl(['apply', '-f', '-'], JSON.stringify(pod));
      const early = await typed(['runs', '-n', namespace]);
      expect([early.code, early.error.replaceAll(/\s+/g, ' ')]).toEqual([
        1,
        'error: no engine is ready in namespace signalbox-system try: signalbox status, then signalbox logs engine --tail 20 ',
      ]);
      const status = {
        phase: 'Running',
        podIP: address,
        podIPs: [{ ip: address }],
        conditions: [{ type: 'Ready', status: 'True' }],
      };
      await plane.kubectl([
        'patch',
        'pod',
        'engine',
        '-n',
        'signalbox-system',
        '--subresource=status',
        '--type=merge',
        '-p',
        JSON.stringify({ status }),
      ]);
      engine.runs.set('b', summary({ run: 'b' }));
      expect(await typed(['runs', '-n', namespace, '-o', 'name'])).toEqual({ code: 0, out: 'b\n', error: '' });
    } finally {
      beside.close();
    }
  });

  // A pod with an address of its own network is reached through the API server. Nothing is sent to that address here: that
  // the API server knows no such Service shows that it was asked.
  test('elsewhere: through the API server', async () => {
    const at = ['-n', 'signalbox-system'];
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: 'signalbox-system', name: 'engine', labels: { 'app.kubernetes.io/component': 'engine' } },
      spec: { containers: [{ name: 'engine', image: 'signalbox' }] },
    };
    const podIP = '192.0.2.1';
    const conditions = [{ type: 'Ready', status: 'True' }];
    await plane.kubectl(['delete', 'pod', 'engine', ...at, '--force', '--ignore-not-found']);
    await plane.kubectl(['apply', '-f', '-'], JSON.stringify(pod));
    const status = JSON.stringify({ status: { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions } });
    await plane.kubectl(['patch', 'pod', 'engine', ...at, '--subresource=status', '--type=merge', '-p', status]);
    const { code, error } = await typed(['runs', '-n', namespace]);
    expect([code, error]).toEqual([3, 'error: services "signalbox-engine" not found\n']);
  });

  test('a wrong token is refused with 4', async () => {
    const { code, error } = await typed(['runs', '-n', namespace, '--server', engine.url], { token: 'wrong' });
    expect([code, error]).toEqual([4, 'error: no valid credentials came with the request\ntry: kubectl auth whoami\n']);
  });

  test('nobody there ends with 1 and the address', async () => {
    const { code, error } = await typed(['runs', '--server', 'http://127.0.0.1:9']);
    expect(code).toBe(1);
    expect(error).toContain('the engine at http://127.0.0.1:9 cannot be reached');
  });

  test('a token never travels in the clear to another machine', async () => {
    const { code, error } = await typed(['runs', '--server', 'http://engine.example.com']);
    expect([code, error.replaceAll(/\s+/g, ' ')]).toEqual([
      2,
      'error: http://engine.example.com is not encrypted: your token would be readable on its way try: use an https URL, or name the token yourself with --token if you accept that ',
    ]);
  });
});

describe('escalations and decide', () => {
  const name = '7dkq3vxw1plm9rtyzb2cnf-1';
  const escalation = (over: object = {}) => ({
    apiVersion: 'signalbox.dev/v1alpha1',
    kind: 'Escalation',
    metadata: { name, namespace },
    spec: {
      id: name,
      run: '7dKq3vXW1pLm9RtYzB2cNf',
      workflow: 'billing',
      state: 'charge',
      signal: 'approval',
      action: 'approval',
      queue: 'billing',
      question: 'May billing charge $1,250.00 for inv-1042?',
      proposal: { tool: 'charge-card', args: { invoice: 'inv-1042' } },
      digest: `sha256:${'9a'.repeat(32)}`,
      requestedBy: 'front-desk',
      openedAt: '2026-11-23T11:59:00Z',
      deadline: '2099-11-23T12:29:00Z',
      ...over,
    },
  });
  const reset = async (): Promise<void> => {
    await plane.kubectl(['delete', 'escalations,decisions', '--all', '-n', namespace]);
    await plane.kubectl(['apply', '-f', '-'], JSON.stringify(escalation()));
  };

  /** What the operator does: answers the first Decision it sees. */
  const operator = async (status: object): Promise<{ spec: Record<string, unknown> }> => {
    for (let look = 0; look < 200; look += 1) {
      const list = JSON.parse(await plane.kubectl(['get', 'decisions', '-n', namespace, '-o', 'json'])) as {
        items: { metadata: { name: string }; spec: Record<string, unknown> }[];
      };
      const [first] = list.items;
      if (first !== undefined) {
        await plane.kubectl([
          'patch',
          'decision',
          first.metadata.name,
          '-n',
          namespace,
          '--subresource=status',
          '--type=merge',
          '-p',
          JSON.stringify({ status }),
        ]);
        return first;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('no Decision came');
  };

  test('an empty list says so', async () => {
    const { out, error } = await typed(['escalations', '-n', namespace]);
    expect([out, error]).toEqual([
      '',
      'Nothing waits for a person in namespace clinic.\nnext: signalbox escalations --all -n clinic, for those that are decided\n',
    ]);
  });

  test('lists the open ones, by queue, and shows one', async () => {
    await reset();
    const list = await typed(['escalations', '-n', namespace]);
    expect(list.out).toMatch(/^ESCALATION +QUEUE .*\n7dkq3vxw1plm9rtyzb2cnf-1 +billing +Open/);
    expect(list.error).toBe(`next: signalbox escalation show ${name} -n clinic\n`);
    expect((await typed(['escalations', '-n', namespace, '--queue', 'other'])).out).toBe('');
    const shown = await typed(['escalation', 'show', '7dKq3vXW1pLm9RtYzB2cNf', '-n', namespace]);
    expect(shown.out).toContain('May billing charge $1,250.00 for inv-1042?\n');
    expect(shown.out).toContain('On approval, exactly this is done: charge-card\n');
    expect(shown.error).toContain(`next: signalbox decide ${name} approve -n clinic --reason "…"\n`);
  });

  test('an approval carries who, why and the digest that was shown', async () => {
    await reset();
    const answering = operator({ state: 'Accepted', message: 'Approved: the run goes on.' });
    const { code, out, error } = await typed(['decide', name, 'approve', '-n', namespace, '--reason', 'checked']);
    const decision = await answering;
    expect(code).toBe(0);
    expect(decision.spec).toEqual({
      escalationRef: { name },
      queue: 'billing',
      option: 'approve',
      reason: 'checked',
      digest: `sha256:${'9a'.repeat(32)}`,
      decidedBy: 'admin',
    });
    expect(out).toContain('May billing charge $1,250.00 for inv-1042?\n');
    expect(out).toContain(
      'Approved by admin.\nRun 7dKq3vXW1pLm9RtYzB2cNf goes on and does exactly what was shown\n(charge-card), once.\n',
    );
    expect(error).toBe('next: signalbox trace 7dKq3vXW1pLm9RtYzB2cNf -n clinic --watch\n');
  });

  test('a refusal ends with 4 and the operator’s words', async () => {
    await reset();
    const answering = operator({ state: 'Refused', message: 'It was decided already.' });
    const { code, error } = await typed(['decide', name, 'reject', '-n', namespace, '--reason', 'no']);
    await answering;
    expect(code).toBe(4);
    expect(error).toContain('error: the answer was refused: It was decided already.\n');
  });

  test('without an answer of the operator it says so in time', async () => {
    await reset();
    const { code, error } = await typed([
      'decide',
      name,
      'approve',
      '-n',
      namespace,
      '--reason',
      'x',
      '--request-timeout',
      '600ms',
    ]);
    expect(code).toBe(1);
    expect(error.replaceAll(/\s+/g, ' ')).toContain('is made, but nobody has taken it yet');
  });

  test('what is decided already is refused before anything is made', async () => {
    await reset();
    await plane.kubectl([
      'patch',
      'escalation',
      name,
      '-n',
      namespace,
      '--subresource=status',
      '--type=merge',
      '-p',
      '{"status":{"state":"Decided","option":"approve","decidedBy":"maria"}}',
    ]);
    const { code, error } = await typed(['decide', name, 'reject', '-n', namespace, '--reason', 'no']);
    expect([code, error.replaceAll(/\s+/g, ' ')]).toEqual([
      4,
      `error: escalation ${name} is decided already: approve by maria try: signalbox trace 7dKq3vXW1pLm9RtYzB2cNf -n clinic `,
    ]);
    expect(await plane.kubectl(['get', 'decisions', '-n', namespace, '-o', 'name'])).toBe('');
  });
});

test('explain says in a sentence what an agent may do and when it asks', async () => {
  const objects = [
    {
      apiVersion: 'signalbox.dev/v1alpha1',
      kind: 'Agent',
      metadata: { name: 'billing', namespace },
      spec: {
        role: 'Bills visits.',
        bundleRef: { name: 'billing-1' },
        permissions: [
          { tool: 'get-invoice', mode: 'read' },
          { tool: 'charge-card', mode: 'write', approveWhen: 'args.amountCents > 100000', queue: 'billing' },
          { tool: 'refund', mode: 'approve' },
        ],
        escalationPolicyRef: { name: 'careful' },
      },
    },
    {
      apiVersion: 'signalbox.dev/v1alpha1',
      kind: 'EscalationPolicy',
      metadata: { name: 'careful', namespace },
      spec: {
        rules: [{ name: 'low', signal: 'lowConfidence', below: '0.7', action: 'humanQueue', queue: 'billing' }],
        queues: [{ name: 'billing', deadline: '30m' }],
      },
    },
  ];
  await plane.kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  const summary = 'It escalates to queue billing when confidence is below 0.7.';
  await plane.kubectl([
    'patch',
    'escalationpolicy',
    'careful',
    '-n',
    namespace,
    '--subresource=status',
    '--type=merge',
    '-p',
    JSON.stringify({ status: { summary } }),
  ]);
  const { code, out } = await typed(['explain', 'billing', '-n', namespace]);
  expect([code, out.replaceAll('\n', ' ')]).toEqual([
    0,
    'Agent billing may read with get-invoice, may act with charge-card, but asks queue billing when args.amountCents > 100000, asks a person before each refund, and nothing else; under policy careful: it escalates to queue billing when confidence is below 0.7. ',
  ]);
  expect(await typed(['explain', 'nobody', '-n', namespace])).toMatchObject({ code: 3 });
});

test('names are completed from the cluster and the engine', async () => {
  engine.runs.set('b', summary({ run: 'b' }));
  const words = [
    '__complete',
    '--',
    'trace',
    '--server',
    engine.url,
    '--kubeconfig',
    plane.kubeconfig,
    '-n',
    namespace,
    '',
  ];
  const { host, out } = testHost({
    connect: (access, timeoutMs) => Promise.resolve(connectKube({ access, component: 'cli', timeoutMs })),
  });
  await run(host, words);
  expect(out()).toBe('b\tbilling, Running\n');
  const agents = testHost({
    connect: (access, timeoutMs) => Promise.resolve(connectKube({ access, component: 'cli', timeoutMs })),
  });
  await run(agents.host, ['__complete', '--', 'explain', '--kubeconfig', plane.kubeconfig, '-n', namespace, 'b']);
  expect(agents.out()).toBe('billing\tAgent\n');
});

describe('the built program', () => {
  const program = join(import.meta.dirname, '../../bin/signalbox');
  const built = (...words: readonly string[]) =>
    promisify(execFile)(program, words, { env: { ...process.env, KUBECONFIG: plane.kubeconfig }, timeout: 30_000 });

  test('has everything in it: YAML, requests, exit codes', async () => {
    engine.runs.set('b', summary({ run: 'b' }));
    const { stdout } = await built('runs', '-n', namespace, '--server', engine.url, '-o', 'yaml');
    expect(stdout).toMatch(/^items:\n {2}- run: b\n/);
    await expect(built('run', 'show', 'gone', '-n', namespace, '--server', engine.url)).rejects.toMatchObject({
      code: 3,
    });
    const document = {
      openapi: '3.0.0',
      servers: [{ url: 'http://a' }],
      paths: { '/x': { get: { operationId: 'x' } } },
    };
    const file = join(tmpdir(), `signalbox-openapi-${process.pid}.json`);
    await writeFile(file, JSON.stringify(document));
    expect((await built('tools', 'import', file)).stdout).toContain('effect: ""  # read |');
    await rm(file);
  });

  test('answers --help at once', async () => {
    await built('--help');
    const began = performance.now();
    await built('--help');
    // A third of this on a quiet machine; the look for newer sources is part of it.
    expect(performance.now() - began).toBeLessThan(1000);
  });
});
