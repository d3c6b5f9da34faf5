// Owns: pulling tasks.
//   C1: never more tasks are asked for than slots are free; a task waits in the stream, not in a busy process.
//   C2: a pull that may be lost (reconnect, missed heartbeat) is replaced under a new inbox: the server forgets the old one.
import { createInbox, type Msg, type Subscription as NatsSubscription } from '@nats-io/transport-node';
import type { Subscription, Task } from '../../ports/bus.ts';
import type { Link } from './connection.ts';
import { decode, encode } from './wire.ts';

const EXPIRES_MS = 20_000;
const HEARTBEAT_MS = 5_000;
/** After an answer that the consumer is missing or busy. */
const PAUSE_MS = 500;
const nanos = (ms: number): number => ms * 1_000_000;

export interface ConsumeOptions {
  readonly link: Link;
  /** As the connection was made with. */
  readonly inboxPrefix: string | undefined;
  readonly stream: string;
  readonly consumer: string;
  readonly slots: number;
  readonly work: (task: Task) => Promise<void>;
}

export function consume(options: ConsumeOptions): Subscription {
  const puller = new Puller(options);
  puller.start();
  return { stop: () => puller.stop() };
}

class Puller {
  readonly #options: ConsumeOptions;
  #inbox: NatsSubscription | undefined;
  #inboxSubject = '';
  #asked = 0;
  #active = 0;
  #stopped = false;
  #pulling = false;
  #heardAt = 0;
  #pausedUntil = 0;
  #timer: NodeJS.Timeout | undefined;
  #idle: (() => void) | undefined;
  #unlisten: () => void = () => undefined;

  constructor(options: ConsumeOptions) {
    this.#options = options;
  }

  start(): void {
    this.#unlisten = this.#options.link.onReconnect(() => this.#renew());
    this.#timer = setInterval(() => this.#check(), 250);
    this.#renew();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#unlisten();
    this.#inbox?.unsubscribe();
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  /** A new inbox, so that nothing asked for before can still arrive. */
  #renew(): void {
    if (this.#stopped || this.#options.link.connection.isClosed()) return;
    this.#inbox?.unsubscribe();
    this.#inboxSubject = createInbox(this.#options.inboxPrefix ?? '_INBOX');
    this.#inbox = this.#options.link.connection.subscribe(this.#inboxSubject, {
      callback: (error, message) => {
        if (error === null) this.#arrived(message);
      },
    });
    this.#asked = 0;
    this.#heardAt = performance.now();
    this.#pull();
  }

  #check(): void {
    if (this.#asked > 0 && performance.now() - this.#heardAt > 2 * HEARTBEAT_MS + 1_000) this.#renew();
    else this.#pull();
  }

  /** Slots that become free at one moment are one pull. */
  #pullSoon(): void {
    if (this.#pulling) return;
    this.#pulling = true;
    setImmediate(() => {
      this.#pulling = false;
      this.#pull();
    });
  }

  #pull(): void {
    const free = this.#options.slots - this.#active - this.#asked;
    if (this.#stopped || free <= 0 || performance.now() < this.#pausedUntil) return;
    if (this.#options.link.problem() !== undefined) return;
    const { stream, consumer, link } = this.#options;
    if (this.#asked === 0) this.#heardAt = performance.now();
    this.#asked += free;
    const ask = { batch: free, expires: nanos(EXPIRES_MS), idle_heartbeat: nanos(HEARTBEAT_MS) };
    link.connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, encode(ask), {
      reply: this.#inboxSubject,
    });
  }

  #arrived(message: Msg): void {
    this.#heardAt = performance.now();
    const status = message.headers?.code ?? 0;
    if (status === 100) return;
    if (status > 0) this.#pullEnded(message, status);
    else this.#take(message);
  }

  #pullEnded(message: Msg, status: number): void {
    const left = Number(message.headers?.get('Nats-Pending-Messages') || Number.NaN);
    this.#asked = Number.isNaN(left) ? 0 : Math.max(0, this.#asked - left);
    if (status !== 408) this.#pausedUntil = performance.now() + PAUSE_MS;
    this.#pull();
  }

  #take(message: Msg): void {
    this.#asked = Math.max(0, this.#asked - 1);
    this.#active += 1;
    void this.#work(message).finally(() => {
      this.#active -= 1;
      if (this.#active === 0) this.#idle?.();
      this.#pullSoon();
    });
  }

  async #work(message: Msg): Promise<void> {
    const task = taskOf(message, this.#options);
    try {
      await this.#options.work(task);
    } catch {
      task.nak(1_000);
    }
  }
}

function taskOf(message: Msg, { link, stream }: ConsumeOptions): Task {
  const reply = message.reply ?? '';
  let settled = false;
  const say = (verb: string, last: boolean): void => {
    if (settled || link.connection.isClosed()) return;
    settled = last;
    link.connection.publish(reply, verb);
  };
  return {
    subject: message.subject,
    ...payloadOf(message, stream),
    deliveries: deliveriesOf(reply),
    ack: () => say('+ACK', true),
    nak: (delayMs) => say(`-NAK ${JSON.stringify({ delay: nanos(delayMs) })}`, true),
    working: () => say('+WPI', false),
  };
}

/** What cannot be read is given to the worker all the same: only there can it be told from what merely fails. */
function payloadOf(message: Msg, stream: string): Pick<Task, 'payload' | 'malformed'> {
  try {
    return { payload: decode(message.data, stream) };
  } catch (error) {
    return { payload: message.string(), malformed: error instanceof Error ? error.message : String(error) };
  }
}

/** `$JS.ACK.<stream>.<consumer>.<delivered>.…`, with domain and account before the stream in the long form. */
function deliveriesOf(reply: string): number {
  const tokens = reply.split('.');
  const delivered = Number(tokens.length >= 11 ? tokens[6] : tokens[4]);
  return Number.isInteger(delivered) && delivered > 0 ? delivered : 1;
}
