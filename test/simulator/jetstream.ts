// Owns: a model of JetStream on one server, without time of its own. What it says is checked against the real nats-server by
// test/integration/simulator-model.test.ts, with the same commands.
//   M1: a stream on file keeps what was acknowledged through any restart (sync_interval always); what was not yet acknowledged
//       may be lost with a power cut.   M2: a stream in memory is gone after a restart, with its consumers.

export interface StreamConfig {
  readonly name: string;
  /** `>` at the end stands for the rest. */
  readonly subjects: readonly string[];
  readonly storage: 'file' | 'memory';
  readonly retention: 'limits' | 'workqueue';
  /** How long message ids are remembered. */
  readonly duplicateWindowMs: number;
}

export interface ConsumerConfig {
  readonly name: string;
  readonly filter?: string;
  readonly ackWaitMs: number;
  readonly maxAckPending: number;
}

export interface Stored {
  readonly seq: number;
  readonly subject: string;
  readonly bytes: Uint8Array;
  readonly id?: string;
  readonly at: number;
}

export interface PublishOptions {
  readonly expectedLastSeq?: number;
  readonly expectedLastSubjectSeq?: number;
  readonly id?: string;
}

export type Published =
  | { readonly ok: true; readonly seq: number; readonly duplicate: boolean }
  | { readonly ok: false; readonly code: number };

export interface Delivery {
  readonly stream: string;
  readonly consumer: string;
  readonly seq: number;
  readonly deliveries: number;
  readonly subject: string;
  readonly bytes: Uint8Array;
}

interface Pending {
  readonly deliveries: number;
  readonly until: number;
}

interface Consumer {
  readonly config: ConsumerConfig;
  /** Given out, not acknowledged: until when they are left alone. */
  readonly pending: Map<number, Pending>;
  /** How often each was given out, also while it waits for its next turn. */
  readonly delivered: Map<number, number>;
  /** Given back: not before this time. */
  readonly delayed: Map<number, number>;
}

interface Stream {
  readonly config: StreamConfig;
  messages: Map<number, Stored>;
  bySubject: Map<string, number>;
  lastSeq: number;
  bytes: number;
  readonly ids: Map<string, { readonly seq: number; readonly at: number }>;
  readonly consumers: Map<string, Consumer>;
}

export const codes = {
  streamNotFound: 10059,
  consumerNotFound: 10014,
  messageNotFound: 10037,
  wrongLastSequence: 10071,
} as const;

export class JetStream {
  readonly #streams = new Map<string, Stream>();

  addStream(config: StreamConfig): void {
    if (this.#streams.has(config.name)) return;
    this.#streams.set(config.name, {
      config,
      messages: new Map(),
      bySubject: new Map(),
      lastSeq: 0,
      bytes: 0,
      ids: new Map(),
      consumers: new Map(),
    });
  }

  addConsumer(stream: string, config: ConsumerConfig): boolean {
    const found = this.#streams.get(stream);
    if (found === undefined) return false;
    if (!found.consumers.has(config.name)) {
      found.consumers.set(config.name, { config, pending: new Map(), delivered: new Map(), delayed: new Map() });
    }
    return true;
  }

  has(stream: string): boolean {
    return this.#streams.has(stream);
  }

  /** Undefined when no stream listens: the publisher gets no answer at all. */
  publish(subject: string, bytes: Uint8Array, now: number, options: PublishOptions = {}): Published | undefined {
    const stream = this.#listening(subject);
    if (stream === undefined) return undefined;
    const { expectedLastSeq, expectedLastSubjectSeq, id } = options;
    if (expectedLastSeq !== undefined && expectedLastSeq !== stream.lastSeq)
      return { ok: false, code: codes.wrongLastSequence };
    if (expectedLastSubjectSeq !== undefined && expectedLastSubjectSeq !== (stream.bySubject.get(subject) ?? 0)) {
      return { ok: false, code: codes.wrongLastSequence };
    }
    // Expectations come before ids: the same publish again is a wrong sequence, not a duplicate.
    const known = id === undefined ? undefined : stream.ids.get(id);
    if (known !== undefined && now - known.at < stream.config.duplicateWindowMs) {
      return { ok: true, seq: known.seq, duplicate: true };
    }
    stream.lastSeq += 1;
    const seq = stream.lastSeq;
    stream.messages.set(seq, { seq, subject, bytes, at: now, ...(id === undefined ? {} : { id }) });
    stream.bySubject.set(subject, seq);
    stream.bytes += bytes.length;
    if (id !== undefined) stream.ids.set(id, { seq, at: now });
    return { ok: true, seq, duplicate: false };
  }

  message(stream: string, by: { readonly seq: number } | { readonly lastOf: string }): Stored | undefined {
    const found = this.#streams.get(stream);
    return found?.messages.get('seq' in by ? by.seq : (found.bySubject.get(by.lastOf) ?? 0));
  }

  state(
    stream: string,
  ):
    | { readonly lastSeq: number; readonly messages: number; readonly bytes: number; readonly firstSeq: number }
    | undefined {
    const found = this.#streams.get(stream);
    if (found === undefined) return undefined;
    const first = found.messages.keys().next();
    const firstSeq = first.done === true ? found.lastSeq + 1 : first.value;
    return {
      lastSeq: found.lastSeq,
      messages: found.messages.size,
      bytes: found.bytes,
      firstSeq: found.lastSeq === 0 ? 0 : firstSeq,
    };
  }

  /** In order, those from `fromSeq` on. */
  *read(stream: string, fromSeq: number): Generator<Stored> {
    for (const message of this.#streams.get(stream)?.messages.values() ?? []) if (message.seq >= fromSeq) yield message;
  }

  /** Removes what is below `belowSeq` and fits; returns how many. */
  purge(stream: string, filter: { readonly belowSeq?: number; readonly subject?: string } = {}): number {
    const found = this.#streams.get(stream);
    if (found === undefined) return 0;
    const { belowSeq = Number.POSITIVE_INFINITY, subject } = filter;
    let purged = 0;
    for (const message of found.messages.values()) {
      if (message.seq >= belowSeq || (subject !== undefined && message.subject !== subject)) continue;
      this.#remove(found, message.seq);
      purged += 1;
    }
    // The place in front of a sequence that is still to come is taken, too.
    if (subject === undefined && filter.belowSeq !== undefined)
      found.lastSeq = Math.max(found.lastSeq, filter.belowSeq - 1);
    return purged;
  }

  /** A message that nobody has. Which of those that come again is first is not promised: `pick` chooses. */
  pull(stream: string, consumer: string, now: number, pick: (seqs: readonly number[]) => number): Delivery | undefined {
    const found = this.#streams.get(stream);
    const at = found?.consumers.get(consumer);
    if (found === undefined || at === undefined) return undefined;
    this.#expire(at, now);
    const seqs = candidates(found, at, now);
    const message = seqs.length === 0 ? undefined : found.messages.get(pick(seqs));
    if (message === undefined) return undefined;
    const { seq, subject, bytes } = message;
    const deliveries = (at.delivered.get(seq) ?? 0) + 1;
    at.delayed.delete(seq);
    at.delivered.set(seq, deliveries);
    at.pending.set(seq, { deliveries, until: now + at.config.ackWaitMs });
    return { stream, consumer, seq, deliveries, subject, bytes };
  }

  /** Also of an earlier delivery, while a later one is out or still to come: an acknowledgement is not a fence. */
  ack({ stream, consumer, seq }: Delivery): void {
    const found = this.#streams.get(stream);
    const at = found?.consumers.get(consumer);
    if (found === undefined || at === undefined || !at.delivered.has(seq)) return;
    at.pending.delete(seq);
    at.delayed.delete(seq);
    at.delivered.delete(seq);
    if (found.config.retention === 'workqueue') this.#remove(found, seq);
  }

  nak({ stream, consumer, seq }: Delivery, delayMs: number, now: number): void {
    const at = this.#streams.get(stream)?.consumers.get(consumer);
    if (at !== undefined) this.#expire(at, now);
    if (at?.pending.delete(seq) === true) at.delayed.set(seq, now + delayMs);
  }

  working({ stream, consumer, seq }: Delivery, now: number): void {
    const at = this.#streams.get(stream)?.consumers.get(consumer);
    if (at !== undefined) this.#expire(at, now);
    const held = at?.pending.get(seq);
    if (at !== undefined && held !== undefined) at.pending.set(seq, { ...held, until: now + at.config.ackWaitMs });
  }

  /** When something that nobody can have now may be had again; undefined: never by itself. */
  nextAt(stream: string, consumer: string): number | undefined {
    const times = this.timesOf(stream, consumer);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** How often a message that is out now was given out; undefined when nobody has it. */
  deliveriesOf({ stream, consumer, seq }: Delivery, now: number): number | undefined {
    const at = this.#streams.get(stream)?.consumers.get(consumer);
    if (at !== undefined) this.#expire(at, now);
    return at?.pending.get(seq)?.deliveries;
  }

  /** When each message that is out, or was given back for later, may be had again. */
  timesOf(stream: string, consumer: string): readonly number[] {
    const at = this.#streams.get(stream)?.consumers.get(consumer);
    return at === undefined ? [] : [...Array.from(at.pending.values(), ({ until }) => until), ...at.delayed.values()];
  }

  /** kill -9 and a new start. */
  restart(): void {
    for (const [name, stream] of this.#streams) if (stream.config.storage === 'memory') this.#streams.delete(name);
  }

  /** The machine loses its power: gone is what was written less than `unsyncedMs` ago. 0: sync_interval is always. */
  powerCut(now: number, unsyncedMs: number): void {
    for (const stream of this.#streams.values()) {
      for (const { seq, at, id } of [...stream.messages.values()].toReversed()) {
        if (at <= now - unsyncedMs) break;
        this.#remove(stream, seq);
        if (id !== undefined) stream.ids.delete(id);
        stream.lastSeq = seq - 1;
      }
    }
    this.restart();
  }

  #expire({ pending }: Consumer, now: number): void {
    for (const [seq, { until }] of pending) if (until <= now) pending.delete(seq);
  }

  #remove(stream: Stream, seq: number): void {
    const message = stream.messages.get(seq);
    if (message === undefined) return;
    stream.messages.delete(seq);
    stream.bytes -= message.bytes.length;
    for (const { pending, delivered, delayed } of stream.consumers.values()) {
      pending.delete(seq);
      delivered.delete(seq);
      delayed.delete(seq);
    }
    if (stream.bySubject.get(message.subject) !== seq) return;
    let before = 0;
    for (const other of stream.messages.values()) if (other.subject === message.subject) before = other.seq;
    if (before === 0) stream.bySubject.delete(message.subject);
    else stream.bySubject.set(message.subject, before);
  }

  #listening(subject: string): Stream | undefined {
    for (const stream of this.#streams.values()) {
      if (stream.config.subjects.some((wanted) => fits(wanted, subject))) return stream;
    }
    return undefined;
  }
}

/** What comes again comes first; the bound is on messages given out, not on those that come again. */
function candidates({ messages }: Stream, at: Consumer, now: number): readonly number[] {
  const again = [...at.delivered.keys()].filter((seq) => !at.pending.has(seq) && (at.delayed.get(seq) ?? 0) <= now);
  if (again.length > 0) return again;
  if (at.delivered.size >= at.config.maxAckPending) return [];
  for (const { seq, subject } of messages.values()) {
    if (!at.delivered.has(seq) && fits(at.config.filter, subject)) return [seq];
  }
  return [];
}

function fits(wanted: string | undefined, subject: string): boolean {
  if (wanted === undefined || wanted === subject) return true;
  return wanted.endsWith('>') && subject.startsWith(wanted.slice(0, -1));
}
