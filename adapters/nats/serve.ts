// Owns: answering requests.
//   S1: replies go only to `_INBOX.` subjects. Servers do not check who may publish to a reply subject: without S1 a client
//       could have an answer delivered into a stream.
//   S2: at most `maxParallel` requests are at work and `waitingMax` wait; more are refused at once.
import { headers, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { type ErrorCode, errorCodes, isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type { Request, Subscription } from '../../ports/bus.ts';
import { decode, encode } from './wire.ts';

const CODE_HEADER = 'Signalbox-Error-Code';
const MESSAGE_HEADER = 'Signalbox-Error';
const waitingMax = 10_000;

type Answer = (request: Request) => Promise<unknown>;

export function serve(
  connection: NatsConnection,
  subject: string,
  answer: Answer,
  options: { queue?: string; maxParallel: number },
): Subscription {
  const waiting: Msg[] = [];
  let active = 0;
  let drained: (() => void) | undefined;
  const next = (): void => {
    while (active < options.maxParallel) {
      const message = waiting.shift();
      if (message === undefined) break;
      active += 1;
      void reply(message, answer).finally(() => {
        active -= 1;
        next();
      });
    }
    if (active === 0) drained?.();
  };
  const subscription = connection.subscribe(subject, {
    ...(options.queue === undefined ? {} : { queue: options.queue }),
    callback: (error, message) => {
      if (error !== null || !message.reply?.startsWith('_INBOX.')) return;
      if (waiting.length >= waitingMax) {
        refuse(
          message,
          new SignalboxError('BUS_UNREACHABLE', `${subject} has ${waitingMax} requests waiting; try later`),
        );
        return;
      }
      waiting.push(message);
      next();
    },
  });
  return {
    async stop() {
      subscription.unsubscribe();
      waiting.length = 0;
      if (active > 0) {
        await new Promise<void>((resolve) => {
          drained = resolve;
          setTimeout(resolve, 5_000).unref();
        });
      }
    },
  };
}

async function reply(message: Msg, answer: Answer): Promise<void> {
  try {
    const payload = decode(message.data, message.subject);
    message.respond(encode(await answer({ subject: message.subject, payload })));
  } catch (error) {
    refuse(message, error);
  }
}

function refuse(message: Msg, error: unknown): void {
  const code = isSignalboxError(error) ? error.code : 'BUS_UNREACHABLE';
  const text = error instanceof Error ? error.message : String(error);
  const fields = headers();
  fields.set(CODE_HEADER, code);
  fields.set(MESSAGE_HEADER, text.replace(/[\r\n]+/g, ' ').slice(0, 2_000));
  try {
    message.respond(new Uint8Array(), { headers: fields });
  } catch {
    // The connection is closing: the asker times out and asks again.
  }
}

/** The error a reply carries, if it carries one. */
export function refusalOf(message: Msg): SignalboxError | undefined {
  const code = message.headers?.get(CODE_HEADER);
  if (code === undefined || code === '') return undefined;
  const known: ErrorCode = code in errorCodes ? (code as ErrorCode) : 'BUS_UNREACHABLE';
  return new SignalboxError(known, message.headers?.get(MESSAGE_HEADER) ?? code);
}
