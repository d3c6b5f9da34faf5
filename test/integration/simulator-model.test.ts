// The simulator's model of JetStream against the real nats-server: the same commands, drawn by chance, get the same answers. What
// the simulator proves rests on this.
import { AckPolicy, DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { headers, type Msg } from '@nats-io/transport-node';
import { describe, expect, test } from 'vitest';
import { connectNats, type NatsBus } from '../../adapters/nats/bus.ts';
import { apiCode } from '../../adapters/nats/failure.ts';
import { Random } from '../simulator/choices.ts';
import { type Delivery, JetStream, type PublishOptions, type StreamConfig } from '../simulator/jetstream.ts';
import { startNats, type TestNats } from '../support/nats.ts';
import { until } from '../support/until.ts';

/** Each sequence has a server of its own: nearly all of its time is waiting for the server's clock. */
interface Real {
  readonly nats: TestNats;
  readonly bus: NatsBus;
}

async function withServer<T>(use: (real: Real) => Promise<T>): Promise<T> {
  const nats = await startNats();
  try {
    const bus = await connectNats({ url: nats.url, ...nats.control, name: 'model', account: 'CONTROL' });
    try {
      return await use({ nats, bus });
    } finally {
      await bus.close();
    }
  } finally {
    await nats.stop();
  }
}

const ackWaitMs = 2_500;
const shortWindowMs = 300;
const long = { duplicateWindowMs: 120_000 } as const;
const streams: readonly StreamConfig[] = [
  { ...long, name: 'LOG', subjects: ['log.>'], storage: 'file', retention: 'limits' },
  { name: 'SHORT', subjects: ['short.>'], storage: 'file', retention: 'limits', duplicateWindowMs: shortWindowMs },
  { ...long, name: 'WORK', subjects: ['work.>'], storage: 'file', retention: 'workqueue' },
  { ...long, name: 'HINTS', subjects: ['hints.>'], storage: 'memory', retention: 'workqueue' },
];
const consumer = 'taker';
const consumed = ['WORK', 'HINTS'];
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const bytes = new TextEncoder().encode('x');

async function ensure(bus: NatsBus, wanted: readonly StreamConfig[]): Promise<void> {
  for (const { name, subjects, storage, retention, duplicateWindowMs } of wanted) {
    await bus.manager.streams.add({
      name,
      subjects: [...subjects],
      storage: storage === 'file' ? StorageType.File : StorageType.Memory,
      retention: retention === 'limits' ? RetentionPolicy.Limits : RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      duplicate_window: duplicateWindowMs * 1_000_000,
    });
    if (!consumed.includes(name)) continue;
    await bus.manager.consumers.add(name, {
      durable_name: consumer,
      ack_policy: AckPolicy.Explicit,
      ack_wait: ackWaitMs * 1_000_000,
      max_ack_pending: 3,
      max_deliver: -1,
    });
  }
}

const BACK_MS = 60_000;
/** Closer than this to the moment when a message comes again, nobody can say whether it has. */
const unclearMs = 600;
/** An answer that took longer may be of another moment than the model's. */
const lateMs = 200;
/** Both were not asked at the same moment: what they say proves nothing, and the sequence is played again. */
class TooLate extends Error {}
/** So often in a row a machine may be too busy to tell. */
const triesMax = 5;

/** Both, side by side, at the time of the real one. */
class Pair {
  readonly model = new JetStream();
  readonly #real: Real;
  readonly #held: { readonly real: Msg; readonly model: Delivery }[] = [];
  #ids = 0;

  private constructor(real: Real) {
    this.#real = real;
  }

  static async begin(real: Real): Promise<Pair> {
    await ensure(real.bus, streams);
    const pair = new Pair(real);
    pair.#ensure();
    return pair;
  }

  #ensure(): void {
    for (const stream of streams) {
      this.model.addStream(stream);
      if (consumed.includes(stream.name))
        this.model.addConsumer(stream.name, { name: consumer, ackWaitMs, maxAckPending: 3 });
    }
  }

  async publish(random: Random): Promise<readonly [unknown, unknown]> {
    const { name } = streams[random.below(streams.length)] as StreamConfig;
    const subject = `${name.toLowerCase()}.${random.below(2)}`;
    const state = this.model.state(name);
    const ofSubject = this.model.message(name, { lastOf: subject })?.seq ?? 0;
    const expected = ['none', 'right', 'wrong', 'subject right', 'subject wrong'][random.below(5)];
    const id = ['none', 'fresh', 'used'][random.below(3)];
    if (id === 'fresh') this.#ids += 1;
    const options = {
      ...(expected === 'right' ? { expectedLastSeq: state?.lastSeq ?? 0 } : {}),
      ...(expected === 'wrong' ? { expectedLastSeq: (state?.lastSeq ?? 0) + 7 } : {}),
      ...(expected === 'subject right' ? { expectedLastSubjectSeq: ofSubject } : {}),
      ...(expected === 'subject wrong' ? { expectedLastSubjectSeq: ofSubject + 7 } : {}),
      ...(id === 'none' ? {} : { id: `${name}-${id === 'fresh' ? this.#ids : random.below(this.#ids + 1)}` }),
    };
    // An id of the short window is used again only when it has surely been forgotten.
    if (name === 'SHORT' && id === 'used') await sleep(3 * shortWindowMs);
    const model = this.model.publish(subject, bytes, this.#now(), options) ?? 'no stream';
    return [await this.#timely(() => this.#publish(subject, options)), model];
  }

  #publish(subject: string, { id, expectedLastSeq, expectedLastSubjectSeq }: PublishOptions): Promise<unknown> {
    return this.#real.bus.jetstream
      .publish(subject, bytes, {
        timeout: 2_000,
        ...(id === undefined ? {} : { msgID: id }),
        expect: {
          ...(expectedLastSeq === undefined ? {} : { lastSequence: expectedLastSeq }),
          ...(expectedLastSubjectSeq === undefined ? {} : { lastSubjectSequence: expectedLastSubjectSeq }),
        },
      })
      .then(
        ({ seq, duplicate }) => ({ ok: true, seq, duplicate }),
        (error: unknown) => (apiCode(error) === undefined ? 'no stream' : { ok: false, code: apiCode(error) }),
      );
  }

  async read(random: Random): Promise<readonly [unknown, unknown]> {
    const { name } = streams[random.below(streams.length)] as StreamConfig;
    const seq = 1 + random.below((this.model.state(name)?.lastSeq ?? 0) + 2);
    const subject = `${name.toLowerCase()}.${random.below(2)}`;
    const bySeq = random.below(2) === 0;
    const model = this.model.message(name, bySeq ? { seq } : { lastOf: subject });
    const real = await this.#real.bus.manager.streams
      .getMessage(name, bySeq ? { seq } : { last_by_subj: subject })
      .catch((error: unknown) =>
        apiCode(error) === 10059 ? null : apiCode(error) === 10037 ? null : Promise.reject(error),
      );
    return [real === null ? null : [real.seq, real.subject], model === undefined ? null : [model.seq, model.subject]];
  }

  async state(random: Random): Promise<readonly [unknown, unknown]> {
    const { name } = streams[random.below(streams.length)] as StreamConfig;
    const real = await this.#real.bus.manager.streams.info(name).then(
      ({ state }) => [state.last_seq, state.messages, state.messages === 0 ? 0 : state.first_seq],
      () => 'gone',
    );
    const model = this.model.state(name);
    return [
      real,
      model === undefined ? 'gone' : [model.lastSeq, model.messages, model.messages === 0 ? 0 : model.firstSeq],
    ];
  }

  async purge(random: Random): Promise<readonly [unknown, unknown]> {
    const name = ['LOG', 'SHORT'][random.below(2)] ?? 'LOG';
    const subject = `${name.toLowerCase()}.${random.below(2)}`;
    const belowSeq = 1 + random.below((this.model.state(name)?.lastSeq ?? 0) + 2);
    const kind = random.below(3);
    const filter = kind === 0 ? {} : kind === 1 ? { subject } : { belowSeq };
    const wire = kind === 0 ? {} : kind === 1 ? { filter: subject } : { seq: belowSeq };
    const real = await this.#real.bus.manager.streams.purge(name, wire as { seq: number });
    return [real.purged, this.model.purge(name, filter)];
  }

  async pull(random: Random): Promise<readonly [unknown, unknown]> {
    const name = consumed[random.below(2)] ?? 'WORK';
    await this.#clear(name);
    const real = await this.#timely(() =>
      this.#real.bus.connection
        .request(`$JS.API.CONSUMER.MSG.NEXT.${name}.${consumer}`, JSON.stringify({ batch: 1, no_wait: true }), {
          timeout: 2_000,
          noMux: true,
        })
        .catch(() => undefined),
    );
    // $JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<deliveries>.<seq>.…
    const tokens = real?.reply?.split('.') ?? [];
    const [deliveries, seq] = tokens.slice(tokens.length > 9 ? 6 : 4);
    const got =
      real === undefined || real.headers?.code === 404 || real.headers?.code === 409 || seq === undefined
        ? undefined
        : real;
    const model = this.model.pull(name, consumer, this.#now(), (seqs) =>
      seqs.includes(Number(seq)) ? Number(seq) : (seqs[0] ?? 0),
    );
    if (got !== undefined && model !== undefined) this.#held.push({ real: got, model });
    return [
      got === undefined ? 'nothing' : [Number(seq), Number(deliveries)],
      model === undefined ? 'nothing' : [model.seq, model.deliveries],
    ];
  }

  /** Of any delivery there ever was: the newest, or one that others have by now. */
  async answer(random: Random, what: 'ack' | 'nak' | 'late nak' | 'working'): Promise<void> {
    const held = this.#held[random.below(this.#held.length)];
    if (held === undefined) return;
    // Late acknowledgements count; of anything else that comes late nothing is promised.
    await this.#clear(held.model.stream);
    if (what !== 'ack' && this.model.deliveriesOf(held.model, this.#now()) !== held.model.deliveries) return;
    const delayMs = what === 'late nak' ? 400 : 0;
    const word =
      what === 'ack'
        ? '+ACK'
        : what === 'working'
          ? '+WPI'
          : delayMs === 0
            ? '-NAK'
            : `-NAK {"delay": ${delayMs * 1_000_000}}`;
    if (what === 'ack') this.model.ack(held.model);
    else if (what === 'working') this.model.working(held.model, this.#now());
    else this.model.nak(held.model, delayMs, this.#now());
    const { connection } = this.#real.bus;
    await this.#timely(() => connection.request(held.real.reply ?? '', word, { timeout: 2_000, headers: headers() }));
  }

  #now(): number {
    return performance.now();
  }

  /** Its answer is one of now. */
  async #timely<T>(ask: () => Promise<T>): Promise<T> {
    const asked = this.#now();
    const answer = await ask();
    const ms = Math.round(this.#now() - asked);
    if (ms > lateMs) throw new TooLate(`an answer took ${ms} ms, more than ${lateMs}: the machine is too busy`);
    return answer;
  }

  /** Until it is clear of each message whether it may be had. */
  async #clear(name: string): Promise<void> {
    const unclear = (): boolean =>
      this.model.timesOf(name, consumer).some((at) => Math.abs(at - this.#now()) < unclearMs);
    while (unclear()) await sleep(100);
  }

  async restart(): Promise<void> {
    // Which deliveries are out is written a moment later; of a kill before that nothing is promised.
    await sleep(ackWaitMs);
    await this.#real.nats.crash();
    await until('a connection to the new server', () => this.#real.bus.connection.rtt(), BACK_MS);
    this.model.restart();
    this.#held.length = 0;
    await sleep(ackWaitMs);
  }

  async makeAgain(): Promise<void> {
    await ensure(
      this.#real.bus,
      streams.filter(({ storage }) => storage === 'memory'),
    );
    this.#ensure();
  }
}

async function play(real: Real, seed: number): Promise<ReadonlySet<string>> {
  const random = new Random(seed, 3);
  const pair = await Pair.begin(real);
  const seen = new Set<string>();
  const told: string[] = [];
  const compare = ([real, model]: readonly [unknown, unknown], what: string): void => {
    told.push(`${what}: ${JSON.stringify(model)}`);
    expect(real, `seed ${seed}, after\n${told.join('\n')}`).toEqual(model);
    seen.add(`${what} ${JSON.stringify(real).replaceAll(/\d+/g, 'n')}`);
  };
  for (let count = 0; count < commands; count += 1) {
    const command = random.below(20);
    if (command < 8) compare(await pair.publish(random), 'publish');
    else if (command < 10) compare(await pair.read(random), 'read');
    else if (command < 11) compare(await pair.state(random), 'state');
    else if (command < 12) compare(await pair.purge(random), 'purge');
    else if (command < 16) compare(await pair.pull(random), 'pull');
    else {
      const what = (['ack', 'nak', 'late nak', 'working'] as const)[random.below(4)] ?? 'ack';
      await pair.answer(random, what);
      if (what === 'late nak') await sleep(500);
      told.push(what);
    }
    if (random.below(40) === 0) {
      told.push('ack wait passes');
      await sleep(ackWaitMs + 200);
    }
    if (random.below(60) === 0) {
      told.push('kill -9');
      await pair.restart();
      compare(await pair.state(random), 'state after a restart');
      compare(await pair.publish(random), 'publish after a restart');
      await pair.makeAgain();
    }
  }
  return seen;
}

const sequences = 12;
const commands = 60;

async function playSurely(seed: number): Promise<ReadonlySet<string>> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await withServer((real) => play(real, seed));
    } catch (error) {
      if (!(error instanceof TooLate) || tries === triesMax) throw error;
    }
  }
}

describe('the model of JetStream answers as nats-server does', () => {
  test('twelve sequences of commands, and every kind of answer among them', { timeout: 300_000 }, async () => {
    const seeds = Array.from({ length: sequences }, (_, index) => index + 1);
    const played = await Promise.all(seeds.map(playSurely));
    const seen = new Set(played.flatMap((kinds) => [...kinds]));
    for (const kind of [
      'publish {"ok":true,"seq":n,"duplicate":false}',
      'publish {"ok":true,"seq":n,"duplicate":true}',
      'publish {"ok":false,"code":n}',
      'read null',
      'purge n',
      'pull "nothing"',
      'pull [n,n]',
      'state after a restart',
    ]) {
      expect(
        [...seen].some((known) => known.startsWith(kind)),
        `${kind} never occurred among ${[...seen].join('; ')}`,
      ).toBe(true);
    }
  });
});
