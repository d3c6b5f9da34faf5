// Owns: what operators, gateways and other engines ask of a partition's owner.
import { z } from 'zod';
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type {
  AuthorizeRequest,
  AwaitedRun,
  AwaitRequest,
  CancelRequest,
  ChildHint,
  ChildReport,
  ChildRequest,
  DecideRequest,
  DeliverRequest,
  EngineReply,
  FreezeRequest,
  ReadOnlyRequest,
  StartRequest,
} from '../../api/messages/asks.ts';
import type { HistoryEvent, RunSummary } from '../../api/messages/history.ts';
import type { SignalRequest } from '../../api/messages/incoming.ts';
import { engineRequests, type EngineVerb, engineVerbOf } from '../../api/messages/subjects.ts';
import { canonicalJson } from '../../core/canonical/canonical.ts';
import { byPlace, type Condition, holds, placeOf, readWhere } from '../../core/search/where.ts';
import { authorizeCall } from '../../core/workflow/authorize.ts';
import { askChild, cancelUnstarted, reportOf } from '../../core/workflow/child.ts';
import { answerEscalation, cancelRun } from '../../core/workflow/decide.ts';
import { deliverEvent } from '../../core/workflow/deliver.ts';
import { freezeRun, resumeRun, setReadOnly } from '../../core/workflow/freeze.ts';
import { openChildren } from '../../core/workflow/fold-children.ts';
import { startRun } from '../../core/workflow/start.ts';
import type { RunState } from '../../core/workflow/state.ts';
import { summaryOf } from '../../core/workflow/summary.ts';
import type { Bus, Subscription } from '../../ports/bus.ts';
import type { SchemaChecks } from '../json-schema.ts';
import type { Assigned, Assigner } from './assigner.ts';
import type { Catalog } from './catalog.ts';
import { waitersMax, waitMsMax } from './endings.ts';
import type { DiskWatch } from './disk-watch.ts';
import { refused } from './forward.ts';
import type { EngineMetrics } from './metrics.ts';
import type { Serving } from './serving.ts';
import { takeSignal } from './signals.ts';
import { partitionStatus } from './system-status.ts';
import type { Admitted, Tenants } from './tenants.ts';
import { assertFreeKey, checkInput, currentWorkflow } from './start.ts';
import { outcomes } from './outcomes.ts';
import { saysNo } from './says-no.ts';
import { failpoint } from '../../ports/failpoint.ts';

export interface ControlOptions {
  readonly catalog: Catalog;
  readonly checks: SchemaChecks;
  readonly metrics: EngineMetrics;
  readonly disk: DiskWatch;
  readonly tenants: Tenants;
  readonly assigner: Assigner;
  /** Its name. */
  readonly engine: string;
  readonly now: () => number;
  /** The answer to a question about dead letters; undefined when it is about a run. */
  readonly decideGroup: (request: DecideRequest) => Promise<EngineReply<unknown> | undefined>;
}

/** At work at once beside those that wait for a run, which cost next to nothing and take no other's place. */
const parallelMax = 512;
const factsBytesMax = 262_144;
/** Characters: each may take three bytes, and an answer at most 1 MiB. */
const historyBytesMax = 300_000;
export const listMax = 500;

/** Requests come from our own processes: their shape is checked where it decides something. */
const runOnly = z.object({ run: z.string().max(64), namespace: z.string().max(63).optional() });
const historyQuery = runOnly.extend({ after: z.int().min(0).default(0) });
const awaitQuery = runOnly.extend({ waitMs: z.int().min(0).max(waitMsMax), after: z.int().min(0).optional() });
const listQuery = z.object({
  namespace: z.string().max(63).optional(),
  workflow: z.string().max(63).optional(),
  status: z.string().max(16).optional(),
  where: z.string().max(2_048).optional(),
  since: z.int().min(0).optional(),
  cursor: z.string().max(96).optional(),
  limit: z.int().min(1).max(listMax).default(100),
});

export interface HistoryPage {
  readonly events: readonly HistoryEvent[];
  /** Ask again after this event; absent at the end. */
  readonly next?: number;
}

type Handler = (serving: Serving, payload: unknown) => Promise<EngineReply<unknown>>;

/** Answers one request to a partition that this engine serves. */
export type Control = (serving: Serving, verb: EngineVerb, payload: unknown) => Promise<EngineReply<unknown>>;

export function controlOf(options: ControlOptions): Control {
  const handlers = handlersOf(options);
  return async (serving, verb, payload) => {
    const started = performance.now();
    failpoint('engine.ask.received', verb);
    const reply = await answer(verb, handlers[verb], { serving, payload });
    failpoint('engine.ask.decided', verb);
    options.metrics.asked(verb, reply.ok ? 'ok' : reply.code);
    options.metrics.seconds(verb, (performance.now() - started) / 1_000);
    return reply;
  };
}

export function serveControl(bus: Bus, serving: Serving, control: Control): readonly Subscription[] {
  const subscription = bus.serve(
    engineRequests(serving.partition.number),
    async ({ subject, payload }) => {
      const verb = engineVerbOf(subject);
      if (verb !== undefined) return control(serving, verb, payload);
      return { ok: false, code: 'INVALID_INPUT', message: `nothing is served at ${subject}` };
    },
    { maxParallel: parallelMax + waitersMax },
  );
  return [subscription];
}

interface Asked {
  readonly serving: Serving;
  readonly payload: unknown;
}

/** A no is told only by an engine that knows the end of the journal: who still believes in a lost lease might not know the yes. */
async function answer(verb: EngineVerb, handler: Handler, asked: Asked): Promise<EngineReply<unknown>> {
  const { serving, payload } = asked;
  const reply = await decided(() => handler(serving, payload));
  if (!saysNo(verb, reply)) return reply;
  return decided(async () => {
    await serving.partition.assertNewest();
    return reply;
  });
}

async function decided(decide: () => Promise<EngineReply<unknown>>): Promise<EngineReply<unknown>> {
  try {
    return await decide();
  } catch (error) {
    if (isSignalboxError(error)) return refused(error);
    if (error instanceof z.ZodError) return { ok: false, code: 'INVALID_INPUT', message: z.prettifyError(error) };
    throw error;
  }
}

function handlersOf(options: ControlOptions): Readonly<Record<EngineVerb, Handler>> {
  return {
    start: (serving, payload) => start(serving, payload as StartRequest, options),
    cancel: (serving, payload) => {
      const request = payload as CancelRequest;
      return serving.act(request.run, (given) => cancelRun(inside(given, request.namespace), request));
    },
    decide: async (serving, payload) => {
      const request = payload as DecideRequest;
      const letters = await options.decideGroup(request);
      if (letters !== undefined) return letters;
      return serving.act(request.run, (given) => answerEscalation(inside(given, request.namespace), request));
    },
    freeze: (serving, payload) => {
      const request = payload as FreezeRequest;
      return serving.act(request.run, (given) => freezeRun(inside(given, request.namespace), request));
    },
    resume: (serving, payload) => {
      const request = payload as FreezeRequest;
      return serving.act(request.run, (given) => resumeRun(inside(given, request.namespace), request));
    },
    readonly: (serving, payload) => {
      const request = payload as ReadOnlyRequest;
      return serving.act(request.run, (given) => setReadOnly(inside(given, request.namespace), request));
    },
    child: (serving, payload) => child(serving, payload as ChildRequest, options),
    'child-closed': async (serving, payload) => {
      const { run, namespace, child: named } = payload as ChildHint;
      const waits = await serving.look(run, (state) =>
        openChildren(inside({ state }, namespace).state).some((known) => known.run === named),
      );
      if (waits) serving.children.hint(named);
      return { ok: true, result: { known: !waits } };
    },
    authorize: async (serving, payload) => {
      const request = payload as AuthorizeRequest;
      return { ok: true, result: await serving.act(request.run, (given) => authorizeCall(given, request)) };
    },
    signal: async (serving, payload) => {
      serving.room.assertWork();
      return takeSignal(serving, payload as SignalRequest, options.checks);
    },
    deliver: async (serving, payload) => {
      options.catalog.assertSynced();
      serving.room.assertWork();
      return { ok: true, result: await deliver(serving, payload as DeliverRequest) };
    },
    ...readersOf(options),
  };
}

type Reads = 'show' | 'history' | 'list' | 'project' | 'tenant' | 'status' | 'await' | 'outcomes';

/** What changes no run. */
function readersOf({ tenants, engine, catalog }: ControlOptions): Readonly<Record<Reads, Handler>> {
  /** Says also what a run waits for that is not there any more. */
  const summary = (state: RunState): RunSummary => summaryOf(state, catalog.synced ? catalog : undefined);
  return {
    show: async (serving, payload) => {
      const { run, namespace } = runOnly.parse(payload);
      return { ok: true, result: await serving.look(run, (state) => summary(inside({ state }, namespace).state)) };
    },
    history: async (serving, payload) => ({ ok: true, result: await history(serving, payload) }),
    list: async (serving, payload) => {
      const found = list(serving, payload).map(summary);
      // A run, or what became of it, may be no fact yet: whoever is told of it may rely on it.
      await serving.partition.settled();
      return { ok: true, result: found };
    },
    project: async (serving, payload) => {
      const { run, namespace } = runOnly.parse(payload);
      await serving.look(run, (state) => inside({ state }, namespace));
      serving.projections.touch([run]);
      return { ok: true, result: { run } };
    },
    tenant: (serving, payload) => tenants.answer(serving, payload),
    status: async (serving) => ({ ok: true, result: await partitionStatus(serving, tenants, engine) }),
    outcomes: async (serving, payload) => ({ ok: true, result: await outcomes(serving, payload, catalog) }),
    await: async (serving, payload) => {
      const { state, facts } = await waitFor(serving, payload as AwaitRequest);
      return { ok: true, result: { ...summary(state), ...facts } };
    },
  };
}

/** A run of another namespace does not exist for whoever asks. */
function inside<T extends { readonly state: RunState }>(given: T, namespace: string | undefined): T {
  if (namespace !== undefined && given.state.namespace !== namespace) {
    throw new SignalboxError('NOT_FOUND', `namespace ${namespace} has no run ${given.state.run}`);
  }
  return given;
}

async function start(
  serving: Serving,
  request: StartRequest,
  options: ControlOptions,
): Promise<EngineReply<RunSummary>> {
  const known = serving.partition.state(request.run) !== undefined;
  const admitted = known ? undefined : await admit(serving, request, options);
  let [fresh, started] = [false, false];
  try {
    const assigned = known ? undefined : await options.assigner.assign(request);
    const reply = await serving.partition.submit(request.run, (state) => {
      fresh = state === undefined;
      if (state === undefined) return begin(request, options, assigned);
      return { events: [], reply: otherInput(state, request) ?? { ok: true as const } };
    });
    if (!reply.ok) return reply;
    started = fresh;
    if (started) assigned?.started(serving.partition.state(request.run)?.assignments);
  } finally {
    admitted?.done(started);
  }
  // What happened since is told only when it is on disk, too.
  return { ok: true, result: await serving.look(request.run, summaryOf) };
}

/** Whether a new run may come: there is room, its input fits, and its namespace may start one. */
async function admit(serving: Serving, request: StartRequest, options: ControlOptions): Promise<Admitted | undefined> {
  const { catalog, checks, disk, tenants } = options;
  const { namespace, workflow, source, branch, input } = request;
  if (fromOutside.has(source)) assertFreeKey(request.key);
  serving.room.assertStarts();
  disk.assertWritable();
  await catalog.prepare(namespace, workflow);
  // A branch has the input of its parent, which was checked when that was started.
  if (branch === undefined) checkInput(checks, currentWorkflow(catalog, namespace, workflow), input);
  return tenants.admit(serving, namespace, source);
}

function begin(
  request: StartRequest,
  { catalog, assigner, now }: ControlOptions,
  assigned: Assigned | undefined,
): ReturnType<typeof startRun> {
  const { namespace, workflow, branch } = request;
  const digest = branch?.workflowDigest ?? currentWorkflow(catalog, namespace, workflow).digest;
  const definition = catalog.definition(digest);
  if (definition === undefined) {
    const unknown = catalog.unknownIn(digest);
    throw new SignalboxError('NOT_OWNER', unknown ?? 'the catalog is still being read; ask again');
  }
  const agents = (name: string) => assigner.agent(namespace, name);
  return startRun({ definition, now: now(), request, agents, assigned: assigned?.byAgent });
}

/** People and programs that start with a key get the run of that key, never silently one with another input. */
function otherInput(state: RunState, request: StartRequest): { ok: false; code: 'STALE'; message: string } | undefined {
  if (request.key === undefined || !fromOutside.has(request.source)) return undefined;
  if (canonicalJson(state.input) === canonicalJson(request.input)) return undefined;
  const message = `key "${request.key}" is taken by run ${state.run}, which was started with another input; use another key, or show that run`;
  return { ok: false, code: 'STALE', message };
}
const fromOutside: ReadonlySet<string> = new Set(['http', 'bus', 'hook', 'object']);

/** A run that ends meanwhile is told at once; one that does not, as it is when the time is over. */
async function waitFor(
  serving: Serving,
  payload: unknown,
): Promise<{ readonly state: RunState; readonly facts: Pick<AwaitedRun, 'facts'> }> {
  const { run, namespace, waitMs, after } = awaitQuery.parse(payload);
  const show = () => serving.look(run, (state) => inside({ state }, namespace).state);
  const done = (state: RunState): boolean => state.status === 'Closed' || (after !== undefined && state.seq > after);
  let state = await show();
  if (!done(state)) {
    await serving.endings.wait(run, waitMs, done);
    state = await show();
  }
  const small = state.status === 'Closed' && JSON.stringify(state.facts).length <= factsBytesMax;
  return { state, facts: small ? { facts: state.facts } : {} };
}

/** A parent asks: the child is started where it has to be, and is as its parent wants it. */
async function child(
  serving: Serving,
  request: ChildRequest,
  options: ControlOptions,
): Promise<EngineReply<ChildReport>> {
  const { run, namespace } = request.start;
  if (serving.partition.state(run) === undefined) {
    if (request.want === 'Frozen') return { ok: true, result: { kind: 'Absent' } };
    if (request.want === 'Running') {
      const started = await start(serving, request.start, options);
      if (!started.ok) return started;
    }
  }
  const report = await serving.partition.submit<ChildReport | undefined>(run, (state) => {
    if (state !== undefined) return { events: [], reply: undefined };
    return cancelUnstarted(request, options.now());
  });
  const closed = await serving.look(run, (state) => reportOf(inside({ state }, namespace).state));
  if (report !== undefined || closed.kind === 'Closed') return { ok: true, result: report ?? closed };
  return { ok: true, result: await serving.act(run, (given) => askChild(inside(given, namespace), request)) };
}

async function deliver(serving: Serving, request: DeliverRequest): Promise<{ readonly taken: number }> {
  const waiting = serving.partition.table.awaiting(request.namespace, request.subject, request.key);
  const replies = await Promise.all(waiting.map((run) => serving.act(run, (given) => deliverEvent(given, request))));
  return { taken: replies.filter((reply) => reply.taken).length };
}

async function history(serving: Serving, payload: unknown): Promise<HistoryPage> {
  const { run, namespace, after } = historyQuery.parse(payload);
  await serving.look(run, (state) => inside({ state }, namespace));
  const { events, more } = await serving.partition.history(run, after, historyBytesMax);
  const last = events.at(-1)?.seq;
  return { events, ...(more && last !== undefined ? { next: last } : {}) };
}

function list(serving: Serving, payload: unknown): readonly RunState[] {
  const query = listQuery.parse(payload);
  const conditions = conditionsOf(query.where);
  const after = query.cursor === undefined ? undefined : placeOf(query.cursor);
  if (query.cursor !== undefined && after === undefined) {
    throw new SignalboxError('INVALID_INPUT', `cursor: found "${query.cursor}"; allowed: \`next\` of the page before`);
  }
  const { since = 0, limit } = query;
  const { table } = serving.partition;
  const found: RunState[] = [];
  // Newest first: what is not looked at is not unpacked.
  for (const run of table.find({ ...query, since, until: after?.startedAt })) {
    const state = table.peek(run);
    if (state === undefined || (after !== undefined && byPlace(after, state) >= 0)) continue;
    if (holds(state.attributes, conditions)) found.push(state);
    const last = found[limit - 1];
    if (last !== undefined && state.startedAt < last.startedAt) break;
  }
  return found.toSorted(byPlace).slice(0, limit);
}

function conditionsOf(where: string | undefined): readonly Condition[] {
  if (where === undefined) return [];
  const read = readWhere(where);
  if (!read.ok) throw new SignalboxError('INVALID_INPUT', read.message);
  return read.conditions;
}
