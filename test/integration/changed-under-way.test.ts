// What runs under way are played by is changed and deleted at a real API server: runs go on by what they have pinned, new ones
// take what is there. Real operator, engine and nats-server; what the operator shows of it is seen with kubectl.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectNats, type NatsBus } from '../../adapters/nats/nats.ts';
import type { ClaimReply, TaskHint } from '../../api/messages/asks.ts';
import type { HistoryEvent, JsonObject, RunSummary } from '../../api/messages/history.ts';
import {
  askEngine,
  bundleToken,
  eventSubject,
  streams,
  taskConsumer,
  type WorkerEngineVerb,
} from '../../api/messages/subjects.ts';
import { runIdFor } from '../../core/workflow/partition.ts';
import type { Subscription } from '../../ports/bus.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { type Engine, startEngine } from '../../runtime/engine/engine.ts';
import { resultOf } from '../../runtime/engine/forward.ts';
import { loadReceiptKey } from '../../runtime/receipts.ts';
import { enginePorts } from '../support/engine-ports.ts';
import { startOperator, type TestOperator } from '../support/operator.ts';
import { startPlane, type TestPlane } from '../support/plane.ts';
import { until } from '../support/until.ts';

const namespace = 'clinic';
const soonMs = 60_000;
let plane: TestPlane;
let operator: TestOperator;
let engine: Engine;
let work: NatsBus;
const ends: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  plane = await startPlane({ crds: true });
  operator = await startOperator(plane);
  const { natsUrl: url, users } = plane.nats;
  const buses = {
    control: await connectNats({ url, ...users.engine, name: 'engine' }),
    work: await connectNats({ url, ...users['engine-work'], name: 'engine' }),
  };
  work = await connectNats({ url, ...users['operator-work'], name: 'worker' });
  const ports = await enginePorts(buses, { name: 'engine', receiptKey: await loadReceiptKey(buses.control) });
  engine = startEngine(ports, { name: 'engine', partitions: 4 });
  ends.push(
    () => engine.stop(),
    () => buses.control.close(),
    () => buses.work.close(),
    () => work.close(),
  );
  await plane.kubectl(['create', 'namespace', namespace]);
  await plane.kubectl([
    'create',
    'clusterrolebinding',
    'people',
    '--clusterrole=cluster-admin',
    '--user=ann',
    '--user=bob',
  ]);
});
afterAll(async () => {
  for (const end of ends) await end();
  await operator?.stop();
  await plane?.stop();
});

interface Told extends KubeObject {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>> & {
    readonly conditions?: readonly { type: string; status: string; reason: string; message: string }[];
  };
}
const object = (kind: string, name: string, spec: object): object => ({
  apiVersion: 'signalbox.dev/v1alpha1',
  kind,
  metadata: { name, namespace },
  spec,
});
const kubectl = (...args: readonly string[]): Promise<string> => plane.kubectl(['-n', namespace, ...args]);
const applyAs = (user: string, ...all: readonly object[]): Promise<string> =>
  plane.kubectl(['--as', user, 'apply', '-f', '-'], all.map((one) => JSON.stringify(one)).join('\n---\n'));
async function get(what: string): Promise<Told | undefined> {
  const text = await kubectl('get', ...what.split(' '), '--ignore-not-found', '-o', 'json');
  return text === '' ? undefined : (JSON.parse(text) as Told);
}
const ready = async (what: string): Promise<string | undefined> =>
  (await get(what))?.status?.conditions?.find(({ type }) => type === 'Ready')?.reason;

const exits = { error: 'no', timeout: 'no' };
const ending = { yes: { type: 'terminal', outcome: 'success' }, no: { type: 'terminal', outcome: 'failed' } };
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

/** What the engine knows of a workflow, when it is another one than `before`. */
const known = (workflow: string, before?: string): Promise<string> =>
  until(
    `the engine knows ${workflow}`,
    async () => {
      const digest = engine.catalog.workflow(namespace, workflow)?.digest;
      return digest === undefined || digest === before ? undefined : digest;
    },
    soonMs,
  );
const bundleKnown = (before?: string): Promise<string> =>
  until(
    'the engine knows the bundle of the agent',
    async () => {
      const digest = engine.catalog.agent(namespace, 'clerk')?.bundleDigest;
      return digest === undefined || digest === before || engine.catalog.bundle(digest) === undefined
        ? undefined
        : digest;
    },
    soonMs,
  );

let begun = 0;
async function begin(workflow: string, count = 1): Promise<readonly string[]> {
  const runs: string[] = [];
  for (let at = 0; at < count; at += 1) {
    const id = `id-${(begun += 1)}`;
    const run = runIdFor(namespace, workflow, id);
    const request = { run, namespace, workflow, input: { id }, requestedBy: 'ann', source: 'http', key: id };
    resultOf(await engine.owners.ask<RunSummary>(run, 'start', request));
    runs.push(run);
  }
  return runs;
}
const show = async (run: string): Promise<RunSummary> =>
  resultOf(await engine.owners.ask<RunSummary>(run, 'show', { run }));
const history = async (run: string): Promise<readonly HistoryEvent[]> =>
  resultOf(await engine.owners.ask<{ events: readonly HistoryEvent[] }>(run, 'history', { run })).events;
async function go(runs: readonly string[]): Promise<void> {
  for (const run of runs) {
    const { key = '' } = await show(run);
    const event = { id: `go-${run}`, namespace, subject: 'go', key, payload: {} };
    await work.publish(eventSubject(namespace, 'go'), event);
  }
}
const outcomes = (runs: readonly string[]): Promise<readonly (string | undefined)[]> =>
  until(
    'the runs are closed',
    async () => {
      const all = await Promise.all(runs.map(show));
      return all.every(({ status }) => status === 'Closed') ? all.map(({ outcome }) => outcome) : undefined;
    },
    soonMs,
  );
const pinned = async (run: string): Promise<string> => (await show(run)).workflowDigest;

/** A worker of the agent with this bundle, until the end of the test; every activity is done at once. */
async function serve(digest: string): Promise<readonly string[]> {
  const taken: string[] = [];
  const identity = { namespace, agent: 'clerk', bundle: bundleToken(digest) };
  const consumer = taskConsumer(namespace, 'clerk', digest);
  const subscription: Subscription = work.consume(streams.tasks, consumer, 4, async (task) => {
    const { run, activity, attempt, partition } = task.payload as TaskHint;
    const ask = <T>(verb: WorkerEngineVerb, more: JsonObject = {}): Promise<T> =>
      work.request<T>(
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
  ends.unshift(() => subscription.stop());
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

test('a Decision about a frozen run is kept, and given when the run is resumed', async () => {
  const rule = { name: 'unsure', signal: 'lowConfidence', below: '0.6', action: 'humanQueue', queue: 'desk' };
  await applyAs(
    'ann',
    object('EscalationPolicy', 'people', { rules: [rule], queues: [{ name: 'desk', deadline: '1h' }] }),
    object('Workflow', 'asks', {
      input: { type: 'object' },
      escalationPolicyRef: { name: 'people' },
      start: 'ask',
      states: {
        ask: {
          type: 'approval',
          queue: 'desk',
          question: 'Go on?',
          timeout: '1h',
          exits: { rejected: 'no', expired: 'no' },
        },
        ...ending,
      },
      transitions: [{ from: 'ask', exit: 'approved', to: 'yes' }],
    }),
  );
  await known('asks');
  const [run = ''] = await begin('asks');
  const asked = await until(
    'people are asked',
    async () => {
      const all = JSON.parse(await kubectl('get', 'escalations', '-o', 'json')) as { items: readonly Told[] };
      return all.items.find(({ spec }) => spec?.['run'] === run);
    },
    soonMs,
  );
  const lift = { run, namespace, source: 'person', by: 'ann', reason: 'look' };
  resultOf(await engine.owners.ask(run, 'freeze', lift));
  await applyAs(
    'bob',
    object('Decision', 'go-on', {
      escalationRef: { name: asked.metadata.name },
      option: 'approve',
      reason: 'It is right.',
      queue: 'desk',
      decidedBy: 'bob',
      digest: asked.spec?.['digest'],
    }),
  );
  await until('it is kept', async () => ((await ready('decision go-on')) === 'Frozen' ? true : undefined), soonMs);
  expect((await get('decision go-on'))?.status?.conditions?.find(({ type }) => type === 'Ready')?.message).toContain(
    'resume it first',
  );
  expect((await show(run)).status).toBe('Frozen');
  resultOf(await engine.owners.ask(run, 'resume', lift));
  expect(await outcomes([run])).toEqual(['success']);
  await until(
    'it is taken',
    async () => ((await get('decision go-on'))?.status?.['state'] === 'Accepted' ? true : undefined),
    soonMs,
  );
});

test('kubectl shows where the schedules of a Workflow stand', async () => {
  await applyAs(
    'ann',
    object('Workflow', 'ticks', {
      input: { type: 'object' },
      triggers: [
        { schedule: { name: 'often', cron: '* * * * * *', overlap: 'allow' } },
        { schedule: { name: 'never', cron: '0 0 1 1 *', pause: true } },
      ],
      start: 'wait',
      states: { wait: { type: 'wait', for: { duration: '1s' } }, ...ending },
      transitions: [
        { from: 'wait', when: 'has(input.id)', to: 'no' },
        { from: 'wait', to: 'yes' },
      ],
    }),
  );
  const standing = await until(
    'it has started runs',
    async () => {
      const schedules = (await get('workflow ticks'))?.status?.['schedules'] as readonly JsonObject[] | undefined;
      return schedules !== undefined && Number(schedules[0]?.['started']) > 1 ? schedules : undefined;
    },
    soonMs,
  );
  expect(standing[0]).toMatchObject({
    name: 'often',
    state: 'Active',
    next: expect.any(String),
    last: expect.any(String),
    lastRun: expect.any(String),
  });
  expect(standing[1]).toMatchObject({
    name: 'never',
    state: 'Paused',
    paused: 'by spec: spec.pause is true',
    started: 0,
  });
  expect(await kubectl('get', 'workflow', 'ticks')).toMatch(/SCHEDULE.*NEXT/);
  expect(await kubectl('describe', 'workflow', 'ticks')).toContain('Last Run:');
});

test('a platform team bounds a namespace by its annotations', async () => {
  const bounds = () => engine.catalog.tenant(namespace);
  const annotate = (...pairs: readonly string[]) =>
    plane.kubectl(['annotate', '--overwrite', 'namespace', namespace, ...pairs]);
  await annotate('signalbox.dev/max-open-runs=500', 'signalbox.dev/max-starts-per-minute=60');
  await until(
    'the engine has read it',
    async () => (JSON.stringify(bounds()) === '{"openRuns":500,"startsPerMinute":60}' ? true : undefined),
    soonMs,
  );
  await annotate('signalbox.dev/max-open-runs=lots');
  await until(
    'what is wrong is said',
    async () => {
      const events = await plane.kubectl(['get', 'events', '-A', '-o', 'jsonpath={.items[*].message}']);
      return events.includes('signalbox.dev/max-open-runs: found "lots"; allowed: a whole number') ? true : undefined;
    },
    soonMs,
  );
  await annotate('signalbox.dev/max-open-runs-', 'signalbox.dev/max-starts-per-minute-');
  await until('it is withdrawn', async () => (bounds() === undefined ? true : undefined), soonMs);
});
