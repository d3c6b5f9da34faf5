// Owns: sharing messages. Asks that a worker makes of one partition at the same moment go in one message, and are answered in one:
// a worker whose reports were committed together has its next reports together too. Alone, an ask goes as it is.
import { batchAsksMax } from '../../api/messages/asks.ts';
import type { Bus } from '../../ports/bus.ts';

/** Bytes of asks in one message, far below the largest one. */
const bytesMax = 262_144;
/** A larger ask goes alone. */
const sharedBytesMax = 16_384;

interface Waiting {
  readonly subject: string;
  readonly verb: string;
  readonly ask: unknown;
  readonly bytes: number;
  readonly resolve: (reply: never) => void;
  readonly reject: (error: unknown) => void;
}

/** Asks of one partition with the same patience. */
interface Pile {
  readonly prefix: string;
  readonly timeoutMs: number;
  readonly waiting: Waiting[];
}

export class Outbox implements Pick<Bus, 'request'> {
  readonly #bus: Pick<Bus, 'request'>;
  #piles = new Map<string, Pile>();

  constructor(bus: Pick<Bus, 'request'>) {
    this.#bus = bus;
  }

  /** Like the bus's; the subject's last token is the verb. A claim is answered with whatever a message can hold, so it goes alone. */
  request<T>(subject: string, ask: unknown, timeoutMs: number): Promise<T> {
    const dot = subject.lastIndexOf('.');
    const [prefix, verb] = [subject.slice(0, dot), subject.slice(dot + 1)];
    const bytes = JSON.stringify(ask).length;
    if (verb === 'claim' || bytes > sharedBytesMax) return this.#bus.request<T>(subject, ask, timeoutMs);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (this.#piles.size === 0) setImmediate(() => this.#flush());
    const key = `${prefix}/${timeoutMs}`;
    const pile = this.#piles.get(key) ?? { prefix, timeoutMs, waiting: [] };
    this.#piles.set(key, pile);
    pile.waiting.push({ subject, verb, ask, bytes, resolve, reject });
    return promise;
  }

  #flush(): void {
    const piles = this.#piles;
    this.#piles = new Map();
    for (const pile of piles.values()) {
      for (const some of inMessages(pile.waiting)) void this.#send(pile, some);
    }
  }

  async #send({ prefix, timeoutMs }: Pile, some: readonly Waiting[]): Promise<void> {
    if (some.length === 1) return this.#each(some, timeoutMs);
    try {
      const asks = some.map(({ verb, ask }) => ({ verb, ask }));
      const answer = await this.#bus.request<{ readonly replies?: readonly never[] }>(
        `${prefix}.batch`,
        { asks },
        timeoutMs,
      );
      const { replies } = answer;
      // An engine of an earlier release knows no batch.
      if (replies?.length !== some.length) return await this.#each(some, timeoutMs);
      for (const [at, { resolve }] of some.entries()) resolve(replies[at] as never);
    } catch (error) {
      for (const { reject } of some) reject(error);
    }
  }

  async #each(some: readonly Waiting[], timeoutMs: number): Promise<void> {
    await Promise.all(
      some.map(({ subject, ask, resolve, reject }) =>
        this.#bus.request<never>(subject, ask, timeoutMs).then(resolve, reject),
      ),
    );
  }
}

/** In the order of asking, so many to a message as fit. */
function inMessages(waiting: readonly Waiting[]): readonly (readonly Waiting[])[] {
  const messages: Waiting[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const one of waiting) {
    const last = messages.at(-1);
    if (last === undefined || bytes + one.bytes > bytesMax || last.length >= batchAsksMax) {
      messages.push([one]);
      bytes = one.bytes;
    } else {
      last.push(one);
      bytes += one.bytes;
    }
  }
  return messages;
}
