// The verbs for people: questions, decisions, what an agent may do, and names to complete.
import { describe, expect, test } from 'vitest';
import { connectKube } from '../../adapters/kube/kube.ts';
import { run } from '../../cli/program.ts';
import { testHost } from '../support/cli-host.ts';
import { cliStage, namespace, summary } from '../support/cli-stage.ts';

const stage = cliStage();
const { typed } = stage;

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
    await stage.plane.kubectl(['delete', 'escalations,decisions', '--all', '-n', namespace]);
    await stage.plane.kubectl(['apply', '-f', '-'], JSON.stringify(escalation()));
  };

  /** What the operator does: answers the first Decision it sees. */
  const operator = async (status: object): Promise<{ spec: Record<string, unknown> }> => {
    for (let look = 0; look < 200; look += 1) {
      const list = JSON.parse(await stage.plane.kubectl(['get', 'decisions', '-n', namespace, '-o', 'json'])) as {
        items: { metadata: { name: string }; spec: Record<string, unknown> }[];
      };
      const [first] = list.items;
      if (first !== undefined) {
        await stage.plane.kubectl([
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
    await stage.plane.kubectl([
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
    expect(await stage.plane.kubectl(['get', 'decisions', '-n', namespace, '-o', 'name'])).toBe('');
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
  await stage.plane.kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  const summary = 'It escalates to queue billing when confidence is below 0.7.';
  await stage.plane.kubectl([
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
  stage.engine.runs.set('b', summary({ run: 'b' }));
  const words = [
    '__complete',
    '--',
    'trace',
    '--server',
    stage.engine.url,
    '--kubeconfig',
    stage.plane.kubeconfig,
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
  await run(agents.host, ['__complete', '--', 'explain', '--kubeconfig', stage.plane.kubeconfig, '-n', namespace, 'b']);
  expect(agents.out()).toBe('billing\tAgent\n');
});
