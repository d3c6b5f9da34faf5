// The HTTP routes of what comes from outside and of what is searched for: schedules, signals, `where`; real API server and NATS.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunSummary } from '../../api/messages/history.ts';
import type { ScheduleSummary } from '../../api/messages/schedule.ts';
import { startApi, type TestApi } from '../support/engine-api.ts';
import { waitingFor } from '../support/waiting.ts';

let api: TestApi;
const by = 'system:serviceaccount:clinic:starter';
const call: TestApi['call'] = (...asked) => api.call(...asked);

const visit = waitingFor(
  { signal: 'paid' },
  {
    input: { type: 'object', properties: { kind: { type: 'string' }, number: { type: 'integer' } } },
    attributes: { kind: { value: 'input.kind', type: 'string' }, number: { value: 'input.number', type: 'number' } },
    signals: { paid: { schema: { type: 'object', required: ['cents'], properties: { cents: { type: 'integer' } } } } },
    triggers: [{ schedule: { name: 'yearly', cron: '0 0 1 1 *', input: { kind: 'planned' } } }],
  },
);

beforeAll(async () => {
  api = await startApi();
  await api.stage.workflow('visit', visit);
});
afterAll(async () => {
  await api?.stop();
});

const begin = async (input: object): Promise<string> => {
  const { status, body } = await call('POST', 'clinic/workflows/visit/runs', { body: { input } });
  expect(status).toBe(201);
  return (body as unknown as RunSummary).run;
};

describe('schedules', () => {
  const at = 'clinic/schedules/visit/yearly';
  const listed = async (): Promise<ScheduleSummary | undefined> => {
    const { status, body } = await call('GET', 'clinic/schedules', { as: 'reader' });
    expect(status).toBe(200);
    return (body['items'] as readonly ScheduleSummary[])[0];
  };

  test('are listed with what comes next, paused with a reason, resumed, started by hand', async () => {
    await expect.poll(async () => (await listed())?.name, { timeout: 20_000 }).toBe('yearly');
    expect(await listed()).toMatchObject({ workflow: 'visit', cron: '0 0 1 1 *', timeZone: 'UTC', started: 0 });
    expect((await listed())?.next).toBeGreaterThan(Date.now());
    expect(await call('POST', `${at}/pause`, { body: {} })).toMatchObject({
      status: 400,
      body: { code: 'INVALID_INPUT', message: expect.stringContaining('body.reason') },
    });
    expect((await call('POST', `${at}/pause`, { as: 'reader', body: { reason: 'audit' } })).status).toBe(403);
    expect(await call('POST', `${at}/pause`, { body: { reason: 'audit' } })).toMatchObject({
      status: 200,
      body: { paused: { by, reason: 'audit' } },
    });
    expect(await listed()).not.toHaveProperty('next');
    expect((await call('POST', `${at}/resume`, { body: {} })).body).not.toHaveProperty('paused');
    const run = await call('POST', `${at}/trigger`, { body: {} });
    expect(run).toMatchObject({ status: 201, body: { source: 'schedule', requestedBy: by } });
    expect(await call('POST', 'clinic/schedules/visit/nightly/pause', { body: { reason: 'x' } })).toMatchObject({
      status: 404,
      body: { code: 'NOT_FOUND', message: expect.stringContaining('no schedule nightly of workflow visit') },
    });
  });
});

describe('signals', () => {
  test('are taken once by id, checked by their schema, and refused for a run of somebody else', async () => {
    const run = await begin({ kind: 'signalled' });
    const signal = (body: object, as = 'starter') => call('POST', `clinic/runs/${run}/signals/paid`, { as, body });
    expect(await signal({ data: { cents: 5 } })).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } });
    expect((await signal({ id: 's1', data: { cents: 5 } }, 'reader')).status).toBe(403);
    expect(await signal({ id: 's1', data: { cents: 'five' } })).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('/cents must be integer') },
    });
    expect(await signal({ id: 's2', data: { cents: 5 } })).toMatchObject({ status: 200, body: { outcome: 'taken' } });
    expect(await signal({ id: 's2', data: { cents: 5 } })).toMatchObject({ status: 200, body: { outcome: 'known' } });
    expect((await api.stage.closed(run)).outcome).toBe('success');
    expect((await call('POST', 'clinic/runs/none/signals/paid', { body: { id: 's3' } })).status).toBe(404);
    expect((await call('POST', `clinic/runs/${run}/signals/a-b`, { body: { id: 's3' } })).status).toBe(400);
  });
});

describe('search', () => {
  const found = async (where: string, more = ''): Promise<readonly number[]> => {
    const answer = await call('GET', `clinic/runs?where=${encodeURIComponent(where)}${more}`, { as: 'reader' });
    expect(answer.status).toBe(200);
    const items = answer.body['items'] as readonly RunSummary[];
    return items.map(({ attributes }) => Number(attributes?.['number'])).toSorted((a, b) => a - b);
  };

  test('finds by attributes over all partitions, in pages, since a time; a bad question is refused in a sentence', async () => {
    const before = new Date(Date.now() - 60_000).toISOString();
    for (let number = 0; number < 8; number += 1) await begin({ kind: number % 2 === 0 ? 'even' : 'odd', number });
    expect(await found('kind=even')).toEqual([0, 2, 4, 6]);
    expect(await found('kind=odd,number>2')).toEqual([3, 5, 7]);
    expect(await found('number>=0', `&since=${before}`)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const first = await call('GET', `clinic/runs?where=${encodeURIComponent('number>=0')}&limit=5`);
    const rest = await found('number>=0', `&limit=5&cursor=${String(first.body['next'])}`);
    expect(first.body['items']).toHaveLength(5);
    expect(rest).toHaveLength(3);
    expect(await call('GET', 'clinic/runs?where=kind~even')).toMatchObject({
      status: 400,
      body: { code: 'INVALID_INPUT', message: expect.stringContaining('where: found "kind~even"; allowed: NAME') },
    });
    expect(await call('GET', 'clinic/runs?since=yesterday')).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('since: found "yesterday"') },
    });
  });
});
