// Owns: serving the asks of one namespace. The identity of an asker is in the subject, stamped by its NATS permissions.
//   S1: equal asks at work share one answer, and a settled answer is kept for a while: workers ask again until they hear.
//   S2: an ask holds its place for two seconds at most; the work behind it goes on, and the worker asks again.
//   S3: an answer that may change (an error, a missing approval) is never kept.
import { isSignalboxError } from '../../api/errors.ts';
import { modelAsk, toolAsk, verifyAsk } from '../../api/messages/asks.ts';
import type { ModelAskReply, ToolAskReply, VerifyAskReply } from '../../api/messages/asks.ts';
import { gatewayAsks, parseAsk, type WorkerIdentity } from '../../api/messages/subjects.ts';
import { digest } from '../../core/canonical/canonical.ts';
import type { Bus, Request, Subscription } from '../../ports/bus.ts';
import { schemaChecks } from '../json-schema.ts';
import { catalogOf } from './catalog.ts';
import { limitsOf } from './limits.ts';
import { sharedRate } from './shared-rate.ts';
import { answerModelAsk } from './model-ask.ts';
import { type Gateway, gatewayMetrics, type GatewayPorts, type GatewaySettings } from './ports.ts';
import { spendOf } from './spend.ts';
import { answerToolAsk } from './tool-ask.ts';
import { answerVerifyAsk } from './verify-ask.ts';
import { failpoint } from '../../ports/failpoint.ts';

export type AskReply = ModelAskReply | ToolAskReply | VerifyAskReply;

const parallelMax = 256;
/** Asks behind which something is at work. */
const atWorkMax = 1_024;
/** Settled answers that are kept. */
const keptMax = 128;
const keptMs = 30_000;
/** A little less than workers wait for one request. */
const waitMs = 2_000;

export function gatewayOf(ports: GatewayPorts, settings: GatewaySettings): Gateway {
  const { control, clock, log, metrics } = ports;
  return {
    ...ports,
    settings,
    catalog: catalogOf(control),
    limits: limitsOf(clock, sharedRate({ bus: control, namespace: settings.namespace, clock, log })),
    spend: spendOf(control, clock),
    schemas: schemaChecks(),
    counted: gatewayMetrics(metrics),
  };
}

export interface RunningGateway {
  /** Stops taking asks and waits for those at work, at most `graceMs`. */
  drain(graceMs: number): Promise<void>;
}

/** Serves the asks that arrive on `work`, the connection in account WORK. */
export function serveAsks(gateway: Gateway, work: Bus): RunningGateway {
  const answers = keptAnswers(gateway);
  const subscription: Subscription = work.serve(
    gatewayAsks(gateway.settings.namespace),
    (request) => answers.answer(request),
    { queue: 'gateway', maxParallel: parallelMax },
  );
  return {
    async drain(graceMs) {
      await subscription.stop();
      const until = gateway.clock.now() + graceMs;
      while (answers.atWork() > 0 && gateway.clock.now() < until) await gateway.clock.sleep(50);
    },
  };
}

interface Answers {
  answer(request: Request): Promise<AskReply>;
  atWork(): number;
}

const stillAtWork: AskReply = { kind: 'Error', code: 'TIMEOUT', message: 'still at work; ask again', retryable: true };
const tooMany: AskReply = {
  kind: 'Error',
  code: 'BUS_UNREACHABLE',
  message: `the gateway has ${atWorkMax} asks at work; ask again`,
  retryable: true,
};

export function keptAnswers(gateway: Gateway): Answers {
  const working = new Map<string, Promise<AskReply>>();
  const settled = new Map<string, AskReply>();
  const keep = (key: string, reply: AskReply): void => {
    if (!isSettled(reply)) return;
    if (settled.size >= keptMax) settled.delete(settled.keys().next().value ?? '');
    settled.set(key, reply);
    setTimeout(() => settled.delete(key), keptMs).unref();
  };
  const make = async (key: string, request: Request): Promise<AskReply> => {
    try {
      const reply = await answerAsk(gateway, request);
      keep(key, reply);
      return reply;
    } finally {
      working.delete(key);
    }
  };
  return {
    atWork: () => working.size,
    async answer(request) {
      const key = digest({ subject: request.subject, payload: request.payload });
      const known = settled.get(key);
      if (known !== undefined) return known;
      if (!working.has(key) && working.size >= atWorkMax) return tooMany;
      const answering = working.get(key) ?? make(key, request);
      working.set(key, answering);
      return within(answering, waitMs);
    },
  };
}

/** The answer, or after `ms` that it is still at work. */
async function within(answering: Promise<AskReply>, ms: number): Promise<AskReply> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<AskReply>((resolve) => {
    timer = setTimeout(() => resolve(stillAtWork), ms);
  });
  try {
    return await Promise.race([answering, late]);
  } finally {
    clearTimeout(timer);
  }
}

function isSettled(reply: AskReply): boolean {
  if (reply.kind === 'Error') return false;
  return reply.kind !== 'Result' || reply.result.outcome === 'ok';
}

/** Answers one ask; never rejects, so that the worker always hears a code. */
async function answerAsk(gateway: Gateway, { subject, payload }: Request): Promise<AskReply> {
  const asked = parseAsk(subject);
  if (asked === undefined || asked.worker.namespace !== gateway.settings.namespace) {
    return { kind: 'Error', code: 'DENIED', message: 'this subject is not served here', retryable: false };
  }
  try {
    failpoint('gateway.ask.received', asked.verb);
    const reply = await dispatch(gateway, asked.worker, { verb: asked.verb, payload });
    failpoint('gateway.ask.answered', asked.verb);
    return reply;
  } catch (error) {
    const passing = isSignalboxError(error);
    gateway.log.warn('ask failed', { verb: asked.verb, agent: asked.worker.agent, error });
    return {
      kind: 'Error',
      code: passing ? error.code : 'BUS_UNREACHABLE',
      message: passing ? error.message : 'the gateway could not answer; ask again',
      retryable: true,
    };
  }
}

async function dispatch(
  gateway: Gateway,
  worker: WorkerIdentity,
  ask: { readonly verb: string; readonly payload: unknown },
): Promise<AskReply> {
  switch (ask.verb) {
    case 'model': {
      const parsed = modelAsk.safeParse(ask.payload);
      return parsed.success ? answerModelAsk(gateway, worker, parsed.data) : invalid(parsed.error.message);
    }
    case 'tool': {
      const parsed = toolAsk.safeParse(ask.payload);
      return parsed.success ? answerToolAsk(gateway, worker, parsed.data) : invalid(parsed.error.message);
    }
    case 'verify': {
      const parsed = verifyAsk.safeParse(ask.payload);
      return parsed.success ? answerVerifyAsk(gateway, worker, parsed.data) : invalid(parsed.error.message);
    }
    default:
      return invalid(`unknown verb "${ask.verb}"; allowed are model, tool, verify`);
  }
}

const invalid = (message: string): AskReply => ({
  kind: 'Error',
  code: 'INVALID_INPUT',
  message: message.slice(0, 500),
  retryable: false,
});
