// Owns: asking the owner of a run's partition, wherever it is. What is asked may be asked again, so a partition that moves only
// costs time.
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type { EngineReply } from '../../api/messages/asks.ts';
import { type EngineVerb, engineSubject } from '../../api/messages/subjects.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import type { EnginePorts, EngineSettings } from './ports.ts';

export interface Owners {
  readonly partitions: number;
  /** Resolves with the owner's answer; rejects with NOT_OWNER or BUS_UNREACHABLE when none came in time. */
  ask<T>(run: string, verb: EngineVerb, payload: unknown): Promise<EngineReply<T>>;
  askPartition<T>(partition: number, verb: EngineVerb, payload: unknown): Promise<EngineReply<T>>;
}

const REQUEST_MS = 5_000;
const PAUSE_MS = 100;
const PATIENCE_MS = 10_000;
const passing = new Set<string>(['NOT_OWNER', 'BUS_UNREACHABLE', 'TIMEOUT', 'JOURNAL_FENCED']);

export function owners({ control, clock }: EnginePorts, { partitions }: EngineSettings): Owners {
  const askPartition = async <T>(partition: number, verb: EngineVerb, payload: unknown): Promise<EngineReply<T>> => {
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      const tried = await attempt<T>(control, engineSubject(partition, verb), payload);
      if (tried.ok || !passing.has(tried.code) || performance.now() >= until) return tried;
      await clock.sleep(PAUSE_MS);
    }
  };
  return {
    partitions,
    askPartition,
    ask: (run, verb, payload) => askPartition(partitionOf(run, partitions), verb, payload),
  };
}

async function attempt<T>(bus: EnginePorts['control'], subject: string, payload: unknown): Promise<EngineReply<T>> {
  try {
    return await bus.request<EngineReply<T>>(subject, payload, REQUEST_MS);
  } catch (error) {
    if (isSignalboxError(error)) return { ok: false, code: error.code, message: error.message };
    throw error;
  }
}

/** The result, or the refusal as an error. */
export function resultOf<T>(reply: EngineReply<T>): T {
  if (reply.ok) return reply.result;
  throw refusal(reply.code, reply.message);
}

export function refusal(code: string, message: string): SignalboxError {
  return new SignalboxError(code as SignalboxError['code'], message);
}
