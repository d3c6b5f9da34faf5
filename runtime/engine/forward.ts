// Owns: asking the owner of a run's partition, wherever it is. What is asked may be asked again, so a partition that moves only
// costs time.
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type { AwaitedRun, AwaitRequest, EngineReply } from '../../api/messages/asks.ts';
import { type EngineVerb, engineSubject } from '../../api/messages/subjects.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import type { EnginePorts, EngineSettings } from './ports.ts';

/** Answers for a partition that this engine serves itself; undefined when another one does. */
export type Local = (
  partition: number,
  verb: EngineVerb,
  payload: unknown,
) => Promise<EngineReply<unknown>> | undefined;

export interface Owners {
  readonly partitions: number;
  /** Resolves with the owner's answer; rejects with NOT_OWNER or BUS_UNREACHABLE when none came in time. */
  ask<T>(run: string, verb: EngineVerb, payload: unknown): Promise<EngineReply<T>>;
  /** Asks the owner to answer when the run has ended, or has facts beyond event `after`; at the latest after `waitMs`. */
  await(request: AwaitRequest): Promise<EngineReply<AwaitedRun>>;
  askPartition<T>(partition: number, verb: EngineVerb, payload: unknown): Promise<EngineReply<T>>;
}

const REQUEST_MS = 5_000;
const PAUSE_MS = 100;
const PATIENCE_MS = 10_000;
const passing = new Set<string>(['NOT_OWNER', 'BUS_UNREACHABLE', 'TIMEOUT', 'JOURNAL_FENCED']);

export function owners({ control, clock }: EnginePorts, { partitions }: EngineSettings, local: Local): Owners {
  const asked = async <T>(ask: Ask): Promise<EngineReply<T>> => {
    const until = performance.now() + PATIENCE_MS + ask.waitMs;
    for (;;) {
      const tried = await attempt<T>(control, local, ask);
      if (tried.ok || !passing.has(tried.code) || performance.now() >= until) return tried;
      await clock.sleep(PAUSE_MS);
    }
  };
  const of = (run: string): number => partitionOf(run, partitions);
  return {
    partitions,
    askPartition: (partition, verb, payload) => asked({ partition, verb, payload, waitMs: 0 }),
    ask: (run, verb, payload) => asked({ partition: of(run), verb, payload, waitMs: 0 }),
    await: (request) => asked({ partition: of(request.run), verb: 'await', payload: request, waitMs: request.waitMs }),
  };
}

interface Ask {
  readonly partition: number;
  readonly verb: EngineVerb;
  readonly payload: unknown;
  readonly waitMs: number;
}

async function attempt<T>(bus: EnginePorts['control'], local: Local, ask: Ask): Promise<EngineReply<T>> {
  const { partition, verb, payload, waitMs } = ask;
  try {
    const here = local(partition, verb, payload);
    if (here !== undefined) return (await here) as EngineReply<T>;
    return await bus.ask<EngineReply<T>>(engineSubject(partition, verb), payload, REQUEST_MS + waitMs);
  } catch (error) {
    if (isSignalboxError(error)) return refused(error);
    throw error;
  }
}

/** The result, or the refusal as an error. */
export function resultOf<T>(reply: EngineReply<T>): T {
  if (reply.ok) return reply.result;
  throw new SignalboxError(reply.code as SignalboxError['code'], reply.message, {
    fields: reply.retryAfterMs === undefined ? {} : { retryAfterMs: reply.retryAfterMs },
  });
}

/** An error as an answer. */
export function refused({ code, message, fields }: SignalboxError): Extract<EngineReply<never>, { ok: false }> {
  const { retryAfterMs } = fields;
  return { ok: false, code, message, ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}) };
}
