// The engine's HTTP API with a real API server that says who may do what.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HistoryEvent, RunSummary } from '../../api/messages/history.ts';
import { startApi, type TestApi } from '../support/engine-api.ts';
import type { EngineStage } from '../support/engine-stage.ts';

let api: TestApi;
let stage: EngineStage;
const call: TestApi['call'] = (...asked) => api.call(...asked);

beforeAll(async () => {
  api = await startApi();
  ({ stage } = api);
  await stage.agent('clerk', (desk) => desk.complete({ ok: true }).then(() => undefined));
  await stage.workflow('visit', {
    input: { type: 'object', required: ['callId'], properties: { callId: { type: 'string' } } },
    key: 'input.callId',
    triggers: [{ http: { path: '/calls/new' } }, { event: { subject: 'calls.received' } }],
    start: 'work',
    states: {
      work: {
        type: 'task',
        agent: 'clerk',
        goal: 'Go.',
        timeout: '30s',
        backup: 'none',
        exits: { error: 'no', timeout: 'no' },
      },
      yes: { type: 'terminal', outcome: 'success' },
      no: { type: 'terminal', outcome: 'failed' },
    },
    transitions: [{ from: 'work', to: 'yes' }],
  });
  await stage.workflow('nap', {
    input: { type: 'object' },
    start: 'work',
    states: { work: { type: 'wait', for: { duration: '1h' } }, yes: { type: 'terminal', outcome: 'success' } },
    transitions: [{ from: 'work', to: 'yes' }],
  });
});
afterAll(async () => {
  await api?.stop();
});

test('a token that comes through the API server’s proxy, in a header of its own, counts the same', async () => {
  const look = async (token: string): Promise<number> =>
    (await fetch(`${api.base}clinic/runs`, { headers: { 'x-signalbox-token': token } })).status;
  expect(await look(api.tokens['starter'] ?? '')).toBe(200);
  expect(await look('abc')).toBe(401);
});

test('freeze, resume and read-only, in the name of who asks, with a reason', async () => {
  const { body } = await call('POST', 'clinic/workflows/nap/runs', { body: {} });
  const at = `clinic/runs/${String(body['run'])}`;
  const by = 'system:serviceaccount:clinic:starter';
  expect(await call('POST', `${at}/freeze`, { body: {} })).toMatchObject({
    status: 400,
    body: { message: expect.stringContaining('body.reason') },
  });
  expect((await call('POST', `${at}/freeze`, { as: 'reader', body: { reason: 'look' } })).status).toBe(403);
  expect(await call('POST', `${at}/freeze`, { body: { reason: 'look' } })).toMatchObject({
    status: 200,
    body: { status: 'Frozen', frozen: [{ source: 'person', by, reason: 'look' }] },
  });
  expect(await call('POST', `${at}/readonly`, { body: { reason: 'careful' } })).toMatchObject({
    body: { readOnly: true },
  });
  const lifted = await call('POST', `${at}/readonly`, { body: { readOnly: false, reason: 'fine' } });
  expect(lifted.body['readOnly']).toBeUndefined();
  const resumed = await call('POST', `${at}/resume`, { body: { reason: 'seen' } });
  expect(resumed).toMatchObject({ status: 200, body: { status: 'Running' } });
  expect((await call('POST', `${at}/cancel`, { body: { reason: 'enough' } })).body['outcome']).toBe('cancelled');
  expect(await call('POST', `${at}/freeze`, { body: { reason: 'late' } })).toMatchObject({
    status: 409,
    body: { code: 'STALE' },
  });
});

test('start, look, history, cancel, as who asks', async () => {
  const started = await call('POST', 'clinic/workflows/visit/runs', { body: { input: { callId: 'c1' } } });
  expect(started).toMatchObject({
    status: 201,
    body: { requestedBy: 'system:serviceaccount:clinic:starter', source: 'http' },
  });
  const { run } = started.body as unknown as RunSummary;
  const again = await call('POST', 'clinic/workflows/visit/runs', { body: { input: { callId: 'c1' } } });
  expect(again.body['run']).toBe(run);
  await stage.closed(run);
  expect(await call('GET', `clinic/runs/${run}`, { as: 'reader' })).toMatchObject({
    status: 200,
    body: { outcome: 'success' },
  });
  const history = await call('GET', `clinic/runs/${run}/history`, { as: 'reader' });
  const events = history.body['events'] as readonly HistoryEvent[];
  expect(events.map((event) => event.type).at(-1)).toBe('RunClosed');
  const napping = await call('POST', 'clinic/workflows/nap/runs', { body: {} });
  const nap = String(napping.body['run']);
  const listed = await call('GET', 'clinic/runs?status=Running&limit=10', { as: 'reader' });
  expect((listed.body['items'] as readonly RunSummary[]).map((item) => item.run)).toEqual([nap]);
  // Answered at the end, not before; and at once where there is more than was seen.
  const ending = call('GET', `clinic/runs/${nap}?waitMs=20000`, { as: 'reader' });
  const cancelled = await call('POST', `clinic/runs/${nap}/cancel`, { body: { reason: 'enough' } });
  expect(cancelled).toMatchObject({ status: 200, body: { outcome: 'cancelled' } });
  expect(await ending).toMatchObject({ status: 200, body: { status: 'Closed', outcome: 'cancelled', facts: {} } });
  expect((await call('GET', `clinic/runs/${nap}?waitMs=20000&after=1`, { as: 'reader' })).body['seq']).toBeGreaterThan(
    1,
  );
  expect((await call('GET', `clinic/runs/${nap}?waitMs=1h`, { as: 'reader' })).status).toBe(400);
});

test('hooks and events', async () => {
  const hooked = await call('POST', 'clinic/hooks/calls/new', { body: { callId: 'c2' } });
  expect(hooked).toMatchObject({ status: 201, body: { runs: [{ workflow: 'visit', source: 'hook' }] } });
  const event = { id: 'e1', key: '', payload: { callId: 'c3' } };
  expect(await call('POST', 'clinic/events/calls.received', { body: event })).toMatchObject({ status: 202 });
  const items = async (): Promise<readonly RunSummary[]> => {
    const { body } = await call('GET', 'clinic/runs?workflow=visit', { as: 'reader' });
    return body['items'] as readonly RunSummary[];
  };
  const sources = async (): Promise<unknown> => (await items()).map((item) => item.source);
  await expect.poll(sources, { timeout: 5_000 }).toEqual(['bus', 'hook', 'http']);
  // Who sent the event started the run, and so may not decide it.
  const by = (await items()).map((item) => item.requestedBy);
  expect(by[0]).toBe(by[1]);
});

test.each<[string, Parameters<typeof call>, number, string, RegExp]>([
  ['no token', ['GET', 'clinic/runs', { token: '' }], 401, 'UNAUTHENTICATED', /Bearer TOKEN/],
  ['a token nobody knows', ['GET', 'clinic/runs', { token: 'abc' }], 401, 'UNAUTHENTICATED', /get a new one/],
  [
    'a reader who starts',
    ['POST', 'clinic/workflows/visit/runs', { as: 'reader', body: {} }],
    403,
    'DENIED',
    /reader may not create workflowruns/,
  ],
  ['another namespace', ['GET', 'other/runs', {}], 403, 'DENIED', /namespace other/],
  [
    'a wrong input',
    ['POST', 'clinic/workflows/visit/runs', { body: { input: { callId: 7 } } }],
    400,
    'INVALID_INPUT',
    /\/callId must be string/,
  ],
  [
    'an unknown workflow',
    ['POST', 'clinic/workflows/none/runs', { body: {} }],
    404,
    'NOT_FOUND',
    /no accepted workflow none/,
  ],
  ['an unknown run', ['GET', 'clinic/runs/abc', {}], 404, 'NOT_FOUND', /run abc does not exist/],
  ['an unknown hook', ['POST', 'clinic/hooks/x', { body: {} }], 404, 'NOT_FOUND', /HTTP trigger \/x/],
  ['a wrong query', ['GET', 'clinic/runs?limit=0', {}], 400, 'INVALID_INPUT', /query\.limit/],
  ['an unknown path', ['GET', 'clinic/nothing', {}], 404, 'NOT_FOUND', /nothing is served/],
])('%s is refused in a sentence', async (_, [method, path, options], status, code, message) => {
  const answer = await call(method, path, options);
  expect(answer).toMatchObject({ status, body: { code } });
  expect(answer.body.message).toMatch(message);
});
