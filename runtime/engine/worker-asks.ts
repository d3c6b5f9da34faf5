// Owns: what workers ask. A worker is not trusted: its identity comes from the subject, its words are parsed, and what counts
// carries the gateway's receipt.
//   K1: only the agent and bundle that an activity is assigned to may speak about it.
//   K2: only the worker that holds the claim may; another one is told to let go.
import { z } from 'zod';
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import {
  claimAsk,
  type ClaimReply,
  completeAsk,
  type CompleteAsk,
  failAsk,
  heartbeatAsk,
  type ReportReply,
  turnAsk,
} from '../../api/messages/asks.ts';
import type { JsonObject, Receipt, Turn } from '../../api/messages/history.ts';
import {
  bundleToken,
  engineAsks,
  parseAsk,
  type WorkerEngineVerb,
  workerEngineVerbs,
  type WorkerIdentity,
} from '../../api/messages/subjects.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { current } from '../../core/workflow/current.ts';
import { type Given, stateOf } from '../../core/workflow/definition.ts';
import type { Reaction } from '../../core/workflow/draft.ts';
import { workFor } from '../../core/workflow/plan.ts';
import { completeActivity, heartbeat, reportFailure } from '../../core/workflow/report.ts';
import { reportTurn } from '../../core/workflow/turn.ts';
import type { Bus, Subscription } from '../../ports/bus.ts';
import type { SchemaChecks } from '../json-schema.ts';
import { isGenuine } from '../receipts.ts';
import { handOver } from './hand-over.ts';
import type { EngineMetrics } from './metrics.ts';
import { type PresenceWatch, workerKey } from './presence.ts';
import type { Serving } from './serving.ts';
import { failpoint } from '../../ports/failpoint.ts';

export interface WorkerAskOptions {
  readonly checks: SchemaChecks;
  readonly receiptKey: Uint8Array;
  readonly metrics: EngineMetrics;
  readonly presence?: PresenceWatch | undefined;
}

type Reply = ClaimReply | ReportReply;
interface Ask {
  readonly run: string;
  readonly activity: string;
  readonly attempt: number;
  readonly worker: string;
  readonly free?: number | undefined;
  readonly present?: boolean | undefined;
}

const parallelMax = 1_024;
const no = (code: string, message: string): ReportReply => ({ kind: 'Error', code, message });

export function serveWorkers(bus: Bus, serving: Serving, options: WorkerAskOptions): readonly Subscription[] {
  const subscription = bus.serve(
    engineAsks(serving.partition.number),
    async ({ subject, payload }) => {
      const asked = parseAsk(subject);
      if (asked === undefined || !isVerb(asked.verb)) return no('INVALID_INPUT', `nothing is served at ${subject}`);
      return timed({ serving, options, worker: asked.worker }, asked.verb, payload);
    },
    { maxParallel: parallelMax },
  );
  return [subscription];
}

async function timed(asking: Asking, verb: WorkerEngineVerb, payload: unknown): Promise<Reply> {
  const { metrics } = asking.options;
  const started = performance.now();
  failpoint('engine.report.received', verb);
  const reply = await answer(asking, verb, payload);
  failpoint('engine.report.decided', verb);
  metrics.asked(verb, reply.kind === 'Error' ? reply.code : reply.kind);
  metrics.seconds(verb, (performance.now() - started) / 1_000);
  return reply;
}

const isVerb = (verb: string): verb is WorkerEngineVerb => (workerEngineVerbs as readonly string[]).includes(verb);

interface Asking {
  readonly serving: Serving;
  readonly options: WorkerAskOptions;
  readonly worker: WorkerIdentity;
}

async function answer(asking: Asking, verb: WorkerEngineVerb, payload: unknown): Promise<Reply> {
  try {
    switch (verb) {
      case 'claim':
        return await claim(asking, claimAsk.parse(payload));
      case 'turn':
        return await turn(asking, payload);
      case 'complete':
        return await complete(asking, completeAsk.parse(payload));
      case 'fail': {
        const ask = failAsk.parse(payload);
        return await report(asking, ask, (given) => reportFailure(given, ask));
      }
      case 'heartbeat': {
        const ask = heartbeatAsk.parse(payload);
        return await report(asking, ask, (given) => ({ events: [], reply: heartbeat(given, ask) }));
      }
    }
  } catch (error) {
    if (isSignalboxError(error)) return no(error.code, error.message);
    if (error instanceof z.ZodError) return no('INVALID_INPUT', z.prettifyError(error).slice(0, 2_000));
    throw error;
  }
}

/** K1: what is wrong with who asks, undefined when nothing. */
function stranger({ worker }: Asking, { state }: Given): string | undefined {
  const { activity, namespace } = state;
  if (activity === undefined) return undefined;
  const own =
    namespace === worker.namespace &&
    activity.agent === worker.agent &&
    bundleToken(activity.bundleDigest) === worker.bundle;
  return own ? undefined : `${activity.id} is assigned to agent ${activity.agent} with another bundle or namespace`;
}

async function claim(asking: Asking, ask: Ask): Promise<ClaimReply> {
  const { serving } = asking;
  return serving.act<ClaimReply>(ask.run, (given) => {
    const found = current(given.state, ask);
    const message = found.kind === 'Stale' ? found.message : 'the activity is complete';
    if (found.kind !== 'Current') return { events: [], reply: { kind: 'Stale', message } };
    const wrong = stranger(asking, given);
    if (wrong !== undefined) return { events: [], reply: { kind: 'Stale', message: wrong } };
    if (found.activity.notBefore > given.now) {
      return { events: [], reply: { kind: 'Busy', message: 'the attempt waits for its back-off' } };
    }
    const full = given.state.ending === undefined ? serving.room.workProblem : undefined;
    if (full !== undefined) return { events: [], reply: { kind: 'Busy', message: full.message } };
    if (!serving.dispatch.claim(ask.run, keyOf(asking, ask))) {
      return { events: [], reply: { kind: 'Busy', message: 'another worker has it' } };
    }
    heard(asking, ask);
    return { events: [], reply: workFor(given) };
  });
}

const keyOf = ({ worker: { namespace } }: Asking, { worker }: Ask): string => workerKey(namespace, worker);

/** The worker is alive, and says how much more it can take and whether its connection can be seen. */
function heard(asking: Asking, ask: Ask): void {
  const { serving, options, worker: identity } = asking;
  if (ask.free !== undefined) serving.dispatch.hasFree(ask.run, keyOf(asking, ask), ask.free);
  if (ask.present === true) options.presence?.shown(identity.namespace, ask.worker);
}

/** K1 and K2, then the report. */
function report(asking: Asking, ask: Ask, react: (given: Given) => Reaction<ReportReply>): Promise<ReportReply> {
  const { serving } = asking;
  return serving.act<ReportReply>(ask.run, (given) => {
    const found = current(given.state, ask);
    if (found.kind === 'Current') {
      const wrong = stranger(asking, given);
      if (wrong !== undefined) return { events: [], reply: no('DENIED', wrong) };
      if (!serving.dispatch.claim(ask.run, keyOf(asking, ask))) {
        return { events: [], reply: { kind: 'Stop', message: 'another worker has it' } };
      }
      heard(asking, ask);
    }
    return react(given);
  });
}

async function turn(asking: Asking, payload: unknown): Promise<ReportReply> {
  const ask = turnAsk.parse(payload);
  if (!receiptsOf(ask.turn).every((receipt) => isGenuine(asking.options.receiptKey, receipt))) {
    return no('DENIED', `turn ${ask.turn.turn} carries a receipt that the gateway has not made`);
  }
  return report(asking, ask, (given) => reportTurn(given, ask));
}

const receiptsOf = (turn: Turn): readonly Receipt[] =>
  [turn.receipt, ...turn.results.map((result) => result.receipt)].filter((receipt) => receipt !== undefined);

async function complete(asking: Asking, ask: CompleteAsk): Promise<ReportReply> {
  const { checks, receiptKey } = asking.options;
  const receipt = ask.verification.model?.receipt;
  if (receipt !== undefined && !isGenuine(receiptKey, receipt)) {
    return no('DENIED', 'the verification carries a receipt that the gateway has not made');
  }
  const reply = await report(asking, ask, (given) => {
    const { activity } = given.state;
    if (activity !== undefined && given.definition.bundle(activity.bundleDigest) === undefined) {
      throw new SignalboxError('NOT_OWNER', `bundle ${activity.bundleDigest} is not in the catalog yet; ask again`);
    }
    const output = stateOf(given.definition, given.state.state)?.output as JsonObject | undefined;
    const checked =
      output === undefined ? { ok: true as const } : checks.check(`output/${digest(output)}`, output, ask.result);
    return completeActivity(given, ask, checked.ok ? undefined : checked.message);
  });
  if (reply.kind !== 'Go' || ask.more !== true) return reply;
  const { serving, worker: identity } = asking;
  const { worker } = ask;
  const next = await handOver({
    serving,
    identity,
    worker: keyOf(asking, ask),
    claim: (task) => claim(asking, { ...task, worker }),
  });
  return next === undefined ? reply : { kind: 'Go', next };
}
