// The verbs for runs, on a real API server and an engine's HTTP API that speaks the protocol from memory.
import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { RunSummary } from '../../api/messages/history.ts';
import { cliStage, history, namespace, summary } from '../support/cli-stage.ts';

const stage = cliStage();
const { typed, onEngine } = stage;

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
    expect(stage.engine.asked).toEqual([
      {
        path: 'POST /v1/namespaces/clinic/workflows/billing/runs',
        authorization: `Bearer ${stage.plane.kube.token}`,
        forwarded: undefined,
        body: { input: { invoice: 'inv-1' }, key: 'k1' },
      },
    ]);
  });

  test('reads YAML from standard input and prints the id for a script', async () => {
    const words = [
      'run',
      'start',
      'billing',
      '--input',
      '-',
      '-o',
      'name',
      '-n',
      namespace,
      '--server',
      stage.engine.url,
    ];
    expect(await typed(words, { stdin: 'invoice: inv-2\n' })).toMatchObject({
      code: 0,
      out: '7dKq3vXW1pLm9RtYzB2cNf\n',
    });
    expect(stage.engine.asked[0]?.body).toEqual({ input: { invoice: 'inv-2' } });
  });

  test.each([
    ['success', 0],
    ['refused', 4],
    ['failed', 1],
    ['handedOver', 1],
  ])('--wait ends with the outcome %s as exit code %i', async (outcome, exit) => {
    const answer = onEngine('run', 'start', 'billing', '--input', '{"invoice":"inv-1"}', '--wait');
    while (stage.engine.runs.size === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    stage.engine.runs.set(
      '7dKq3vXW1pLm9RtYzB2cNf',
      summary({ status: 'Waiting', escalation: '7dkq3vxw1plm9rtyzb2cnf-1' }),
    );
    setTimeout(
      () =>
        stage.engine.runs.set('7dKq3vXW1pLm9RtYzB2cNf', summary({ status: 'Closed', outcome, closedAt: Date.now() })),
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
    stage.engine.runs.set(
      'a',
      summary({ run: 'a', workflow: 'support', status: 'Closed', outcome: 'success', closedAt: Date.now() }),
    );
    stage.engine.runs.set('b', summary({ run: 'b' }));
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
    stage.engine.runs.set('7dKq3vXW1pLm9RtYzB2cNf', summary({}));
    expect((await onEngine('run', 'show', '7dKq3vXW1pLm9RtYzB2cNf')).out).toContain(
      'status        Running, state assess\n',
    );
    const trace = await onEngine('trace', '7dKq3vXW1pLm9RtYzB2cNf');
    expect(trace.out).toContain('  +0.000s  · started by front-desk (http)\n             input {"invoice": "inv-1"}\n');
    expect(JSON.parse((await onEngine('trace', '7dKq3vXW1pLm9RtYzB2cNf', '-o', 'json')).out)).toEqual({
      run: '7dKq3vXW1pLm9RtYzB2cNf',
      events: history,
    });
    expect((await onEngine('run', 'cancel', '7dKq3vXW1pLm9RtYzB2cNf', '--reason', 'twice')).out).toBe(
      'Run 7dKq3vXW1pLm9RtYzB2cNf is cancelled.\n',
    );
    expect(stage.engine.asked.at(-1)?.body).toEqual({ reason: 'twice' });
  });

  test('freeze, resume, read-only: what the run is then', async () => {
    stage.engine.runs.set('f1', summary({ run: 'f1' }));
    const said = async (...words: readonly string[]) => (await onEngine('run', ...words)).out;
    expect(await said('freeze', 'f1', '--reason', 'look first')).toBe('Run f1: frozen by front-desk (look first).\n');
    expect(await said('show', 'f1')).toContain('frozen        by front-desk: look first\n');
    expect(await said('resume', 'f1', '--reason', 'seen')).toBe('Run f1: Running in state assess.\n');
    expect(await said('readonly', 'f1', '--reason', 'careful')).toBe('Run f1: Running in state assess, read-only.\n');
    expect(stage.engine.asked.at(-1)?.body).toEqual({ readOnly: true, reason: 'careful' });
    expect(await said('readonly', 'f1', '--off', '--reason', 'fine')).toBe('Run f1: Running in state assess.\n');
    stage.engine.runs.set('f1', summary({ run: 'f1', status: 'Closed', outcome: 'success' }));
    expect(await said('freeze', 'f1', '--reason', 'late')).toBe('Run f1 has ended already (success).\n');
  });

  test('a run with children shows the tree, with those that are not started', async () => {
    const child = (name: string, run: string) => ({ child: name, run, workflow: 'check', state: 'fork' });
    stage.engine.runs.set('p1', summary({ run: 'p1', children: [child('credit', 'q1'), child('stock', 'q2')] }));
    stage.engine.runs.set('q1', summary({ run: 'q1', parentRun: 'p1' }));
    const tree = 'children\n├ credit: run q1 of check, Running in assess\n└ stock: run q2 of check, not started yet\n';
    expect((await onEngine('run', 'show', 'p1')).out).toContain(tree);
    expect((await onEngine('trace', 'p1')).out).toContain(tree);
    expect((await onEngine('run', 'show', 'q1')).out).toContain('parent        run p1\n');
  });

  test('by the name of the WorkflowRun that started it', async () => {
    stage.engine.runs.set('b1', summary({ run: 'b1' }));
    const object = {
      apiVersion: 'signalbox.dev/v1alpha1',
      kind: 'WorkflowRun',
      metadata: { name: 'invoice-1042', namespace },
      spec: { workflowRef: { name: 'billing' } },
    };
    await stage.plane.kubectl(['apply', '-f', '-'], JSON.stringify(object));
    await stage.plane.kubectl([
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

describe('the built program', () => {
  const program = join(import.meta.dirname, '../../bin/signalbox');
  const built = (...words: readonly string[]) =>
    promisify(execFile)(program, words, {
      env: { ...process.env, KUBECONFIG: stage.plane.kubeconfig },
      timeout: 30_000,
    });

  test('has everything in it: YAML, requests, exit codes', async () => {
    stage.engine.runs.set('b', summary({ run: 'b' }));
    const { stdout } = await built('runs', '-n', namespace, '--server', stage.engine.url, '-o', 'yaml');
    expect(stdout).toMatch(/^items:\n {2}- run: b\n/);
    await expect(built('run', 'show', 'gone', '-n', namespace, '--server', stage.engine.url)).rejects.toMatchObject({
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
