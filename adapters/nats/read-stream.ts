// Owns: reading a stream from a sequence on, in order, up to what was its end. A message that the server has lost is left out;
// a server that gives nothing more is not waited for; one that was started again meanwhile is asked for the rest.
import { type ConsumerMessages, DeliverPolicy } from '@nats-io/jetstream';
import { SignalboxError } from '../../api/errors.ts';
import type { NatsBus } from './bus.ts';
import { unlessReconnected } from './connection.ts';
import { apiCode, busFailure } from './failure.ts';

export interface StoredMessage {
  readonly seq: number;
  readonly bytes: Uint8Array;
}

/** Without a message for this long the server is asked why. */
const STALL_MS = 10_000;
const prefetch = 500;
/** Restarts of nats-server while one stream is read. */
const interruptionsMax = 16;

/** Sequence of the stream's last message ever, 0 when there was none. Asked of the leader. */
export async function streamEnd(bus: NatsBus, stream: string): Promise<number> {
  try {
    return (await bus.manager.streams.info(stream)).state.last_seq;
  } catch (error) {
    throw busFailure(error, `read the end of ${stream}`);
  }
}

export async function* readStream(bus: NatsBus, stream: string, fromSeq: number): AsyncGenerator<StoredMessage> {
  const end = await streamEnd(bus, stream);
  let from = Math.max(1, fromSeq);
  for (let tries = 0; from <= end && tries < interruptionsMax; tries += 1) {
    const { last, ended, why } = yield* readPass(bus, { stream, from, end });
    if (ended) return;
    from = last + 1;
    if (why === 'stalled') throw await whyStalled(bus, stream, from);
  }
  if (from > end) return;
  const message = `read ${stream}: nats-server was away ${interruptionsMax} times while it was read`;
  throw new SignalboxError('BUS_UNREACHABLE', message);
}

interface Pass {
  readonly stream: string;
  readonly from: number;
  readonly end: number;
}

interface Passed {
  readonly last: number;
  /** There is nothing more to read. */
  readonly ended: boolean;
  readonly why?: 'stalled' | 'reconnected';
}

/** What one consumer gives. It lives in the server's memory: after a reconnect there is none, and nothing would come any more. */
async function* readPass(bus: NatsBus, { stream, from, end }: Pass): AsyncGenerator<StoredMessage, Passed> {
  let last = from - 1;
  let why: 'stalled' | 'reconnected' = 'stalled';
  try {
    const opened = bus.jetstream.consumers.get(stream, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: from,
    });
    const consumer = await unlessReconnected(bus.link, opened);
    if ((await unlessReconnected(bus.link, consumer.info())).num_pending === 0) return { last, ended: true };
    const messages = await consumer.consume({ max_messages: prefetch });
    const stall = stallOf(messages);
    const unlisten = bus.link.onReconnect(() => {
      why = 'reconnected';
      messages.stop();
    });
    try {
      for await (const message of messages) {
        stall.moved();
        last = message.seq;
        yield { seq: last, bytes: message.data };
        if (last >= end || message.info.pending === 0) return { last, ended: true };
      }
    } finally {
      unlisten();
      stall.stop();
      messages.stop();
      void consumer.delete().catch(() => false);
    }
  } catch (error) {
    throw busFailure(error, `read ${stream} from ${from}`);
  }
  return { last, ended: false, why };
}

/** Ends the iteration when nothing has come for long. */
function stallOf(messages: ConsumerMessages): { moved(): void; stop(): void } {
  const arm = (): NodeJS.Timeout => setTimeout(() => messages.stop(), STALL_MS);
  let timer = arm();
  return {
    moved: () => {
      clearTimeout(timer);
      timer = arm();
    },
    stop: () => clearTimeout(timer),
  };
}

/** A server that answers, but not with this message, has lost it. */
async function whyStalled(bus: NatsBus, stream: string, seq: number): Promise<SignalboxError> {
  try {
    const found = await bus.manager.streams.getMessage(stream, { seq });
    if (found !== null) return new SignalboxError('TIMEOUT', `read ${stream}: nothing came after message ${seq - 1}`);
  } catch (error) {
    if (apiCode(error) === undefined) return busFailure(error, `read ${stream} message ${seq}`);
    return unreadable(stream, seq, error);
  }
  return unreadable(stream, seq);
}

/** The store has the message's place, but not the message. */
export function unreadable(stream: string, seq: number, cause?: unknown): SignalboxError {
  const why = cause instanceof Error ? cause.message : 'it is not there';
  return new SignalboxError(
    'JOURNAL_CORRUPT',
    `${stream}: message ${seq} cannot be read (${why}). Restore the store of nats-server, then start the engine again`,
    { cause },
  );
}
