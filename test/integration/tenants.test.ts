// What one namespace may have beside the others (I15): real engine, NATS and API server; counted, never timed.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { EngineReply } from '../../api/messages/asks.ts';
import type { JsonObject, RunSummary } from '../../api/messages/history.ts';
import { buckets, catalogKeys } from '../../api/messages/subjects.ts';
import { type MinuteCount, slotMs } from '../../core/limits/minute.ts';
import type { TenantBounds } from '../../core/tenant/bounds.ts';
import { partitionOf, runIdFor } from '../../core/workflow/partition.ts';
import { type Answer, startApi, type TestApi } from '../support/engine-api.ts';
import { namespace, partitions } from '../support/engine-stage.ts';
import { until } from '../support/until.ts';
import { waitingFor } from '../support/waiting.ts';

let api: TestApi;
const [other, fresh] = ['retail', 'fresh'];
const call: TestApi['call'] = (...asked) => api.call(...asked);

const waits = waitingFor(undefined, {
  input: { type: 'object', properties: { id: { type: 'string' } } },
  triggers: [
    { http: { path: '/calls/new' } },
    { event: { subject: 'calls.received' } },
    { schedule: { cron: '0 0 1 1 *' } },
  ],
});

beforeAll(async () => {
  api = await startApi();
  for (const of of [namespace, other, fresh]) await api.stage.workflow('waits', waits, undefined, of);
});
afterAll(async () => {
  await api?.stop();
});
beforeEach(async () => {
  await declare(undefined);
  for (const { run, status } of await runs()) if (status !== 'Closed') await cancel(run);
});

/** As the operator publishes it of the Namespace's annotations; returns when the engine has read it. */
async function declare(bounds: TenantBounds | undefined, of = namespace): Promise<void> {
  const catalog = await api.stage.control.bucket(buckets.catalog);
  await catalog.put(catalogKeys.tenant(of), bounds ?? {});
  const declared = JSON.stringify(bounds ?? {});
  await until('the engine has read the bounds', async () =>
    JSON.stringify(api.engine.catalog.tenant(of)) === declared ? true : undefined,
  );
}

/** What has ended a moment ago may still be counted. */
const startSoon = (key?: string): Promise<Answer> =>
  until('a start is taken', async () => {
    const answer = await start(key);
    return answer.status === 429 ? undefined : answer;
  });

let started = 0;
const next = (): string => `id-${(started += 1)}`;
const start = (id = next()): Promise<Answer> =>
  call('POST', 'clinic/workflows/waits/runs', { body: { input: { id }, key: id } });
/** As another process asks a partition's owner. */
const startIn = async (of: string): Promise<EngineReply<RunSummary>> => {
  const key = next();
  const run = runIdFor(of, 'waits', key);
  const input: JsonObject = { id: key };
  return api.stage.ask(run, 'start', {
    run,
    namespace: of,
    workflow: 'waits',
    input,
    requestedBy: 'ann',
    source: 'http',
    key,
  });
};
const runs = async (): Promise<readonly RunSummary[]> =>
  (await call('GET', 'clinic/runs?limit=500')).body['items'] as readonly RunSummary[];
const cancel = (run: string): Promise<Answer> =>
  call('POST', `clinic/runs/${run}/cancel`, { body: { reason: 'enough' } });
const open = async (): Promise<number> => (await runs()).filter(({ status }) => status !== 'Closed').length;

describe('open runs', () => {
  test('a flood by one namespace never starts more than it may, and keeps none of another namespace', async () => {
    await declare({ openRuns: 10 });
    const flood = Array.from({ length: 200 }, () => start());
    const beside = Array.from({ length: 40 }, () => startIn(other));
    const statuses = (await Promise.all(flood)).map(({ status }) => status);
    const taken = statuses.filter((status) => status === 201).length;
    expect(statuses.filter((status) => status === 429)).toHaveLength(200 - taken);
    expect((await Promise.all(beside)).filter(({ ok }) => ok)).toHaveLength(40);
    expect(taken).toBeLessThanOrEqual(10);
    // One that another partition has in hand may be refused a moment too early; asked again it is there, and no more.
    for (let more = taken; more < 10; more += 1) expect((await startSoon()).status).toBe(201);
    expect((await start()).status).toBe(429);
    expect(await open()).toBe(10);
  });

  test('429 says what is reached, who can change it and when to ask again; a start that was made is found again', async () => {
    await declare({ openRuns: 1 });
    const key = next();
    const first = await startSoon(key);
    expect(first.status).toBe(201);
    const refused = await start();
    expect(refused).toMatchObject({
      status: 429,
      body: {
        code: 'OVERLOADED',
        message:
          'namespace clinic has 1 runs that have not ended, as many as it may have; try again when some have ended, or raise the annotation signalbox.dev/max-open-runs of the Namespace',
      },
    });
    expect(refused.headers.get('retry-after')).toBe('2');
    // The same key is the same run, whatever the bound says.
    expect((await start(key)).body['run']).toBe(first.body['run']);
    expect((await cancel(String(first.body['run']))).status).toBe(200);
    expect((await startSoon()).status).toBe(201);
  });

  test('one engine dies and another takes over: still never more', async () => {
    await declare({ openRuns: 6 });
    const taken = new Set<number>();
    for (let index = 0; index < 4; index += 1) {
      const { status, body } = await startSoon();
      expect(status).toBe(201);
      taken.add(partitionOf(String(body['run']), partitions));
    }
    await api.restart();
    await until('the partitions are served again', async () =>
      (await call('GET', 'clinic/runs')).status === 200 ? true : undefined,
    );
    const statuses = (await Promise.all(Array.from({ length: 60 }, () => start()))).map(({ status }) => status);
    // So near its bound a start may be refused a moment too early.
    const made = statuses.filter((status) => status === 201).length;
    expect(made).toBeLessThanOrEqual(2);
    expect(statuses.filter((status) => status === 429)).toHaveLength(60 - made);
    for (let more = made; more < 2; more += 1) expect((await startSoon()).status).toBe(201);
    expect((await start()).status).toBe(429);
    expect(await open()).toBe(6);
  });
});

describe('every way to start a run', () => {
  test('HTTP, hook, schedule by hand, NATS: refused alike; an event waits and is not lost', async () => {
    await declare({ openRuns: 1 });
    const first = String((await startSoon()).body['run']);
    const full = { status: 429, body: { code: 'OVERLOADED' } };
    expect(await call('POST', 'clinic/hooks/calls/new', { body: { id: next() } })).toMatchObject(full);
    expect(await call('POST', 'clinic/schedules/waits/default/trigger', { body: {} })).toMatchObject(full);
    const reply = await api.stage.work.request('start.clinic.waits', { input: { id: next() } }, 5_000);
    expect(reply).toMatchObject({ ok: false, code: 'OVERLOADED', retryAfterMs: expect.any(Number) });
    const id = next();
    const event = { id, payload: { id } };
    expect((await call('POST', 'clinic/events/calls.received', { body: event })).status).toBe(202);
    expect(await open()).toBe(1);
    await cancel(first);
    await until('the event has its run', async () =>
      (await runs()).some(({ source, status }) => source === 'bus' && status !== 'Closed') ? true : undefined,
    );
    expect(await open()).toBe(1);
  });
});

test('starts of a minute: as many as are declared, then a refusal with the time until the next', async () => {
  await declare({ startsPerMinute: 5 }, fresh);
  const answers = await Promise.all(Array.from({ length: 30 }, () => startIn(fresh)));
  const refused = answers.flatMap((answer) => (answer.ok ? [] : [answer]));
  expect(answers.filter(({ ok }) => ok)).toHaveLength(5);
  expect(refused).toHaveLength(25);
  expect(refused[0]?.message).toMatch(
    /namespace fresh has started 5 runs within a minute, as many as it may; try again in \d+ s/,
  );
  expect(refused[0]?.retryAfterMs).toBeGreaterThan(0);
});

describe('the status of all', () => {
  const status = async (as: string): Promise<Answer> => call('GET', '../status', { as });

  test('is for who may list the runs of every namespace', async () => {
    expect(await status('starter')).toMatchObject({ status: 403, body: { code: 'DENIED' } });
  });

  test('says who serves what, which bound is reached and which calls are throttled, in sentences', async () => {
    const { kubectl } = api.plane;
    await kubectl(['-n', namespace, 'create', 'serviceaccount', 'root']);
    const admin = ['clusterrolebinding', 'root', '--clusterrole=cluster-admin', `--serviceaccount=${namespace}:root`];
    await kubectl(['create', ...admin]);
    const token = (await kubectl(['-n', namespace, 'create', 'token', 'root'])).trim();
    const { control } = api.stage;
    const catalog = await control.bucket<unknown>(buckets.catalog);
    const spec = { limits: { perMinute: 2 } };
    const bundle = { namespace, name: 'b', agent: 'a', digest: 'sha256:b', tools: { charge: { spec } }, models: {} };
    await catalog.put(catalogKeys.bundle(bundle.digest), bundle);
    const calls = await control.bucket<MinuteCount>(buckets.limits);
    // As gateways count; a minute ahead, so that it is not over while the test looks.
    const slot = Math.floor(Date.now() / slotMs) + 60;
    await calls.put('clinic.tool.charge', { slots: [{ slot, calls: 2 }] });
    await declare({ openRuns: 1 });
    await startSoon();
    const answer = await until('both are said', async () => {
      const seen = await call('GET', '../status', { token });
      return (seen.body['says'] as readonly string[] | undefined)?.length === 2 ? seen : undefined;
    });
    expect(answer.body['partitions']).toHaveLength(partitions);
    expect(answer.body['partitions']).toMatchObject([
      { partition: 0, parked: 0 },
      { partition: 1, parked: 0 },
    ]);
    expect(answer.body['says']).toEqual([
      'Namespace clinic: 1 of 1 open runs: new runs are refused until some have ended, or the annotation of the Namespace is raised.',
      'Tool charge of namespace clinic: 2 of 2 calls in a minute: further calls wait for the rest of the minute.',
    ]);
  });
});
