// Asks of workers that share a message, at the real engine on a real nats-server: what becomes of one is nothing to the others.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ClaimReply, ReportReply } from '../../api/messages/asks.ts';
import { askEngine, bundleToken, type WorkerEngineVerb } from '../../api/messages/subjects.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import { askUntilAnswered } from '../../runtime/worker/persist.ts';
import { EngineStage, namespace, partitions } from '../support/engine-stage.ts';

let stage: EngineStage;
beforeEach(async () => {
  stage = await EngineStage.start();
});
afterEach(() => stage?.stop());

const oneTask = (agent: string): WorkflowSpec =>
  ({
    input: { type: 'object' },
    start: 'work',
    states: {
      work: {
        type: 'task',
        agent,
        backup: 'none',
        goal: 'Work.',
        timeout: '1h',
        exits: { error: 'failed', timeout: 'failed' },
      },
      done: { type: 'terminal', outcome: 'success' },
      failed: { type: 'terminal', outcome: 'failed' },
    },
    transitions: [{ from: 'work', to: 'done' }],
  }) as unknown as WorkflowSpec;

interface Voice {
  /** Asks until an engine answers, like a worker does. */
  ask(run: string, verb: WorkerEngineVerb, payload?: object): Promise<ClaimReply | ReportReply>;
}

/** What a worker of this agent can say: its identity is in its subjects. */
async function voice(agent: string, worker = `${agent}-0`): Promise<Voice> {
  const identity = { namespace, agent, bundle: bundleToken((await stage.agent(agent)).digest) };
  const clock = systemClock();
  return {
    ask: (run, verb, payload = {}) =>
      askUntilAnswered(
        {
          bus: stage.work,
          clock,
          untilMs: clock.now() + 60_000,
          timeoutMs: 2_000,
          signal: new AbortController().signal,
        },
        askEngine(identity, partitionOf(run, partitions), verb),
        { run, activity: 'work.1', attempt: 1, worker, ...payload },
      ),
  };
}

const done = { result: { ok: true }, verification: { approved: true, rules: [] } };

/** Runs of one partition that the worker has claimed. */
async function claimed(count: number, clerk: Voice, partition = 0): Promise<readonly string[]> {
  const runs: string[] = [];
  while (runs.length < count) {
    const run = await stage.begin('steps');
    if (partitionOf(run, partitions) !== partition) continue;
    runs.push(run);
  }
  const replies = await Promise.all(runs.map((run) => clerk.ask(run, 'claim')));
  expect(replies.map(({ kind }) => kind)).toEqual(runs.map(() => 'Work'));
  return runs;
}

/** How many messages of asks came by, and how many asks were in the largest. */
function listen(): { readonly sizes: number[] } {
  const sizes: number[] = [];
  stage.work.connection.subscribe('ask.*.*.*.engine.*._asks', {
    callback: (_error, message) => void sizes.push(message.json<readonly unknown[]>().length),
  });
  return { sizes };
}

async function expectDoneOnce(runs: readonly string[]): Promise<void> {
  for (const run of runs) {
    expect(await stage.closed(run, 60_000)).toMatchObject({ outcome: 'success' });
    const events = await stage.history(run);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.filter(({ type }) => type === 'ActivityCompleted')).toHaveLength(1);
  }
}

test('one bad ask harms no other', async () => {
  const clerk = await voice('clerk');
  await stage.workflow('steps', oneTask('clerk'));
  await stage.engine();
  const runs = await claimed(3, clerk);
  const [first = '', second = '', third = ''] = runs;
  const { sizes } = listen();
  const replies = await Promise.all([
    clerk.ask(first, 'heartbeat'),
    clerk.ask(first, 'heartbeat', { attempt: 7 }),
    clerk.ask(first, 'complete', { ...done, attempt: 0 }),
    clerk.ask(second, 'complete', { ...done, result: 'no object' }),
    clerk.ask(second, 'turn', { proposed: false, turn: { turn: 1, role: 'executor', calls: [], results: [] } }),
    clerk.ask(third, 'complete', done),
    clerk.ask(first, 'complete', { ...done, worker: 'another' }),
    clerk.ask(third, 'claim'),
  ]);
  expect(replies).toMatchObject([
    { kind: 'Go' },
    { kind: 'Stop' },
    { kind: 'Error', code: 'INVALID_INPUT' },
    { kind: 'Error', code: 'INVALID_INPUT' },
    { kind: 'Error', code: 'DENIED' },
    { kind: 'Go' },
    { kind: 'Stop' },
    { kind: 'Stale' },
  ]);
  expect(sizes).toEqual([8]);
  expect(await Promise.all([first, second].map((run) => clerk.ask(run, 'complete', done)))).toMatchObject([
    { kind: 'Go' },
    { kind: 'Go' },
  ]);
  await expectDoneOnce(runs);
});

test('a worker of one agent is nobody to the runs of another, whatever it shares a message with', async () => {
  const [clerk, sales] = [await voice('clerk'), await voice('sales')];
  await stage.workflow('steps', oneTask('clerk'));
  await stage.workflow('deals', oneTask('sales'));
  await stage.engine();
  const [theirs = ''] = await claimed(1, clerk);
  let own = await stage.begin('deals');
  while (partitionOf(own, partitions) !== 0) own = await stage.begin('deals');
  const { sizes } = listen();
  const named = { worker: 'clerk-0' };
  const replies = await Promise.all([
    sales.ask(own, 'claim'),
    sales.ask(theirs, 'claim', named),
    sales.ask(theirs, 'complete', { ...done, ...named }),
    sales.ask(theirs, 'fail', { failure: { code: 'X', message: 'x' }, retryable: false, ...named }),
    sales.ask(theirs, 'heartbeat', named),
  ]);
  expect(replies).toMatchObject([
    { kind: 'Work' },
    { kind: 'Stale' },
    { kind: 'Error', code: 'DENIED' },
    { kind: 'Error', code: 'DENIED' },
    { kind: 'Error', code: 'DENIED' },
  ]);
  expect(sizes).toEqual([5]);
  expect(await clerk.ask(theirs, 'complete', done)).toMatchObject({ kind: 'Go' });
  await expectDoneOnce([theirs]);
});

test.each([
  ['before any of them is decided', 'engine.report.received/complete'],
  ['when some are decided', 'engine.report.received/complete@20'],
  ['when their record is on disk and nobody knows', 'engine.append.after'],
  ['when some are answered, in memory', 'engine.report.decided/complete@10'],
])(
  'the engine is killed in the middle of a message, %s: each ask is made again, and counts once',
  async (_, moment) => {
    const clerk = await voice('clerk');
    await stage.workflow('steps', oneTask('clerk'));
    const first = stage.engineProcess('engine-a');
    const runs = await claimed(40, clerk);
    await first.kill();
    // It folds what was claimed, and is killed at the moment that only the results pass.
    const second = stage.engineProcess('engine-b', { SIGNALBOX_FAILPOINT: moment });
    await expect.poll(() => second.log(), { timeout: 30_000 }).toContain('serving a partition');
    const { sizes } = listen();
    const replies = Promise.all(runs.map((run) => clerk.ask(run, 'complete', done)));
    await expect.poll(() => second.log(), { timeout: 30_000 }).toContain('reached');
    expect(Math.max(...sizes)).toBe(40);
    stage.engineProcess('engine-c');
    expect((await replies).map(({ kind }) => kind)).toEqual(runs.map(() => 'Go'));
    await expectDoneOnce(runs);
  },
);

test('the partition moves in the middle of a message: what the old owner does not answer, the new one does', async () => {
  const clerk = await voice('clerk');
  await stage.workflow('steps', oneTask('clerk'));
  const pause = { SIGNALBOX_FAILPOINT: 'engine.report.received/complete@15:pause=8000' };
  const first = stage.engineProcess('engine-a', pause);
  const runs = await claimed(30, clerk);
  stage.engineProcess('engine-b');
  const replies = Promise.all(runs.map((run) => clerk.ask(run, 'complete', done)));
  await expect.poll(() => first.log(), { timeout: 30_000 }).toContain('reached');
  expect((await replies).map(({ kind }) => kind)).toEqual(runs.map(() => 'Go'));
  await expect.poll(() => first.log(), { timeout: 30_000 }).toContain('over');
  await expectDoneOnce(runs);
});
