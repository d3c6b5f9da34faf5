// Owns: the one nats-server of a world, and the lines to it: requests, streams, buckets. Messages are lost, late or doubled as the
// choices say; the server is killed and comes back.
import { SignalboxError } from '../../api/errors.ts';
import { buckets, streams } from '../../api/messages/subjects.ts';
import { type Delivery, JetStream } from './jetstream.ts';
import type { Process, Scheduled, World } from './world.ts';

/** In 1,000 messages. */
export interface Rates {
  lost: number;
  late: number;
  doubled: number;
}

export const noRates: Rates = { lost: 0, late: 0, doubled: 0 };

interface Served {
  readonly tokens: readonly string[];
  readonly owner: Process;
  readonly life: number;
  readonly queue: string | undefined;
  readonly answer: (subject: string, payload: unknown) => Promise<unknown>;
  stopped: boolean;
}

interface Puller {
  readonly owner: Process;
  readonly life: number;
  readonly slots: number;
  readonly work: (delivery: Delivery) => Promise<void>;
  active: number;
  stopped: boolean;
}

interface Row {
  value: unknown;
  revision: number;
  deleted: boolean;
  at: number;
}

interface Table {
  readonly rows: Map<string, Row>;
  readonly ttlMs: number;
  revision: number;
  /** Who is told of each change. */
  readonly followers: Set<Follower>;
}

type Change = Row & { readonly key: string };
interface Follower {
  readonly owner: Process;
  readonly life: number;
  readonly tell: (change: Change) => void;
  /** Changes come in order. */
  lastAt: number;
}

const lateMs = [20, 150, 600, 2_500, 4_500] as const;
const memoryTables: readonly string[] = [
  buckets.owners,
  buckets.runs,
  buckets.versions,
  buckets.escalations,
  buckets.projected,
];
const ttls: Readonly<Record<string, number>> = { [buckets.owners]: 3_000 };
export const eventsConsumer = 'engines';
const taskAckWaitMs = 15_000;

export class Network {
  readonly world: World;
  readonly js = new JetStream();
  readonly partitions: number;
  rates: Rates = noRates;
  up = true;
  /** Hears every answer at the moment it is given. */
  observe: (subject: string, payload: unknown, reply: unknown, askedAt: number) => void = () => undefined;
  /** Counts the lives of the server. */
  life = 0;
  #served: Served[] = [];
  readonly #pullers = new Map<string, Puller[]>();
  readonly #redeliveries = new Map<string, Scheduled>();
  readonly #tables = new Map<string, Table>();
  readonly #reconnects = new Set<{ readonly owner: Process; readonly life: number; readonly call: () => void }>();
  readonly #consumers: { readonly stream: string; readonly name: string; readonly filter?: string }[] = [];
  readonly #fault: (name: string) => void;

  constructor(world: World, partitions: number, fault: (name: string) => void) {
    this.world = world;
    this.partitions = partitions;
    this.#fault = fault;
    this.#makeStreams();
  }

  /** A task consumer, as the operator makes it. */
  addConsumer(name: string, filter: string): void {
    this.#consumers.push({ stream: streams.tasks, name, filter });
    this.js.addConsumer(streams.tasks, { name, filter, ackWaitMs: taskAckWaitMs, maxAckPending: 256 });
  }

  /** What becomes of one message: delays in ms of each copy that arrives. */
  fate(kind: string): readonly number[] {
    const { lost, late, doubled } = this.rates;
    if (lost + late + doubled === 0) return [this.world.hop()];
    const fate = this.world.choices.rarely([lost, late, doubled], kind);
    if (fate === 0) return [this.world.hop()];
    this.#fault(`${kind} ${['', 'lost', 'late', 'doubled'][fate] ?? ''}`);
    if (fate === 1) return [];
    const wait = lateMs[this.world.choices.below(lateMs.length, 'how late')] ?? 20;
    return fate === 2 ? [wait] : [this.world.hop(), wait];
  }

  serve(owner: Process, subject: string, queue: string | undefined, answer: Served['answer']): () => void {
    const served: Served = { tokens: subject.split('.'), owner, life: owner.life, queue, answer, stopped: false };
    this.#served.push(served);
    return () => {
      served.stopped = true;
    };
  }

  request(from: Process, subject: string, payload: unknown, timeoutMs: number): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = this.world.after(timeoutMs, 'timeout', from, () =>
      reject(new SignalboxError('TIMEOUT', `request ${subject}: no answer in time`)),
    );
    const settle = (act: () => void): void => {
      timer.cancelled = true;
      act();
    };
    if (!this.up) return promise;
    const found = this.#serving(subject);
    if (found.length === 0) {
      this.world.after(this.world.hop(), 'no responders', from, () =>
        settle(() => reject(new SignalboxError('BUS_UNREACHABLE', `request ${subject}: nobody serves it`))),
      );
      return promise;
    }
    // Each copy finds somebody of its own in a queue.
    for (const delay of this.fate('request')) {
      for (const served of this.#oneOfEachQueue(found)) {
        this.world.after(sleepOf(from, this.world.now) + delay, subject, served.owner, () => {
          const askedAt = this.world.now;
          served.answer(subject, payload).then(
            (reply) => {
              this.observe(subject, payload, reply, askedAt);
              this.#reply(served.owner, from, () => settle(() => resolve(reply)));
            },
            (error: unknown) => this.#reply(served.owner, from, () => settle(() => reject(refusalOf(error)))),
          );
        });
      }
    }
    return promise;
  }

  /** A command to the server itself: executed there, answered after a hop. Undefined by `execute`: no answer. */
  command<T>(
    from: Process,
    options: { what: string; timeoutMs: number; timeout: () => Error },
    execute: () => T | undefined,
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const timer = this.world.after(options.timeoutMs, 'timeout', from, () => reject(options.timeout()));
    if (!this.up) return promise;
    const life = this.life;
    for (const delay of this.fate(options.what).slice(0, 1)) {
      this.world.after(sleepOf(from, this.world.now) + delay, options.what, undefined, () => {
        if (!this.up || this.life !== life) return;
        const done = execute();
        if (done === undefined) return;
        for (const back of this.fate('answer').slice(0, 1)) {
          this.world.after(back, 'answer', from, () => {
            timer.cancelled = true;
            resolve(done);
          });
        }
      });
    }
    return promise;
  }

  consume(owner: Process, stream: string, consumer: string, slots: number, work: Puller['work']): () => void {
    const key = `${stream}/${consumer}`;
    const puller: Puller = { owner, life: owner.life, slots, work, active: 0, stopped: false };
    this.#pullers.set(key, [...(this.#pullers.get(key) ?? []), puller]);
    this.world.after(this.world.hop(), 'pull', undefined, () => this.deliver(stream, consumer));
    return () => {
      puller.stopped = true;
    };
  }

  /** Hands out what can be had now, and comes back when more can. */
  deliver(stream: string, consumer: string): void {
    if (!this.up) return;
    const all = (this.#pullers.get(`${stream}/${consumer}`) ?? []).filter(
      ({ owner, life, stopped }) => owner.alive && owner.life === life && !stopped,
    );
    this.#pullers.set(`${stream}/${consumer}`, all);
    for (;;) {
      const free = all.filter(({ active, slots }) => active < slots);
      const puller = free[free.length > 1 ? this.world.jitter.below(free.length) : 0];
      if (puller === undefined) break;
      const delivery = this.js.pull(stream, consumer, this.world.now, (seqs) => this.#oneOf(seqs));
      if (delivery === undefined) break;
      puller.active += 1;
      const [delay] = this.fate('task');
      if (delay === undefined) {
        puller.active -= 1;
        break;
      }
      this.world.after(delay, 'task', puller.owner, () => {
        void puller.work(delivery).finally(() => {
          puller.active -= 1;
          this.world.after(1, 'pull', undefined, () => this.deliver(stream, consumer));
        });
      });
    }
    if (all.some(({ active, slots }) => active < slots)) this.#redeliver(stream, consumer);
  }

  /** Looks again when something given out may be had again; one look is planned at a time. */
  #redeliver(stream: string, consumer: string): void {
    const next = this.js.nextAt(stream, consumer);
    if (next === undefined) return;
    const key = `${stream}/${consumer}`;
    const planned = this.#redeliveries.get(key);
    const at = Math.max(this.world.now + 1, next + 1);
    if (planned !== undefined && !planned.cancelled && planned.at > this.world.now && planned.at <= at) return;
    if (planned !== undefined) planned.cancelled = true;
    const look = (): void => this.deliver(stream, consumer);
    this.#redeliveries.set(key, this.world.after(at - this.world.now, 'redelivery', undefined, look));
  }

  /** Fire and forget: an acknowledgement, a nak, a sign of work. */
  tell(what: 'ack' | 'nak' | 'working', delivery: Delivery, delayMs = 0): void {
    const life = this.life;
    for (const delay of this.fate('ack')) {
      this.world.after(delay, what, undefined, () => {
        if (!this.up || this.life !== life) return;
        if (what === 'ack') this.js.ack(delivery);
        else if (what === 'nak') this.js.nak(delivery, delayMs, this.world.now);
        else this.js.working(delivery, this.world.now);
        if (what !== 'working') this.deliver(delivery.stream, delivery.consumer);
      });
    }
  }

  published(subject: string): void {
    for (const { stream, name, filter } of this.#consumers) {
      if (filter === undefined ? subject.startsWith('event.') : filter === subject) this.deliver(stream, name);
    }
  }

  /** Returns how to stop listening. */
  onReconnect(owner: Process, call: () => void): () => void {
    const listener = { owner, life: owner.life, call };
    this.#reconnects.add(listener);
    return () => void this.#reconnects.delete(listener);
  }

  table(name: string): Table {
    const known = this.#tables.get(name) ?? {
      rows: new Map(),
      ttlMs: ttls[name] ?? Number.POSITIVE_INFINITY,
      revision: 0,
      followers: new Set(),
    };
    this.#tables.set(name, known);
    return known;
  }

  write(name: string, key: string, value: unknown, deleted = false): number {
    const table = this.table(name);
    table.revision += 1;
    const row = { value, revision: table.revision, deleted, at: this.world.now };
    table.rows.set(key, row);
    for (const follower of table.followers) this.#tellChange(table, follower, { ...row, key });
    return row.revision;
  }

  /** Tells the owner of each later change, some of them late. */
  follow(name: string, owner: Process, tell: (change: Change) => void): void {
    this.table(name).followers.add({ owner, life: owner.life, tell, lastAt: 0 });
  }

  #tellChange(table: Table, follower: Follower, change: Change): void {
    const { owner, life, tell } = follower;
    if (owner.life !== life) {
      table.followers.delete(follower);
      return;
    }
    const lateMs = [0, 100, 600, 2_000][this.world.choices.rarely([200, 200, 100], 'change late')] ?? 0;
    follower.lastAt = Math.max(follower.lastAt, this.world.now + this.world.hop() + lateMs);
    this.world.after(follower.lastAt - this.world.now, 'change', owner, () => tell(change));
  }

  row(table: Table, key: string): Row | undefined {
    const row = table.rows.get(key);
    if (row === undefined || row.deleted || this.world.now - row.at >= table.ttlMs) return undefined;
    return row;
  }

  kill(): void {
    this.up = false;
    this.life += 1;
    this.js.restart();
    for (const name of memoryTables) this.#tables.delete(name);
  }

  /** Up again; the operator makes what was in memory when it has noticed. */
  start(operatorAfterMs: number): void {
    this.up = true;
    this.world.after(operatorAfterMs, 'operator', undefined, () => this.#makeStreams());
    for (const listener of this.#reconnects) {
      const { owner, life, call } = listener;
      if (owner.life !== life) this.#reconnects.delete(listener);
      else {
        this.world.after(this.world.hop() * 20, 'reconnect', owner, () => {
          if (this.#reconnects.has(listener)) call();
        });
      }
    }
  }

  #oneOf(seqs: readonly number[]): number {
    return seqs[seqs.length > 1 ? this.world.jitter.below(seqs.length) : 0] ?? 0;
  }

  #makeStreams(): void {
    if (!this.up) return;
    const limits = { storage: 'file', retention: 'limits', duplicateWindowMs: 120_000 } as const;
    for (let partition = 0; partition < this.partitions; partition += 1) {
      for (const kind of ['CHECKPOINT', 'ARCHIVE', 'JOURNAL']) {
        const subjects = [`${kind.toLowerCase()}.${partition}`];
        this.js.addStream({ ...limits, name: `${kind}_${partition}`, subjects });
      }
    }
    this.js.addStream({ ...limits, name: streams.ledger, subjects: ['ledger.>'] });
    this.js.addStream({ ...limits, name: streams.deadLetters, subjects: ['deadletter.>'] });
    this.js.addStream({ ...limits, name: streams.events, subjects: ['event.>'], retention: 'workqueue' });
    this.js.addStream({
      ...limits,
      name: streams.tasks,
      subjects: ['task.>'],
      storage: 'memory',
      retention: 'workqueue',
    });
    if (!this.#consumers.some(({ stream }) => stream === streams.events)) {
      this.#consumers.push({ stream: streams.events, name: eventsConsumer });
    }
    for (const { stream, name, filter } of this.#consumers) {
      this.js.addConsumer(stream, {
        name,
        ackWaitMs: taskAckWaitMs,
        maxAckPending: 256,
        ...(filter === undefined ? {} : { filter }),
      });
      this.deliver(stream, name);
    }
  }

  #serving(subject: string): readonly Served[] {
    const tokens = subject.split('.');
    this.#served = this.#served.filter(({ owner, life, stopped }) => !stopped && owner.alive && owner.life === life);
    return this.#served.filter((served) => matches(served.tokens, tokens));
  }

  #oneOfEachQueue(found: readonly Served[]): readonly Served[] {
    const queued = found.filter(({ queue }) => queue !== undefined);
    if (queued.length < 2) return found;
    const chosen = queued[this.world.jitter.below(queued.length)];
    return found.filter((served) => served.queue === undefined || served === chosen);
  }

  #reply(from: Process, to: Process, act: () => void): void {
    if (!this.up) return;
    const sleep = sleepOf(from, this.world.now);
    for (const delay of this.fate('reply')) this.world.after(sleep + delay, 'reply', to, act);
  }
}

/** What a process that has just been put to sleep still says is heard when it wakes. */
export const sleepOf = ({ pausedUntil }: Process, now: number): number => Math.max(0, pausedUntil - now);

function matches(wanted: readonly string[], tokens: readonly string[]): boolean {
  if (wanted.length !== tokens.length) return false;
  return wanted.every((token, at) => token === '*' || token === tokens[at]);
}

function refusalOf(error: unknown): SignalboxError {
  if (error instanceof SignalboxError) return error;
  return new SignalboxError('BUS_UNREACHABLE', error instanceof Error ? error.message : String(error));
}
