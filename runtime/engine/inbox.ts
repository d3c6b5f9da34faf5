// Owns: bus events that came before a run waited for them. Each is written before it is delivered, and a run that begins to wait
// looks here after its wait is a fact: whichever of the two is later finds the other.
//   N1: an acknowledged event is kept for `retentionMs`, unless nobody in its namespace can ever wait for it.
//   N2: the same id again is the same event.
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type { DeliverRequest } from '../../api/messages/asks.ts';
import { buckets } from '../../api/messages/subjects.ts';
import { awaitedToken, type Awaited } from '../../core/workflow/deliver.ts';
import type { Bucket, Bus, Entry } from '../../ports/bus.ts';

/** An event as it is kept, with the time at which it came. */
export type KeptEvent = DeliverRequest & { readonly at: number };

/** Events of one subject and key that are fetched at once. */
const pageMax = 16;

export class Inbox {
  readonly #bus: Pick<Bus, 'bucket'>;
  #opened: Promise<Bucket<KeptEvent>> | undefined;

  constructor(bus: Pick<Bus, 'bucket'>) {
    this.#bus = bus;
  }

  /** Resolves when it is on disk; rejects with OVERLOADED when the inbox is full: leave the event where it is. */
  async keep(event: KeptEvent): Promise<void> {
    const { namespace, subject, key, id } = event;
    const bucket = await this.#bucket();
    try {
      await bucket.update(`${namespace}.${awaitedToken(subject, key)}.${awaitedToken(id, '')}`, event, 0);
    } catch (error) {
      if (!isSignalboxError(error, 'BUS_UNREACHABLE') || !/maximum|exceeded/i.test(error.message)) throw error;
      throw new SignalboxError(
        'OVERLOADED',
        'the inbox of bus events is full; they are taken again when older ones are over',
        {
          cause: error,
        },
      );
    }
  }

  /** Those for a run that waits, in the order in which they came; fetched as far as somebody asks. */
  async *find(namespace: string, { subject, key, since }: Awaited): AsyncGenerator<KeptEvent> {
    const bucket = await this.#bucket();
    const pattern = `${namespace}.${awaitedToken(subject, key)}.*`;
    for (let after = 0; ;) {
      const page = await bucket.matching(pattern, pageMax, after);
      for (const { value } of page) if (value.at >= since) yield value;
      const last = page.at(-1);
      if (last === undefined || page.length < pageMax) return;
      after = last.revision;
    }
  }

  /** Everything that is kept, of all namespaces: for whoever takes a partition over. */
  async all(): Promise<readonly KeptEvent[]> {
    const bucket = await this.#bucket();
    return inTime(await bucket.matching('>', Number.POSITIVE_INFINITY));
  }

  #bucket(): Promise<Bucket<KeptEvent>> {
    this.#opened ??= this.#bus.bucket<KeptEvent>(buckets.inbox);
    this.#opened.catch(() => (this.#opened = undefined));
    return this.#opened;
  }
}

const inTime = (entries: readonly Entry<KeptEvent>[]): readonly KeptEvent[] =>
  entries.toSorted((left, right) => left.revision - right.revision).map(({ value }) => value);
