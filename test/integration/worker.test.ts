// Runs through the real engine, gateway and workers, each killed in turn: the run ends, and each effect happens once.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ClaimReply, ReportReply } from '../../api/messages/asks.ts';
import type { RunSummary } from '../../api/messages/history.ts';
import { askEngine, bundleToken } from '../../api/messages/subjects.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { type FaultServer, startFaultServer } from '../support/fault-server.ts';
import { type GatewayProcess, stageAgent, stageNamespace } from '../support/gateway-stage.ts';
import { type RunStage, startRunStage } from '../support/run-stage.ts';

let server: FaultServer;
let stage: RunStage;
let engine: GatewayProcess;
let gateway: GatewayProcess;
let worker: GatewayProcess;
let counter = 0;

const done = (tool: string) => `calls.exists(c, c.tool == '${tool}' && c.outcome == 'ok')`;
const shape = {
  type: 'object',
  required: ['paid'],
  properties: { paid: { type: 'boolean' }, note: { type: 'string' } },
};

function workflow(goal: string, structured = true): WorkflowSpec {
  return {
    input: { type: 'object' },
    start: 'work',
    states: {
      work: {
        type: 'task',
        agent: stageAgent,
        goal,
        timeout: '60s',
        backup: 'none',
        exits: { error: 'failed', timeout: 'failed' },
        retry: { max: 3, backoff: '100ms' },
        ...(structured ? { output: shape } : {}),
      },
      ok: { type: 'terminal', outcome: 'success' },
      failed: { type: 'terminal', outcome: 'failed' },
    },
    transitions: [{ from: 'work', to: 'ok' }],
  };
}

beforeAll(async () => {
  server = await startFaultServer();
  const tool = (path: string, effect: ToolSpec['effect'], more: Partial<ToolSpec> = {}): ToolSpec => ({
    description: 'A tool.',
    http: { url: `${server.url}${path}` },
    input: { type: 'object' },
    effect,
    limits: { timeout: '2s' },
    ...more,
  });
  stage = await startRunStage(
    {
      tools: {
        look: tool('/look', 'read'),
        pay: tool('/pay', 'idempotentWrite', { idempotency: { header: 'Idempotency-Key' } }),
        'approve-me': tool('/approved', 'write'),
      },
      models: {
        script: {
          scripted: {
            replies: [
              {
                name: 'judge-no',
                when: "role == 'verifier' && !has(result.note)",
                json: { approved: false, reason: 'Add a note.' },
              },
              { name: 'judge-yes', when: "role == 'verifier'", json: { approved: true, reason: 'fine' } },
              { name: 'stray', when: "goal == 'stray' && size(calls) == 0", calls: [{ tool: 'rm-rf', args: {} }] },
              { name: 'look', when: `!${done('look')}`, calls: [{ tool: 'look', args: { who: '${input.who}' } }] },
              {
                name: 'ask',
                when: `goal == 'approve' && !calls.exists(c, c.tool == 'approve-me')`,
                calls: [{ tool: 'approve-me', args: { who: '${input.who}' } }],
              },
              {
                name: 'pay',
                when: `goal != 'approve' && !${done('pay')}`,
                calls: [{ tool: 'pay', args: { who: '${input.who}' } }],
              },
              { name: 'bare', when: "feedback == '' && goal == 'repair'", json: { paid: true } },
              { name: 'prose', when: "goal == 'prose' && turn == 3", text: 'It is paid.' },
              { name: 'answer', json: { paid: true, note: 'paid once' }, confidence: '0.9' },
            ],
          },
          prices: { currency: 'USD', inputPerMillion: 1_000_000, outputPerMillion: 1_000_000 },
        },
      },
      spec: { verifier: { model: 'script', rules: [{ name: 'paid', cel: 'result.paid' }] } },
      permissions: [
        { tool: 'look', mode: 'read' },
        { tool: 'pay', mode: 'write' },
        { tool: 'approve-me', mode: 'approve', queue: 'desk' },
      ],
    },
    {
      pay: workflow('pay'),
      repair: workflow('repair'),
      prose: workflow('prose'),
      stray: workflow('stray'),
      approve: workflow('approve'),
    },
  );
  engine = await stage.startEngine();
  gateway = await stage.startGateway();
  worker = await stage.startWorker('worker-0');
}, 60_000);
afterAll(async () => {
  await stage?.stop();
  await server?.stop();
});

const keysActed = new Set<string>();
/** A tool that recognises repeats, as a good one does; `effects` counts what it truly did. */
function honest(path: string, holdMs = 0): { readonly started: () => boolean } {
  let calls = 0;
  server.on(path, async (call, answer) => {
    calls += 1;
    const key = String(call.headers['idempotency-key'] ?? call.body);
    if (!keysActed.has(key)) {
      keysActed.add(key);
      answer.effect(key);
    }
    await new Promise((resolve) => setTimeout(resolve, holdMs));
    answer.json(200, { done: true });
  });
  return { started: () => calls > 0 };
}
beforeEach(() => {
  server.clear();
  keysActed.clear();
  counter += 1;
  server.on('/look', (_call, answer) => answer.json(200, { found: 1 }));
  honest('/pay');
  honest('/approved');
});

const closed = (summary: RunSummary): boolean => summary.status === 'Closed';
const acted = () => [...server.effects.values()].reduce((sum, count) => sum + count, 0);
const run = () => `Run${counter}`;
async function whole(name: string): Promise<RunSummary> {
  await stage.start(run(), name, { who: `p${counter}` });
  return stage.until(run(), closed);
}
const until = async (held: () => boolean): Promise<void> => {
  const end = Date.now() + 20_000;
  while (!held()) {
    if (Date.now() > end) throw new Error('it did not come to that');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

describe('a run', () => {
  it('looks, pays once, is verified and ends', async () => {
    const summary = await whole('pay');
    expect(summary).toMatchObject({ outcome: 'success', effects: 1, repairs: 0 });
    expect(summary.costMicros).toBeGreaterThan(0);
    expect(acted()).toBe(1);
  });

  it('is repaired after the verifier’s rejection, and pays once', async () => {
    expect(await whole('repair')).toMatchObject({ outcome: 'success', effects: 1, repairs: 1 });
    expect(acted()).toBe(1);
  });

  it('is asked for the shape when it answers in prose', async () => {
    expect(await whole('prose')).toMatchObject({ outcome: 'success', repairs: 0 });
  });

  it('is told of a tool that does not exist, and goes on', async () => {
    expect(await whole('stray')).toMatchObject({ outcome: 'success', effects: 1 });
  });

  it('waits for a person and acts once after a yes', async () => {
    await stage.start(run(), 'approve', { who: `p${counter}` });
    const waiting = await stage.until(run(), (summary) => summary.status === 'Waiting');
    expect(acted()).toBe(0);
    const opened = (await stage.history(run())).find((event) => event.type === 'EscalationOpened');
    if (opened?.type !== 'EscalationOpened') throw new Error('no escalation');
    expect(opened.escalation).toMatchObject({ queue: 'desk', proposal: { tool: 'approve-me' } });
    await stage.engine('decide', {
      namespace: stageNamespace,
      run: run(),
      escalation: waiting.escalation,
      queue: 'desk',
      option: 'approve',
      by: 'lead',
      reason: 'seen',
      digest: opened.escalation.digest,
      decision: 'uid-1',
    });
    expect(await stage.until(run(), closed)).toMatchObject({ outcome: 'success', effects: 1 });
    expect(acted()).toBe(1);
  });
});

describe('a process is killed while the tool works', () => {
  async function killedDuring(kill: () => Promise<void>): Promise<RunSummary> {
    const tool = honest('/pay', 1_000);
    await stage.start(run(), 'pay', { who: `p${counter}` });
    await until(tool.started);
    await kill();
    return stage.until(run(), closed);
  }

  it('the worker: another one goes on after the last turn', async () => {
    const second = await stage.startWorker('worker-1');
    const summary = await killedDuring(async () => {
      await worker.kill();
      worker = await stage.startWorker('worker-2');
    });
    expect(summary).toMatchObject({ outcome: 'success', effects: 1 });
    expect(acted()).toBe(1);
    const asked = (await stage.history(run())).filter((event) => event.type === 'TurnProposed');
    expect(asked).toHaveLength(1);
    expect(await second.terminate()).toBe(0);
  });

  it('the gateway', async () => {
    const summary = await killedDuring(async () => {
      await gateway.kill();
      gateway = await stage.startGateway();
    });
    expect(summary).toMatchObject({ outcome: 'success', effects: 1 });
    expect(acted()).toBe(1);
  });

  it('the engine', async () => {
    const summary = await killedDuring(async () => {
      await engine.kill();
      engine = await stage.startEngine();
    });
    expect(summary).toMatchObject({ outcome: 'success', effects: 1 });
    expect(acted()).toBe(1);
  });

  it('nats-server', async () => {
    const summary = await killedDuring(() => stage.nats.crash());
    expect(summary).toMatchObject({ outcome: 'success', effects: 1 });
    expect(acted()).toBe(1);
  });
});

describe('a hijacked worker', () => {
  it('cannot invent receipts, results or other agents’ activities', async () => {
    await worker.terminate();
    await stage.start(run(), 'pay', { who: `p${counter}` });
    const identity = { namespace: stageNamespace, agent: stageAgent, bundle: bundleToken(stage.bundle.digest) };
    const target = { run: run(), activity: 'work.1', attempt: 1, worker: 'evil' };
    const ask = <T>(verb: 'claim' | 'turn' | 'complete', payload: object, as = identity) =>
      stage.work.request<T>(askEngine(as, 0, verb), { ...target, ...payload }, 5_000);
    expect(await ask<ClaimReply>('claim', {}, { ...identity, agent: 'other' })).toMatchObject({ kind: 'Stale' });
    const claimed = await ask<ClaimReply>('claim', {});
    expect(claimed).toMatchObject({ kind: 'Work' });
    const receipt = {
      kind: 'model',
      run: run(),
      activity: 'work.1',
      attempt: 1,
      turn: 1,
      name: 'script',
      outcome: 'ok',
      digest: 'sha256:00',
      at: 1,
      elapsedMs: 1,
      costMicros: 0,
      mac: '0'.repeat(64),
    };
    const turn = { turn: 1, role: 'executor', text: '{"paid":true}', calls: [], results: [], receipt };
    expect(await ask<ReportReply>('turn', { proposed: false, turn })).toMatchObject({ kind: 'Error', code: 'DENIED' });
    const { receipt: _none, ...bare } = turn;
    expect(await ask<ReportReply>('turn', { proposed: false, turn: bare })).toMatchObject({
      kind: 'Error',
      code: 'DENIED',
    });
    const verdict = { approved: true, reason: 'trust me', receipt: { ...receipt, kind: 'verify' } };
    const completed = { result: { paid: true }, verification: { approved: true, rules: [], model: verdict } };
    expect(await ask<ReportReply>('complete', completed)).toMatchObject({ kind: 'Error', code: 'DENIED' });
    const unverified = { result: { paid: true }, verification: { approved: true, rules: [] } };
    expect((await ask<ReportReply>('complete', unverified)).kind).not.toBe('Go');
    worker = await stage.startWorker('worker-3');
    expect(await stage.until(run(), closed)).toMatchObject({ outcome: 'success', effects: 1 });
  });
});
