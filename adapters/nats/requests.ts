// Owns: asking, over one connection: one inbox for all answers, one clock for all deadlines.
//   R1: asks of one moment whose subjects differ in the last token only share a message; each has an answer of its own, and
//       none waits for another's.
//   R2: nothing is given up silently: an answer, a refusal, nobody there, a forbidden subject, a closed connection, or TIMEOUT.
import { createInbox, type Msg, type MsgHdrs, NoRespondersError, TimeoutError } from '@nats-io/transport-node';
import { SignalboxError } from '../../api/errors.ts';
import type { Link } from './connection.ts';
import {
  askText,
  messageOf,
  readAnswers,
  type SharedAnswer,
  sharedAsksMax,
  sharedCharactersMax,
  sharedToken,
} from './envelope.ts';
import { busFailure } from './failure.ts';
import { refusalOf } from './serve.ts';
import { decode, encode } from './wire.ts';

/** Deadlines are looked at so often, in milliseconds; an answer is late by at most this. */
const tickMs = 50;
/** Requests of one connection that may wait for their answers. */
const pendingMax = 100_000;

interface Pending {
  readonly subject: string;
  /** What the server knows it by: its own subject, or the one that it shares. */
  readonly sentTo: string;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: unknown) => void;
  /** The message that carries it, when it shares one. */
  message?: string;
}

interface Ask {
  readonly pending: Pending;
  readonly text: string;
}

export class Requests {
  readonly #link: Link;
  readonly #inbox: string;
  readonly #pending = new Map<number, Pending>();
  /** Numbers by the tick at which their time is over; most are answered by then. */
  readonly #due = new Map<number, number[]>();
  #looked = 0;
  #clock: NodeJS.Timeout | undefined;
  /** What this moment asks, by the subject of the message. */
  #asked = new Map<string, Ask[]>();
  #last = 0;

  constructor(link: Link, inboxPrefix: string | undefined) {
    this.#link = link;
    this.#inbox = createInbox(inboxPrefix ?? '_INBOX');
    link.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#arrived(message);
      },
    });
    link.onForbidden((subject, error) => this.#rejectAll(({ sentTo }) => sentTo === subject, error));
    void link.connection.closed().then(() => this.#rejectAll(() => true, new Error('the connection is closed')));
  }

  /** One request in a message of its own, with headers for whoever reads those. */
  request<T>(subject: string, payload: unknown, timeoutMs: number, headers?: MsgHdrs): Promise<T> {
    return this.#waitFor<T>({ subject, sentTo: subject }, timeoutMs, (number) => {
      const reply = `${this.#inbox}.${number}`;
      const options = headers === undefined ? { reply } : { reply, headers };
      this.#link.connection.publish(subject, encode(payload), options);
    });
  }

  /** R1. */
  ask<T>(subject: string, payload: unknown, timeoutMs: number): Promise<T> {
    const dot = subject.lastIndexOf('.');
    const sentTo = `${subject.slice(0, dot)}.${sharedToken}`;
    return this.#waitFor<T>({ subject, sentTo }, timeoutMs, (number, pending) => {
      const ask = { pending, text: askText(number, subject.slice(dot + 1), JSON.stringify(payload ?? null)) };
      if (this.#asked.size === 0) setImmediate(() => this.#flush());
      const asks = this.#asked.get(sentTo);
      if (asks === undefined) this.#asked.set(sentTo, [ask]);
      else asks.push(ask);
    });
  }

  #waitFor<T>(
    to: { readonly subject: string; readonly sentTo: string },
    timeoutMs: number,
    send: (number: number, pending: Pending) => void,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#pending.size >= pendingMax) {
        const message = `request ${to.subject}: ${pendingMax} requests wait for answers already. Try again later.`;
        reject(new SignalboxError('BUS_UNREACHABLE', message));
        return;
      }
      const number = (this.#last += 1);
      const pending: Pending = { ...to, resolve, reject };
      try {
        if (this.#link.connection.isClosed()) throw new Error('the connection is closed');
        send(number, pending);
      } catch (error) {
        reject(busFailure(error, `request ${to.subject}`));
        return;
      }
      this.#pending.set(number, pending);
      this.#limit(number, timeoutMs);
    });
  }

  #flush(): void {
    const asked = this.#asked;
    this.#asked = new Map();
    for (const [subject, asks] of asked) for (const some of inMessages(asks)) this.#send(subject, some);
  }

  #send(subject: string, asks: readonly Ask[]): void {
    const message = `m${(this.#last += 1)}`;
    for (const { pending } of asks) pending.message = message;
    try {
      const bytes = messageOf(asks.map(({ text }) => text));
      this.#link.connection.publish(subject, bytes, { reply: `${this.#inbox}.${message}` });
    } catch (error) {
      this.#rejectAll((pending) => pending.message === message, error);
    }
  }

  #arrived(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length + 1);
    const shared = token.startsWith('m');
    const number = Number(token);
    if (!shared && !this.#pending.has(number)) return;
    const failed = isNobody(message) ? new NoRespondersError(message.subject) : refusalOf(message);
    try {
      if (failed !== undefined) throw failed;
      const payload = decode(message.data, message.subject);
      if (!shared) this.#settle({ number, payload });
      else for (const answer of readAnswers(payload, message.subject)) this.#settle(answer);
    } catch (error) {
      if (shared) this.#rejectAll((pending) => pending.message === token, error);
      else this.#reject(number, error);
    }
  }

  #settle({ number, payload, refusal }: SharedAnswer): void {
    if (refusal !== undefined) {
      this.#reject(number, refusal);
      return;
    }
    this.#pending.get(number)?.resolve(payload as never);
    this.#pending.delete(number);
  }

  #reject(number: number, error: unknown): void {
    const pending = this.#pending.get(number);
    if (!this.#pending.delete(number)) return;
    pending?.reject(busFailure(error, `request ${pending.subject}`));
  }

  #rejectAll(which: (pending: Pending) => boolean, error: unknown): void {
    for (const [number, pending] of this.#pending) if (which(pending)) this.#reject(number, error);
  }

  #limit(number: number, timeoutMs: number): void {
    const now = tickOf(performance.now());
    const due = tickOf(performance.now() + timeoutMs) + 1;
    const numbers = this.#due.get(due);
    if (numbers === undefined) this.#due.set(due, [number]);
    else numbers.push(number);
    if (this.#clock !== undefined) return;
    this.#looked = now;
    this.#clock = setInterval(() => this.#look(), tickMs);
  }

  #look(): void {
    const now = tickOf(performance.now());
    for (; this.#looked < now; this.#looked += 1) {
      const due = this.#due.get(this.#looked + 1) ?? [];
      this.#due.delete(this.#looked + 1);
      for (const number of due) this.#reject(number, new TimeoutError());
    }
    if (this.#due.size > 0 && this.#pending.size > 0) return;
    clearInterval(this.#clock);
    this.#clock = undefined;
    this.#due.clear();
  }
}

const tickOf = (ms: number): number => Math.floor(ms / tickMs);
const isNobody = ({ data, headers }: Msg): boolean => data.length === 0 && headers?.code === 503;

/** In the order of asking, so many to a message as fit. */
function inMessages(asks: readonly Ask[]): readonly (readonly Ask[])[] {
  const messages: Ask[][] = [];
  let characters = Number.POSITIVE_INFINITY;
  for (const ask of asks) {
    const last = messages.at(-1);
    if (last === undefined || characters + ask.text.length > sharedCharactersMax || last.length >= sharedAsksMax) {
      messages.push([ask]);
      characters = ask.text.length;
    } else {
      last.push(ask);
      characters += ask.text.length;
    }
  }
  return messages;
}
