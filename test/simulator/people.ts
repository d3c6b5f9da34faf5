// Owns: people and whoever else asks from outside: they start, cancel, send events, and decide: late, twice, wrongly, or never.
import type { DecideRequest, EngineReply, FreezeRequest, StartRequest } from '../../api/messages/asks.ts';
import type { EscalationFacts, RunSummary } from '../../api/messages/history.ts';
import { engineSubject, type EngineVerb, eventSubject, streams } from '../../api/messages/subjects.ts';
import type { Fact } from '../../core/invariants/facts.ts';
import { partitionOf, runIdFor } from '../../core/workflow/partition.ts';
import { type Owners, owners } from '../../runtime/engine/forward.ts';
import type { EnginePorts } from '../../runtime/engine/ports.ts';
import { busOf, clockOf, type Stored } from './bus.ts';
import { answererOf, namespace, startable } from './definitions.ts';
import type { Network } from './network.ts';
import { Process, type World } from './world.ts';

export type See = (fact: Fact extends infer F ? (F extends Fact ? Omit<F, 'at'> : never) : never) => void;

export interface Planned {
  readonly run: string;
  readonly workflow: string;
  readonly key: string;
}

const answers = [
  'approves',
  'rejects',
  'late',
  'twice',
  'wrong digest',
  'wrong queue',
  'asked for it',
  'never',
] as const;
const passing: readonly string[] = ['NOT_OWNER', 'TIMEOUT', 'BUS_UNREACHABLE', 'JOURNAL_FENCED'];
export interface Told {
  readonly see: See;
  readonly fault: (name: string) => void;
  /** Every engine sleeps. */
  readonly enginesSleep: (ms: number) => void;
  readonly areLate: () => boolean;
  /** Somebody of another namespace asked for something of a run. */
  readonly crossed: (what: string, run: string, wasLet: boolean) => void;
}

/** How often whoever watches a run looks at it, and how long one look waits. */
const watchMs = 300;
const lookMs = 1_000;

/** How long a request is repeated before whoever asked gives up. */
const triesMax = 12;

const hold = (run: string): FreezeRequest => ({ namespace, run, source: 'person', by: 'ann', reason: 'wait' });

export class People {
  readonly world: World;
  readonly #network: Network;
  readonly #owners: Owners;
  readonly #self = new Process('people', 'client');
  readonly #bus: ReturnType<typeof busOf>;
  readonly #tell: Told;
  /** From then on everybody answers as they should. */
  sensible = false;
  #decisions = 0;
  #started = 0;
  readonly #watched = new Set<string>();
  /** What is done as soon as a run has acted. */
  readonly #careful = new Map<string, () => void>();
  /** What somebody still wants, now or later. */
  #wishes = 0;

  constructor(network: Network, stored: Stored, tell: Told) {
    this.world = network.world;
    this.#network = network;
    this.#bus = busOf(network, this.#self, stored);
    this.#tell = tell;
    const clock = clockOf(this.world, this.#self);
    const ports = { control: this.#bus, clock } as unknown as EnginePorts;
    this.#owners = owners(ports, { name: 'people', partitions: network.partitions }, () => undefined);
  }

  /** Plans the runs of this world, of a drawn workflow where none is `given`; returns them. */
  begin(withinMs: number, given?: string): readonly Planned[] {
    const { choices } = this.world;
    const planned = Array.from({ length: 1 + choices.rarely([200, 40], 'more runs') }, (_, index): Planned => {
      const drawn = startable[choices.below(startable.length, 'workflow')] ?? 'order';
      const workflow = given ?? drawn;
      const key = `case-${index}`;
      return { workflow, key, run: runIdFor(namespace, workflow, key) };
    });
    for (const plan of planned) this.#planRun(plan, withinMs);
    if (choices.chance(300, 'bus start'))
      this.#at(withinMs, () => this.#event('order.new', 'x', { id: 'bus-1', amount: 7 }));
    return planned;
  }

  #planRun(plan: Planned, withinMs: number): void {
    const { choices } = this.world;
    const flagged = choices.chance(60, 'red flag');
    const input = { id: plan.key, amount: choices.below(10, 'amount'), ...(flagged ? { text: 'chest pain' } : {}) };
    const begin = this.world.jitter.below(1_500);
    const delayMs = choices.chance(80, 'delayed') ? 500 + choices.below(3_000, 'delayed by') : 0;
    const at = delayMs === 0 ? {} : { startAt: this.world.now + begin + delayMs };
    this.#at(begin, () => this.#start(plan, input, at));
    if (choices.chance(150, 'started twice'))
      this.#at(begin + this.world.jitter.below(200), () => this.#start(plan, input, at));
    if (choices.chance(120, 'cancelled')) this.#at(choices.below(withinMs, 'cancelled when'), () => this.#cancel(plan));
    if (choices.chance(100, 'frozen')) this.#planFreeze(plan);
    if (choices.chance(120, 'read-only')) this.#planReadOnly(plan);
    if (plan.workflow === 'letters') this.#planSignals(plan);
    if (plan.workflow === 'visit' && !choices.chance(150, 'no event')) {
      const at = 1_000 + choices.below(withinMs, 'event when');
      this.#at(at, () => this.#event('go', plan.key, { ok: true }));
      if (choices.chance(300, 'event twice'))
        this.#at(at + choices.below(3_000, 'event again'), () => this.#event('go', plan.key, { ok: true }));
    }
  }

  /** Somebody starts this, too. */
  startLater(afterMs: number, plan: Planned, input: StartRequest['input']): void {
    this.#at(afterMs, () => this.#start(plan, input, {}));
  }

  #planFreeze({ run }: Planned): void {
    this.#at(500 + this.world.choices.below(5_000, 'frozen when'), () => this.#freeze(run));
  }

  #freeze(run: string): void {
    void this.#persist(run, 'freeze', hold(run)).then((done) => {
      if (done === undefined) return;
      this.#tell.see({ kind: 'Acknowledged', what: 'event', run, seq: 1, cause: 'freeze/person/ann' });
    });
  }

  /** Something happens to each run that somebody looks at. */
  freezeWatched(): void {
    for (const run of this.#watched) this.#freeze(run);
  }

  /** Whoever freezes a run resumes it, also one that a late copy of the request has frozen again. */
  frozen(run: string): void {
    const after = 500 + this.world.choices.below(4_000, 'frozen for');
    this.#at(after, () => void this.#persist(run, 'resume', hold(run)));
  }

  #planReadOnly({ run }: Planned): void {
    const { choices } = this.world;
    const set = (readOnly: boolean): void => {
      const request = { namespace, run, readOnly, by: 'ann', reason: 'careful' };
      void this.#persist<{ readonly message: string }>(run, 'readonly', request).then((done) => {
        if (done === undefined) return;
        // A rule may have been first.
        const cause = done.message.startsWith('already') ? {} : { cause: 'readonly/ann' };
        this.#tell.see({ kind: 'Acknowledged', what: 'event', run, seq: 1, ...cause });
        if (readOnly && choices.chance(500, 'read-only for a while')) this.#at(1_500, () => set(false));
      });
    };
    if (choices.chance(600, 'read-only once it acts')) this.#careful.set(run, () => set(true));
    else this.#at(choices.below(3_000, 'read-only when'), () => set(true));
  }

  /** A tool has acted for the run: whoever sees that may want no more of it. */
  acted(run: string): void {
    const care = this.#careful.get(run);
    this.#careful.delete(run);
    if (care !== undefined) this.#at(20, care);
  }

  /** In any order, one of them perhaps twice or not at all. */
  #planSignals({ run }: Planned): void {
    const { choices } = this.world;
    const send = (signal: string): void => {
      const request = { namespace, run, signal, id: `${signal}-1`, payload: {}, by: 'ann' };
      void this.#persist(run, 'signal', request).then((done) => {
        if (done === undefined) return;
        const cause = `signal/${request.id}`;
        this.#tell.see({ kind: 'Acknowledged', what: 'event', run, seq: 1, id: request.id, cause });
      });
    };
    for (const signal of ['paid', 'shipped']) {
      const at = 1_600 + choices.below(4_000, `${signal} when`);
      if (choices.chance(80, `${signal} never`)) continue;
      this.#at(at, () => send(signal));
      if (choices.chance(300, `${signal} twice`)) this.#at(at + choices.below(1_500, 'again when'), () => send(signal));
    }
  }

  /** Somebody sees the question, and does something about it, or not. */
  asked(run: string, question: EscalationFacts): void {
    const { choices } = this.world;
    const kind = this.sensible
      ? 'approves'
      : (answers[choices.rarely(this.#tell.areLate() ? [0, 800] : [150, 60, 80, 60, 60, 60, 120], 'answer')] ??
        'approves');
    if (kind !== 'approves' && kind !== 'rejects') this.#tell.fault(`decision ${kind}`);
    const after = 300 + this.world.jitter.below(2_500);
    const answer = (more: Partial<DecideRequest> = {}): void =>
      this.#decide(run, question, { option: kind === 'rejects' ? 'reject' : 'approve', ...more });
    switch (kind) {
      case 'never':
        return;
      case 'late':
        this.#late(question.deadline - this.world.now, answer);
        return;
      case 'twice':
        this.#at(after, () => answer());
        this.#at(after + choices.below(300, 'second answer'), () =>
          answer({ option: choices.chance(500, 'the other way') ? 'reject' : 'approve' }),
        );
        return;
      case 'wrong digest':
        this.#at(after, () => answer({ digest: 'sha256:other' }));
        return;
      case 'wrong queue':
        this.#at(after, () => answer({ queue: question.queue === 'desk' ? 'night' : 'desk' }));
        return;
      case 'asked for it':
        this.#at(after, () => answer({ by: 'ann' }));
        return;
      case 'approves':
      case 'rejects':
        this.#at(after, () => answer());
    }
  }

  /** About when the time is over; perhaps while the engines sleep over it, so that nobody has noticed yet. */
  #late(restMs: number, answer: () => void): void {
    const { choices } = this.world;
    const asleep = this.#tell.areLate() && choices.chance(800, 'engines sleep over it');
    const ms = asleep ? 2_500 + choices.below(600, 'sleep for') : 0;
    if (asleep) this.#at(restMs - 20, () => this.#tell.enginesSleep(ms));
    this.#at(restMs + ms + choices.below(400, 'late by') - (asleep ? 20 : 200), answer);
  }

  /** Looks at a run again and again, for `ms`; now and then somebody of another namespace tries to. */
  watch(run: string, ms: number): void {
    this.#watched.add(run);
    const until = this.world.now + ms;
    const subject = engineSubject(this.partition(run), 'show');
    const look = (asking: string): Promise<EngineReply<RunSummary>> =>
      this.#bus.ask<EngineReply<RunSummary>>(subject, { run, namespace: asking }, lookMs);
    const again = (): void => {
      if (this.sensible || this.world.now > until) return;
      look(namespace).catch(() => undefined);
      if (this.world.jitter.below(4) === 0) {
        look('elsewhere').then(
          ({ ok }) => this.#tell.crossed('show', run, ok),
          () => undefined,
        );
      }
      this.world.after(watchMs, 'looks', this.#self, again);
    };
    again();
  }

  /** Something happens that starts a run through the one engine that hears of it. */
  startByEvent(): void {
    this.#started += 1;
    this.#event('order.new', `x${this.#started}`, { id: `bus-x${this.#started}`, amount: 7 });
  }

  /** Nobody wants anything any more. */
  get idle(): boolean {
    return this.#wishes === 0 && this.#network.js.state(streams.events)?.messages === 0;
  }

  #at(ms: number, act: () => void): void {
    this.#wishes += 1;
    this.world.after(ms, 'people', this.#self, () => {
      this.#wishes -= 1;
      act();
    });
  }

  #start({ run, workflow, key }: Planned, input: StartRequest['input'], at: Pick<StartRequest, 'startAt'>): void {
    const request: StartRequest = { run, namespace, workflow, input, key, requestedBy: 'ann', source: 'http', ...at };
    void this.#persist<RunSummary>(run, 'start', request).then((summary) => {
      if (summary !== undefined)
        this.#tell.see({ kind: 'Acknowledged', what: 'start', run, seq: summary.seq, id: key });
    });
  }

  #cancel({ run }: Planned): void {
    const request = { namespace, run, by: 'ann', reason: 'enough' };
    void this.#persist<{ readonly message: string }>(run, 'cancel', request).then((done) => {
      if (done?.message.includes('cancelled') === true)
        this.#tell.see({ kind: 'Acknowledged', what: 'cancel', run, seq: 1 });
    });
  }

  #decide(run: string, question: EscalationFacts, more: Partial<DecideRequest>): void {
    this.#decisions += 1;
    const { id: escalation, queue, digest } = question;
    const request: DecideRequest = {
      namespace,
      run,
      escalation,
      queue,
      option: 'approve',
      by: answererOf(more.queue ?? queue),
      reason: 'because',
      digest,
      decision: `uid-${this.#decisions}`,
      ...more,
    };
    const { decision, by } = request;
    this.#tell.see({ kind: 'Answered', decision, escalation, by, queue: request.queue, digest: request.digest });
    void this.#persist(run, 'decide', request).then((done) => {
      if (done !== undefined) this.#tell.see({ kind: 'Acknowledged', what: 'decision', run, seq: 0, id: decision });
    });
  }

  #event(subject: string, key: string, payload: Readonly<Record<string, string | number | boolean>>): void {
    const id = `e-${subject}-${key}`;
    const message = { id, namespace, subject, key, payload };
    this.#wishes += 1;
    const send = async (): Promise<void> => {
      for (let tries = 0; tries < triesMax; tries += 1) {
        try {
          await this.#bus.publish(eventSubject(namespace, subject), message);
          return;
        } catch {
          // Sent again: the event may be there twice.
        }
      }
    };
    void send().finally(() => {
      this.#wishes -= 1;
    });
  }

  /** Asks until something is decided; undefined when it was refused or nobody ever answered. */
  async #persist<T>(run: string, verb: EngineVerb, request: unknown): Promise<T | undefined> {
    this.#wishes += 1;
    try {
      return await this.#ask<T>(run, verb, request);
    } finally {
      this.#wishes -= 1;
    }
  }

  async #ask<T>(run: string, verb: EngineVerb, request: unknown): Promise<T | undefined> {
    for (let tries = 0; tries < triesMax; tries += 1) {
      const reply: EngineReply<T> = await this.#owners.ask<T>(run, verb, request);
      if (reply.ok) return reply.result;
      if (!passing.includes(reply.code)) return undefined;
    }
    return undefined;
  }

  partition(run: string): number {
    return partitionOf(run, this.#network.partitions);
  }
}
