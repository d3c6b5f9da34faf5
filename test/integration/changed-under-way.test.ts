// What runs under way are played by is changed and deleted at a real API server: runs go on by what they have pinned, new ones
// take what is there. Real operator, engine and nats-server; what the operator shows of it is seen with kubectl.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClaimReply, TaskHint } from '../../api/messages/asks.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import {
  askEngine,
  bundleToken,
  eventSubject,
  streams,
  taskConsumer,
  type WorkerEngineVerb,
} from '../../api/messages/subjects.ts';
import { ending, namespace, object, operatedEngine, soonMs } from '../support/operated-engine.ts';
import { until } from '../support/until.ts';

const operated = operatedEngine();
const { begin, get, history, known, kubectl, outcomes, ready, show, stage } = operated;
const { applyAs } = stage;
const ends: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const end of ends) await end();
});

const exits = { error: 'no', timeout: 'no' };
/** Waits for `go`, then takes `way`. */
const visit = (name: string, way: 'work' | 'no'): object =>
  object('Workflow', name, {
    input: { type: 'object', properties: { id: { type: 'string' } } },
    start: 'wait',
    states: {
      wait: { type: 'wait', for: { event: 'go', by: 'input.id' }, timeout: '1h', exits: { timeout: 'no' } },
      ...(way === 'work'
        ? { work: { type: 'task', agent: 'clerk', goal: 'Work.', timeout: '300s', backup: 'none', exits } }
        : {}),
      ...ending,
    },
    transitions:
      way === 'work'
        ? [
            { from: 'wait', to: 'work' },
            { from: 'work', to: 'yes' },
          ]
        : [
            { from: 'wait', when: 'input.id == "never"', to: 'yes' },
            { from: 'wait', to: 'no' },
          ],
  });
const bundle = (name: string, text: string): object =>
  object('Bundle', name, {
    agent: 'clerk',
    prompts: { executor: { text } },
    models: { start: 'small' },
    tools: [],
    verifier: { rules: [{ name: 'always', cel: 'true' }] },
  });
const agent = (bundleRef: string): object =>
  object('Agent', 'clerk', {
    role: 'Works.',
    bundleRef: { name: bundleRef },
    permissions: [],
    scaling: { replicas: 0 },
  });
const model = object('Model', 'small', { scripted: { replies: [{ text: 'Hello.' }] } });

const bundleKnown = (before?: string): Promise<string> =>
  until(
    'the engine knows the bundle of the agent',
    async () => {
      const digest = operated.engine.catalog.agent(namespace, 'clerk')?.bundleDigest;
      return digest === undefined || digest === before || operated.engine.catalog.bundle(digest) === undefined
        ? undefined
        : digest;
    },
    soonMs,
  );

async function go(runs: readonly string[]): Promise<void> {
  for (const run of runs) {
    const { key = '' } = await show(run);
    const event = { id: `go-${run}`, namespace, subject: 'go', key, payload: {} };
    await stage.work.publish(eventSubject(namespace, 'go'), event);
  }
}
const pinned = async (run: string): Promise<string> => (await show(run)).workflowDigest;

/** A worker of the agent with this bundle, until the end of the test; every activity is done at once. */
async function serve(digest: string): Promise<readonly string[]> {
  const taken: string[] = [];
  const identity = { namespace, agent: 'clerk', bundle: bundleToken(digest) };
  const consumer = taskConsumer(namespace, 'clerk', digest);
  const subscription = stage.work.consume(streams.tasks, consumer, 4, async (task) => {
    const { run, activity, attempt, partition } = task.payload as TaskHint;
    const ask = <T>(verb: WorkerEngineVerb, more: JsonObject = {}): Promise<T> =>
      stage.work.request<T>(
        askEngine(identity, partition, verb),
        { run, activity, attempt, worker: `worker-${identity.bundle}`, ...more },
        5_000,
      );
    const claimed = await ask<ClaimReply>('claim');
    if (claimed.kind !== 'Work') return task.ack();
    taken.push(run);
    await ask('complete', { result: {}, verification: { approved: true, rules: [] } });
    task.ack();
  });
  ends.push(() => subscription.stop());
  return taken;
}

describe('a Workflow', () => {
  beforeAll(async () => {
    await applyAs(
      'ann',
      model,
      bundle('clerk-1', 'Work.'),
      agent('clerk-1'),
      visit('changed', 'work'),
      visit('deleted', 'work'),
      visit('forced', 'work'),
    );
    await Promise.all(['changed', 'deleted', 'forced'].map((name) => known(name)));
    await serve(await bundleKnown());
  });

  test('that is changed: runs under way go on by what they have pinned, new ones take the new one', async () => {
    const first = await known('changed');
    const old = await begin('changed', 3);
    await applyAs('ann', visit('changed', 'no'));
    const second = await known('changed', first);
    const fresh = await begin('changed', 2);
    await go([...old, ...fresh]);
    expect(await outcomes(old)).toEqual(['success', 'success', 'success']);
    expect(await outcomes(fresh)).toEqual(['failed', 'failed']);
    for (const run of old) expect(await pinned(run)).toBe(first);
    for (const run of fresh) expect(await pinned(run)).toBe(second);
  });

  test('that is deleted: no run can start, those under way go on to the end, and it goes then; made anew it is another one', async () => {
    const first = await known('deleted');
    const old = await begin('deleted', 2);
    // The operator sees them before: what nobody follows is not kept.
    await until('the open runs are seen', async () =>
      (await kubectl('get', 'workflow', 'deleted', '-o', 'name')) ? true : undefined,
    );
    await kubectl('delete', 'workflow', 'deleted', '--wait=false');
    await until(
      'it waits for its runs',
      async () => ((await ready('workflow deleted')) === 'Deleting' ? true : undefined),
      soonMs,
    );
    await expect(begin('deleted')).rejects.toThrow('has no accepted workflow deleted');
    await go(old);
    expect(await outcomes(old)).toEqual(['success', 'success']);
    await until('it is gone', async () => ((await get('workflow deleted')) === undefined ? true : undefined), soonMs);
    await applyAs('ann', visit('deleted', 'no'));
    expect(await known('deleted', first)).not.toBe(first);
    const fresh = await begin('deleted');
    await go(fresh);
    expect(await outcomes(fresh)).toEqual(['failed']);
  });

  test('that is taken away by force and made anew, differently, under its runs', async () => {
    const first = await known('forced');
    const old = await begin('forced', 2);
    await kubectl('delete', 'workflow', 'forced', '--wait=false');
    await kubectl('patch', 'workflow', 'forced', '--type=merge', '-p', '{"metadata":{"finalizers":null}}').catch(
      () => '',
    );
    await until('it is gone', async () => ((await get('workflow forced')) === undefined ? true : undefined), soonMs);
    await applyAs('ann', visit('forced', 'no'));
    await known('forced', first);
    const fresh = await begin('forced');
    await go([...old, ...fresh]);
    expect(await outcomes(old)).toEqual(['success', 'success']);
    expect(await outcomes(fresh)).toEqual(['failed']);
  });
});

describe('an Agent and its Bundle', () => {
  test('the Agent changed, its Bundle deleted under runs: each run is worked on by the bundle it began with', async () => {
    await applyAs('ann', visit('pinned', 'work'));
    await known('pinned');
    const first = await bundleKnown();
    const old = await begin('pinned', 2);
    await applyAs('ann', bundle('clerk-2', 'Work otherwise.'), agent('clerk-2'));
    const second = await bundleKnown(first);
    const bySecond = await serve(second);
    const fresh = await begin('pinned');
    await kubectl('delete', 'bundle', 'clerk-1', '--wait=false');
    await go([...old, ...fresh]);
    expect(await outcomes([...old, ...fresh])).toEqual(['success', 'success', 'success']);
    expect(bySecond).toEqual(fresh);
    for (const [runs, digest] of [
      [old, first],
      [fresh, second],
    ] as const) {
      for (const run of runs) {
        const scheduled = (await history(run)).filter(({ type }) => type === 'ActivityScheduled');
        expect(scheduled.map((event) => (event as { bundleDigest?: string }).bundleDigest)).toEqual([digest]);
      }
    }
  });
});

test('an Agent that is deleted under a run: the run says that it waits for it, and goes on when it is back', async () => {
  const declared = [bundle('clerk-2', 'Work otherwise.'), agent('clerk-2')];
  await applyAs('ann', model, ...declared, visit('bereft', 'work'));
  await known('bereft');
  const runs = await begin('bereft');
  await kubectl('delete', 'agent', 'clerk');
  // This plane has no garbage collector.
  await kubectl('delete', 'deployments', '--all');
  await kubectl('delete', 'serviceaccount', 'signalbox-agent-clerk');
  await go(runs);
  const words = 'In state work, waiting for Agent clerk, which does not exist or is not accepted: apply it again, or';
  await until(
    'the run says so',
    async () => ((await show(runs[0] ?? '')).message.startsWith(words) ? true : undefined),
    soonMs,
  );
  await applyAs('ann', ...declared);
  expect(await outcomes(runs)).toEqual(['success']);
});
