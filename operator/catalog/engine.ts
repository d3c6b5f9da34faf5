// Owns: questions of the operator to the owner of a run's partition, and the memory of the last answer per object. A lost
// answer is asked for again: every question is idempotent at the engine.
import { isSignalboxError, passingCodes } from '../../api/errors.ts';
import type { EngineReply } from '../../api/messages/asks.ts';
import type { RunSummary } from '../../api/messages/history.ts';
import { type EngineVerb, engineSubject } from '../../api/messages/subjects.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import type { Bus } from '../../ports/bus.ts';
import { failpoint } from '../../ports/failpoint.ts';

export type Answer =
  | { readonly kind: 'Done' }
  | { readonly kind: 'Refused'; readonly code: string; readonly message: string }
  /** Not now: asked again, it may be done. */
  | { readonly kind: 'Later'; readonly code: (typeof later)[number]; readonly message: string }
  /** Nobody answered: nothing is known. */
  | { readonly kind: 'NoAnswer'; readonly message: string };

/** Answered, but not for good: it is asked again until there is room, or the run is resumed. */
const later = ['OVERLOADED', 'FROZEN'] as const;
const timeoutMs = 5_000;

export class EngineDesk {
  readonly #bus: Pick<Bus, 'ask'>;
  readonly #partitions: number;
  readonly #answers = new Map<string, Answer>();

  constructor(bus: Pick<Bus, 'ask'>, partitions: number) {
    this.#bus = bus;
    this.#partitions = partitions;
  }

  /** The last answer about this object. */
  answer(uid: string): Answer | undefined {
    return this.#answers.get(uid);
  }

  forget(uid: string): void {
    this.#answers.delete(uid);
  }

  async ask(uid: string, run: string, verb: EngineVerb, payload: unknown): Promise<void> {
    failpoint('operator.engine.before', verb);
    const answer = await this.#request(run, verb, payload);
    failpoint('operator.engine.answered', verb);
    this.#answers.set(uid, answer);
  }

  /** The run as its owner knows it; undefined: there is none, or nobody answers. */
  async show(namespace: string, run: string): Promise<RunSummary | undefined> {
    const subject = engineSubject(partitionOf(run, this.#partitions), 'show');
    try {
      const reply = await this.#bus.ask<EngineReply<RunSummary>>(subject, { run, namespace }, timeoutMs);
      return reply.ok ? reply.result : undefined;
    } catch (error) {
      if (isSignalboxError(error)) return undefined;
      throw error;
    }
  }

  async #request(run: string, verb: EngineVerb, payload: unknown): Promise<Answer> {
    const subject = engineSubject(partitionOf(run, this.#partitions), verb);
    try {
      const reply = await this.#bus.ask<EngineReply<unknown>>(subject, payload, timeoutMs);
      return reply.ok ? { kind: 'Done' } : refusal(reply);
    } catch (error) {
      if (isSignalboxError(error)) return refusal(error);
      throw error;
    }
  }
}

function refusal({ code, message }: { readonly code: string; readonly message: string }): Answer {
  const notNow = later.find((known) => known === code);
  if (notNow !== undefined) return { kind: 'Later', code: notNow, message };
  return passingCodes.has(code) ? { kind: 'NoAnswer', message } : { kind: 'Refused', code, message };
}
