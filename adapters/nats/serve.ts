// Owns: answering requests, alone or sharing a message.
//   S1: replies go only to `_INBOX.` subjects. Servers do not check who may publish to a reply subject: without S1 a client
//       could have an answer delivered into a stream.
//   S2: at most `maxParallel` requests are at work and `waitingMax` wait; more are refused at once.
//   S3: asks that share a message are requests like any other: each is answered when it can be, and what becomes ready at the
//       same moment for the same asker goes back in one message.
import { headers, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type { Request, Subscription } from '../../ports/bus.ts';
import {
  answerText,
  messageOf,
  readAsks,
  refusalFrom,
  refusalText,
  sharedCharactersMax,
  sharedToken,
} from './envelope.ts';
import { decode, encode } from './wire.ts';

const CODE_HEADER = 'Signalbox-Error-Code';
const MESSAGE_HEADER = 'Signalbox-Error';
const waitingMax = 10_000;

export interface Served {
  readonly connection: NatsConnection;
  readonly answers: Answers;
  readonly subject: string;
  readonly answer: (request: Request) => Promise<unknown>;
  readonly queue?: string;
  readonly maxParallel: number;
}

interface Asked {
  readonly subject: string;
  /** Absent: it came in a message of its own, which is not read yet. */
  readonly shared?: { readonly payload: unknown; readonly number: number };
  readonly message: Msg;
}

export function serve(served: Served): Subscription {
  const { connection, subject, queue, maxParallel, answers } = served;
  const waiting: Asked[] = [];
  let active = 0;
  let drained: (() => void) | undefined;
  const next = (): void => {
    while (active < maxParallel) {
      const asked = waiting.shift();
      if (asked === undefined) break;
      active += 1;
      void reply(served, asked).finally(() => {
        active -= 1;
        next();
      });
    }
    if (active === 0) drained?.();
  };
  const subscription = connection.subscribe(subject, {
    ...(queue === undefined ? {} : { queue }),
    callback: (error, message) => {
      if (error !== null || !message.reply?.startsWith('_INBOX.')) return;
      for (const asked of asksIn(message)) {
        if (waiting.length < waitingMax) waiting.push(asked);
        else refuse(served, asked, busy(subject));
      }
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
      answers.flush();
    },
  };
}

const busy = (subject: string): SignalboxError =>
  new SignalboxError('BUS_UNREACHABLE', `${subject} has ${waitingMax} requests waiting; try later`);

/** S3: a verb that is named inside counts as if it were the subject's last token. */
function asksIn(message: Msg): readonly Asked[] {
  const { subject } = message;
  if (!subject.endsWith(`.${sharedToken}`)) return [{ subject, message }];
  const prefix = subject.slice(0, -sharedToken.length);
  try {
    return readAsks(decode(message.data, subject), subject).map(({ number, verb, payload }) => ({
      subject: `${prefix}${verb}`,
      shared: { number, payload },
      message,
    }));
  } catch (error) {
    refuseMessage(message, asRefusal(error));
    return [];
  }
}

async function reply({ answer, answers }: Served, asked: Asked): Promise<void> {
  const { subject, message, shared } = asked;
  try {
    if (shared === undefined) {
      message.respond(encode(await answer({ subject, payload: decode(message.data, subject) })));
      return;
    }
    const { number, payload } = shared;
    const given = JSON.stringify((await answer({ subject, payload })) ?? null);
    answers.add(message, number, answerText(number, given));
  } catch (error) {
    refuse({ answers }, asked, error);
  }
}

function refuse({ answers }: Pick<Served, 'answers'>, { message, shared }: Asked, error: unknown): void {
  const refusal = asRefusal(error);
  if (shared === undefined) refuseMessage(message, refusal);
  else answers.add(message, shared.number, refusalText(shared.number, refusal));
}

function asRefusal(error: unknown): SignalboxError {
  const text = (error instanceof Error ? error.message : String(error)).replace(/[\r\n]+/g, ' ').slice(0, 2_000);
  return new SignalboxError(isSignalboxError(error) ? error.code : 'BUS_UNREACHABLE', text);
}

function refuseMessage(message: Msg, { code, message: text }: SignalboxError): void {
  const fields = headers();
  fields.set(CODE_HEADER, code);
  fields.set(MESSAGE_HEADER, text);
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
  return refusalFrom(code, message.headers?.get(MESSAGE_HEADER) ?? code);
}

interface Gathered {
  /** Where the first of them is expected; its asker takes the others there, too. */
  readonly to: string;
  readonly numbers: number[];
  readonly texts: string[];
  characters: number;
}

/** S3: what is ready to be answered, by asker. */
export class Answers {
  readonly #connection: NatsConnection;
  #ready = new Map<string, Gathered>();

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  add({ reply: to = '' }: Msg, number: number, text: string): void {
    if (this.#ready.size === 0) setImmediate(() => this.flush());
    const asker = to.slice(0, to.lastIndexOf('.'));
    const gathered = this.#ready.get(asker);
    if (gathered !== undefined && gathered.characters + text.length <= sharedCharactersMax) {
      gathered.numbers.push(number);
      gathered.texts.push(text);
      gathered.characters += text.length;
      return;
    }
    if (gathered !== undefined) this.#send(gathered);
    this.#ready.set(asker, { to, numbers: [number], texts: [text], characters: text.length });
  }

  flush(): void {
    const ready = this.#ready;
    this.#ready = new Map();
    for (const gathered of ready.values()) this.#send(gathered);
  }

  #send({ to, numbers, texts }: Gathered): void {
    try {
      this.#connection.publish(to, messageOf(texts));
    } catch (error) {
      // The connection is closing: the asker times out and asks again. Or an answer, which is alone then, is too large.
      if (this.#connection.isClosed()) return;
      this.#connection.publish(to, messageOf(numbers.map((number) => refusalText(number, asRefusal(error)))));
    }
  }
}
