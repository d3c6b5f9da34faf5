// Owns: the engine's HTTP API below /v1/namespaces/NAMESPACE, and /v1/status for who may list the runs of all. Each request is allowed by what its caller may do with
// WorkflowRuns there; any engine takes any request.
import express, { type Express, type Request, type Response } from 'express';
import { z } from 'zod';
import { SignalboxError } from '../../../api/errors.ts';
import type { HistoryEvent, JsonObject, RunSummary } from '../../../api/messages/history.ts';
import type { SignalResult } from '../../../api/messages/incoming.ts';
import { eventSubject } from '../../../api/messages/subjects.ts';
import { byPlace, cursorOf } from '../../../core/search/where.ts';
import { timeMs } from '../../../core/search/time.ts';
import type { HistoryPage } from '../control.ts';
import type { Engine } from '../engine.ts';
import { resultOf } from '../forward.ts';
import type { EnginePorts } from '../ports.ts';
import { signalBody, signalName } from '../signals.ts';
import { systemStatus } from '../system-status.ts';
import { start, startOptions, whenOf } from '../start.ts';
import type { Callers } from './access.ts';
import { listSchedules, pause, trigger } from './schedules.ts';
import { errorAnswers, notFound } from './answers.ts';
import { waitMsMax } from '../endings.ts';
import { serveDeadLetters } from './dead-letters.ts';
import { parse, type Route, type RouteOf } from './route.ts';

export interface ApiOptions {
  readonly engine: Engine;
  readonly ports: EnginePorts;
  readonly callers: Callers;
}

const name = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be a name of a-z, 0-9 and "-"');
const runName = z.string().regex(/^[0-9A-Za-z]{1,64}$/, 'must be the id of a run');
const scheduleName = z.string().regex(/^[A-Za-z][A-Za-z0-9]{0,62}$/, 'must be the name of a schedule');
const json = z.record(z.string(), z.unknown());
const startBody = z.object({ input: json.default({}), key: z.string().min(1).max(256).optional(), ...startOptions });
const reasonBody = z.object({ reason: z.string().min(1).max(2_048) });
const readOnlyBody = reasonBody.extend({ readOnly: z.boolean().default(true) });
const eventBody = z.object({
  id: z.string().min(1).max(256),
  key: z.string().max(256).default(''),
  payload: json.default({}),
});
const eventName = z
  .string()
  .regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/, 'must be words of A-Z, a-z, 0-9, "_" and "-", joined by dots');
/** `after`: answered when there is more than up to that event; without it, at the end; at the latest after `waitMs`. */
const waitQuery = z.object({
  waitMs: z.coerce.number().int().min(0).max(waitMsMax).optional(),
  after: z.coerce.number().int().min(0).optional(),
});
const limitMax = 500;
const listQuery = z.object({
  workflow: name.optional(),
  status: z.enum(['Running', 'Waiting', 'Frozen', 'Closed']).optional(),
  limit: z.coerce.number().int().min(1).max(limitMax).default(100),
  where: z.string().max(2_048).optional(),
  since: z.string().max(40).optional(),
  cursor: z.string().max(96).optional(),
});
const bodyBytesMax = 300_000;

export function engineApi(options: ApiOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(express.json({ limit: bodyBytesMax, strict: false }));
  const root = '/v1/namespaces/:namespace';
  const route: RouteOf = (verb, action) => async (request: Request, response: Response) => {
    const namespace = parse(name, request.params['namespace'], 'namespace');
    const user = await options.callers.admit(bearer(request), namespace, verb);
    const { status, body } = await action({ request, namespace, user });
    response.status(status).json(body);
  };
  app.get('/v1/status', async (request: Request, response: Response) => {
    await options.callers.admit(bearer(request), '', 'list');
    response.json(await systemStatus({ ...options.engine, ports: options.ports }));
  });
  app.post(`${root}/workflows/:workflow/runs`, route('create', startRun(options)));
  app.get(`${root}/runs`, route('list', listRuns(options)));
  app.get(`${root}/runs/:run`, route('get', showRun(options)));
  app.get(`${root}/runs/:run/history`, route('get', showHistory(options)));
  app.post(`${root}/runs/:run/cancel`, route('update', cancelRun(options)));
  app.post(`${root}/runs/:run/freeze`, route('update', freezeRun(options, 'freeze')));
  app.post(`${root}/runs/:run/resume`, route('update', freezeRun(options, 'resume')));
  app.post(`${root}/runs/:run/readonly`, route('update', setReadOnly(options)));
  app.post(`${root}/runs/:run/signals/:signal`, route('update', sendSignal(options)));
  app.post(`${root}/hooks/*path`, route('create', callHook(options)));
  app.post(`${root}/events/:subject`, route('create', publishEvent(options)));
  app.get(`${root}/schedules`, route('list', schedules(options)));
  for (const verb of ['pause', 'resume', 'trigger'] as const) {
    app.post(
      `${root}/schedules/:workflow/:schedule/${verb}`,
      route(verb === 'trigger' ? 'create' : 'update', changeSchedule(options, verb)),
    );
  }
  serveDeadLetters(app, root, route, { ports: options.ports, ...options.engine });
  app.use(notFound);
  app.use(errorAnswers(options.ports.log));
  return app;
}

const schedules =
  ({ engine, ports }: ApiOptions): Route =>
  async ({ namespace }) => ({ status: 200, body: { items: await listSchedules({ engine, ports, namespace }) } });

const changeSchedule =
  ({ engine, ports }: ApiOptions, verb: 'pause' | 'resume' | 'trigger'): Route =>
  async ({ request, namespace, user }) => {
    const named = {
      workflow: parse(name, request.params['workflow'], 'workflow'),
      name: parse(scheduleName, request.params['schedule'], 'schedule'),
    };
    const ask = { engine, ports, namespace };
    if (verb === 'trigger') return { status: 201, body: await trigger(ask, named, { user }) };
    const reason = verb === 'pause' ? parse(reasonBody, request.body ?? {}, 'body').reason : undefined;
    return { status: 200, body: await pause(ask, named, { user, ...(reason === undefined ? {} : { reason }) }) };
  };

/** Through the API server's service proxy, which keeps Authorization for itself, the token comes in a header of its own. */
function bearer(request: Request): string | undefined {
  const forwarded = request.get('x-signalbox-token');
  return forwarded ?? /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
}

const startRun =
  ({ engine, ports }: ApiOptions): Route =>
  async ({ request, namespace, user }) => {
    const workflow = parse(name, request.params['workflow'], 'workflow');
    const { input, key, ...when } = parse(startBody, request.body ?? {}, 'body');
    const summary = await start(engine, {
      namespace,
      workflow,
      input: input as JsonObject,
      requestedBy: user,
      source: 'http',
      otherwise: `http/${ports.ids.random()}`,
      ...(key === undefined ? {} : { key }),
      ...whenOf(when, ports.clock.now()),
    });
    return { status: 201, body: summary };
  };

const listRuns =
  ({ engine: { owners } }: ApiOptions): Route =>
  async ({ request, namespace }) => {
    const { since, ...rest } = parse(listQuery, request.query, 'query');
    const from = since === undefined ? undefined : timeMs(since);
    if (since !== undefined && from === undefined) {
      throw new SignalboxError(
        'INVALID_INPUT',
        `since: found "${since}"; allowed: RFC 3339 such as 2026-03-29T01:00:00Z`,
      );
    }
    const query = { namespace, ...rest, ...(from === undefined ? {} : { since: from }) };
    const replies = await Promise.all(
      Array.from({ length: owners.partitions }, (_, partition) =>
        owners.askPartition<readonly RunSummary[]>(partition, 'list', query),
      ),
    );
    const items = replies
      .flatMap((reply) => resultOf(reply))
      .toSorted(byPlace)
      .slice(0, rest.limit);
    const last = items.length < rest.limit ? undefined : items.at(-1);
    return { status: 200, body: { items, ...(last === undefined ? {} : { next: cursorOf(last) }) } };
  };

const runOf = (request: Request): string => parse(runName, request.params['run'], 'run');

const showRun =
  ({ engine: { owners } }: ApiOptions): Route =>
  async ({ request, namespace }) => {
    const run = runOf(request);
    const { waitMs, after } = parse(waitQuery, request.query, 'query');
    const shown =
      waitMs === undefined
        ? await owners.ask<RunSummary>(run, 'show', { run, namespace })
        : await owners.await({ run, namespace, waitMs, ...(after === undefined ? {} : { after }) });
    return { status: 200, body: resultOf(shown) };
  };

const showHistory =
  ({ engine: { owners } }: ApiOptions): Route =>
  async ({ request, namespace }) => {
    const run = runOf(request);
    const events: HistoryEvent[] = [];
    for (let after: number | undefined = 0; after !== undefined;) {
      const page: HistoryPage = resultOf(await owners.ask<HistoryPage>(run, 'history', { run, namespace, after }));
      events.push(...page.events);
      after = page.next;
    }
    return { status: 200, body: { events } };
  };

const cancelRun =
  ({ engine: { owners } }: ApiOptions): Route =>
  async ({ request, namespace, user }) => {
    const run = runOf(request);
    const { reason } = parse(reasonBody, request.body ?? {}, 'body');
    resultOf(await owners.ask(run, 'cancel', { run, namespace, by: user, reason }));
    return { status: 200, body: resultOf(await owners.ask<RunSummary>(run, 'show', { run, namespace })) };
  };

const freezeRun =
  ({ engine: { owners } }: ApiOptions, verb: 'freeze' | 'resume'): Route =>
  async ({ request, namespace, user }) => {
    const run = runOf(request);
    const { reason } = parse(reasonBody, request.body ?? {}, 'body');
    resultOf(await owners.ask(run, verb, { run, namespace, source: 'person', by: user, reason }));
    return { status: 200, body: resultOf(await owners.ask<RunSummary>(run, 'show', { run, namespace })) };
  };

const setReadOnly =
  ({ engine: { owners } }: ApiOptions): Route =>
  async ({ request, namespace, user }) => {
    const run = runOf(request);
    const { reason, readOnly } = parse(readOnlyBody, request.body ?? {}, 'body');
    resultOf(await owners.ask(run, 'readonly', { run, namespace, readOnly, by: user, reason }));
    return { status: 200, body: resultOf(await owners.ask<RunSummary>(run, 'show', { run, namespace })) };
  };

const sendSignal =
  ({ engine: { owners } }: ApiOptions): Route =>
  async ({ request, namespace, user }) => {
    const run = runOf(request);
    const signal = parse(signalName, request.params['signal'], 'signal');
    const { id, data } = parse(signalBody, request.body ?? {}, 'body');
    const asked = { namespace, run, signal, id, payload: data as JsonObject, by: user };
    return { status: 200, body: resultOf(await owners.ask<SignalResult>(run, 'signal', asked)) };
  };

/** A workflow with the trigger `http.path` is started by a POST to that path; the body is its input. */
const callHook =
  ({ engine, ports }: ApiOptions): Route =>
  async ({ request, namespace, user }) => {
    const segments = request.params['path'] as unknown as readonly string[];
    const path = `/${segments.join('/')}`;
    const hooked = [...engine.catalog.workflows(namespace)].filter((workflow) =>
      workflow.spec.triggers?.some((trigger) => trigger.http?.path === path),
    );
    if (hooked.length === 0) {
      throw new SignalboxError(
        'NOT_FOUND',
        `no accepted workflow of namespace ${namespace} has the HTTP trigger ${path}`,
      );
    }
    const input = parse(json, request.body ?? {}, 'body') as JsonObject;
    const otherwise = `hook/${ports.ids.random()}`;
    const runs = [];
    for (const workflow of hooked) {
      const wish = { namespace, workflow: workflow.name, input, requestedBy: user, source: 'hook', otherwise } as const;
      runs.push(await start(engine, wish));
    }
    return { status: 201, body: { runs } };
  };

const publishEvent =
  ({ ports }: ApiOptions): Route =>
  async ({ request, namespace, user }) => {
    const subject = parse(eventName, request.params['subject'], 'subject');
    const { id, key, payload } = parse(eventBody, request.body ?? {}, 'body');
    // Who sends an event starts what it starts, and may not decide it.
    const event = { id, key, payload, by: user };
    await ports.work.publish(eventSubject(namespace, subject), event, { id: `${namespace}/${subject}/${id}` });
    return { status: 202, body: { id, subject } };
  };
