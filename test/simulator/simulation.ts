// Owns: one world from its first step to its last: workload, faults, then healing; every fact goes to the checkers at once.
import { decode } from '../../adapters/nats/wire.ts';
import type { EngineReply } from '../../api/messages/asks.ts';
import type { CommitRecord, EscalationRecord, HistoryEvent, RunSummary } from '../../api/messages/history.ts';
import { buckets, taskConsumer, taskSubject } from '../../api/messages/subjects.ts';
import { callDigest } from '../../core/permission/digest.ts';
import type { Fact, LedgerEntryFact, Violation } from '../../core/invariants/facts.ts';
import { type Coverage, cover, noCoverage } from '../../core/invariants/vacuity.ts';
import { Watch } from '../../core/invariants/watch.ts';
import { armFailpoints } from '../../ports/failpoint.ts';
import { Choices } from './choices.ts';
import { bundles, catalog, dueAt, namespace, rules, scheduledRun, timetable } from './definitions.ts';
import { Faults, type Focus } from './faults.ts';
import { Network } from './network.ts';
import { Outside } from './outside.ts';
import { hasRollout, Rollout, settleMs, type Starts } from './rollout.ts';
import { People, type Planned } from './people.ts';
import { engine, gateway, type Host, worker } from './processes.ts';
import { timersOf } from './timers.ts';
import { Process, World } from './world.ts';

export interface Outcome {
  readonly seed: number;
  readonly hash: string;
  readonly steps: number;
  readonly violations: readonly Violation[];
  readonly coverage: Coverage;
  readonly choices: readonly number[];
  readonly labels: readonly string[];
  readonly trace: readonly string[];
}

export interface Options {
  /** Replays these choices instead of drawing them. */
  readonly choices?: readonly number[];
  readonly trace?: boolean;
  readonly scene?: Scene;
}

/** What a world is about, when it is not drawn: for hunts of what needs one rare meeting. */
export interface Scene {
  readonly focus?: Focus;
  readonly workflow?: string;
  /** An agent's new bundle is tried meanwhile. */
  readonly rollout?: boolean;
}

const chaosMs = 8_000;
const healMs = 240_000;
/** How long is looked on after the last message that was on its way has arrived. */
const straysMs = 1_000;
const restMs = 2_500;
const stepsMax = 60_000;

export function simulate(seed: number, options: Options = {}): Outcome {
  const choices = new Choices(seed, options.choices, options.trace === true);
  const world = new World(seed, choices, options.trace === true);
  // Errors are answers here, thousands a second; where each was made is of use to nobody.
  Error.stackTraceLimit = options.trace === true ? 10 : 0;
  timersOf(world);
  try {
    const simulation = new Simulation(world);
    armFailpoints((name, subject) => simulation.faults.pass(subject === undefined ? name : `${name}/${subject}`));
    simulation.run({ rollout: hasRollout(seed), ...options.scene });
    return {
      seed,
      hash: world.hash,
      steps: world.steps,
      violations: simulation.watch.violations,
      coverage: simulation.coverage,
      choices: choices.made,
      labels: choices.labels,
      trace: world.trace ?? [],
    };
  } finally {
    armFailpoints(undefined);
    timersOf(undefined);
  }
}

class Simulation {
  readonly world: World;
  readonly watch = new Watch(rules);
  readonly coverage = noCoverage();
  readonly network: Network;
  readonly outside: Outside;
  readonly people: People;
  readonly faults: Faults;
  readonly #open = new Set<string>();
  #started = false;
  /** Before, something is still to come. */
  #restsFrom = 0;

  constructor(world: World) {
    this.world = world;
    const fault = (name: string): void => this.#see({ kind: 'Faulted', fault: name });
    this.network = new Network(world, 1 + world.choices.below(2, 'partitions'), fault);
    this.network.observe = (...answer) => this.#answered(...answer);
    const applied = (fact: Parameters<ConstructorParameters<typeof Outside>[1]>[0]): void => {
      this.#see({ kind: 'Applied', ...fact });
      this.people.acted(fact.run);
    };
    this.outside = new Outside(world, applied, fault);
    const stored = (subject: string, seq: number, bytes: Uint8Array): void => this.#stored(subject, seq, bytes);
    const host: Host = { network: this.network, outside: this.outside, stored };
    this.people = new People(this.network, stored, {
      see: (fact) => this.#see(fact),
      fault,
      enginesSleep: (ms) => this.faults.enginesSleep(ms),
      areLate: () => this.faults.latePeople,
      crossed: (what, run, wasLet) =>
        this.#see({ kind: 'Crossed', from: 'elsewhere', to: namespace, what: `${what} run ${run}`, let: wasLet }),
    });
    const table = this.network.table(buckets.catalog);
    const scheduled = world.choices.chance(40, 'schedule');
    if (scheduled) this.#restsFrom = dueAt;
    if (scheduled) world.after(dueAt - 300 - world.now, 'due soon', undefined, () => this.#dueSoon());
    for (const [key, value] of scheduled ? [...catalog, ...timetable] : catalog)
      table.rows.set(key, { value, revision: 1, deleted: false, at: 0 });
    table.revision = 1;
    this.faults = new Faults(this.network, this.outside, {
      fault,
      recovered: (after) => this.#see({ kind: 'Recovered', after }),
      contested: () => this.people.startByEvent(),
      followed: () => this.people.freezeWatched(),
    });
    for (const name of ['e1', 'e2']) this.#process(name, 'engine', (owner) => engine(host, owner));
    for (const name of ['g1', 'g2']) this.#process(name, 'gateway', (owner) => gateway(host, owner));
    for (const [agent, { digest }] of Object.entries(bundles)) {
      this.network.addConsumer(taskConsumer(namespace, agent, digest), taskSubject(namespace, agent, digest));
      const names = agent === 'clerk' ? ['clerk1', 'clerk2'] : [agent];
      for (const name of names) this.#process(name, 'worker', (owner) => worker(host, owner, agent));
    }
  }

  /** What an engine knew of before it was due must be started. */
  #dueSoon(): void {
    if (this.network.table(buckets.schedules).rows.size === 0) return;
    this.#open.add(scheduledRun);
    this.#see({ kind: 'Acknowledged', what: 'start', run: scheduledRun, seq: 0 });
  }

  run({ focus, workflow, rollout }: Scene): void {
    const { world } = this;
    const planned = this.people.begin(chaosMs, workflow);
    this.faults.begin(chaosMs, focus);
    if (rollout === true) this.#try();
    const broken = (): boolean => this.watch.violations.length > 0 || world.steps > stepsMax;
    const from = world.now;
    const atRest = (): boolean => this.#started && this.#open.size === 0 && this.people.idle;
    const settled = (): boolean => broken() || (world.now > this.#restsFrom && atRest());
    world.run(from + chaosMs, settled);
    if (broken()) return this.#end(false);
    this.faults.heal();
    this.people.sensible = true;
    const until = from + chaosMs + healMs;
    do {
      world.run(until, settled);
      if (broken()) return this.#end(false);
      // What was late on the network may still arrive and begin something.
      world.run(Math.min(until, world.lastArrival) + straysMs, broken);
    } while (!broken() && !settled() && world.now < until);
    if (broken()) return this.#end(false);
    this.#rest(planned, settled());
  }

  /** A new bundle of an agent is tried; who takes over after the last fault may write once more. */
  #try(): void {
    const start: Starts['start'] = (...wanted) => this.people.startLater(...wanted);
    new Rollout(this.network, { see: (fact) => this.#see(fact), start }).begin(chaosMs);
    this.#restsFrom = Math.max(this.#restsFrom, this.world.now + chaosMs + settleMs);
  }

  /** Everything has ended or is with a person: nobody writes, and what people see is what happened. */
  #rest(planned: readonly Planned[], atRest: boolean): void {
    const { world } = this;
    if (atRest) {
      this.#see({ kind: 'Rested' });
      world.run(world.now + restMs, () => this.watch.violations.length > 0);
    }
    const rows = <T>(name: string): readonly T[] =>
      [...this.network.table(name).rows.values()].filter((row) => !row.deleted).map((row) => row.value as T);
    this.#see({
      kind: 'Listed',
      escalations: rows<EscalationRecord>(buckets.escalations),
      runs: rows<RunSummary>(buckets.runs),
    });
    world.tell(() => `the end; planned were ${planned.map(({ workflow }) => workflow).join(', ')}`);
    this.#end(true);
  }

  #end(healed: boolean): void {
    if (this.watch.violations.length === 0) this.watch.end(healed);
    if (this.world.steps > stepsMax) {
      (this.watch.violations as Violation[]).push({
        invariant: 'I10',
        sentence: `the world did not come to rest within ${stepsMax} steps`,
      });
    }
  }

  #process(name: string, role: Process['role'], start: (owner: Process) => void): void {
    const owner = new Process(name, role);
    this.faults.add(owner, () => this.world.as(owner, () => start(owner)));
    this.world.after(this.world.jitter.below(50), `start ${name}`, owner, () => start(owner));
  }

  #see(fact: Fact extends infer F ? (F extends Fact ? Omit<F, 'at'> : never) : never): void {
    const timed = { ...fact, at: this.world.now } as Fact;
    this.watch.see(timed);
    cover(this.coverage, timed);
    if (timed.kind !== 'Appended' && timed.kind !== 'Listed') {
      this.world.note(timed.kind);
      this.world.tell(() => JSON.stringify(fact));
    }
    for (const { invariant, sentence } of this.watch.violations)
      this.world.tell(() => `VIOLATION ${invariant}: ${sentence}`);
  }

  /** The server has a message on disk. */
  #stored(subject: string, seq: number, bytes: Uint8Array): void {
    const [kind, first = '', run = '', key = ''] = subject.split('.');
    if (kind === 'journal') this.#appended(Number(first), seq, decode(bytes, subject) as CommitRecord);
    if (kind !== 'ledger') return;
    const entry = decode(bytes, subject) as LedgerEntryFact;
    this.#see({ kind: 'LedgerWritten', run, digest: `sha256:${key}`, revision: seq, entry });
  }

  #appended(partition: number, seq: number, record: CommitRecord): void {
    this.world.note(`${partition} ${seq} ${record.id}`);
    for (const { run, events } of record.runs) for (const event of events) this.#follow(run, event);
    this.#see({ kind: 'Appended', partition, seq, record });
  }

  #follow(run: string, event: HistoryEvent): void {
    const { world } = this;
    world.note(`${run} ${event.seq} ${event.type} ${event.at} ${event.cause}`);
    world.tell(() => `journal ${run.slice(0, 4)} ${event.seq} ${event.type} ${told(event)}`);
    if (event.type === 'RunStarted') {
      this.#open.add(run);
      this.#started = true;
      if (this.faults.contested) this.people.watch(run, chaosMs);
    }
    // Whoever takes over is under way before it has begun.
    if (event.type === 'FallbackRequested') this.#open.add(event.run);
    if (event.type === 'RunClosed') this.#open.delete(run);
    if (event.type === 'RunFrozen' && event.source === 'person') this.people.frozen(run);
    if (event.type === 'EscalationOpened') this.people.asked(run, event.escalation);
    if (event.type !== 'TurnProposed' && event.type !== 'TurnCompleted') return;
    for (const call of event.turn.calls) {
      this.outside.propose(run, call, callDigest({ run, activity: event.activity, tool: call.tool, args: call.args }));
    }
  }

  /** A process has given an answer: from now on it must be true for ever. */
  #answered(subject: string, payload: unknown, reply: unknown, askedAt: number): void {
    if (subject.endsWith('.batch')) {
      const { asks } = payload as { readonly asks: readonly { readonly verb: string; readonly ask: unknown }[] };
      const replies = (reply as { readonly replies?: readonly unknown[] }).replies ?? [];
      for (const [index, { verb, ask }] of asks.entries())
        this.#answered(`.${verb}`, ask, replies[index] ?? {}, askedAt);
      return;
    }
    const told = toldOf(subject, payload, reply);
    if (told !== undefined) this.#see({ kind: 'Told', ...told, askedAt });
    const cause = causeOf(subject, payload, reply);
    if (cause === undefined) return;
    const { run } = payload as { readonly run: string };
    this.#see({ kind: 'Acknowledged', what: 'report', run, seq: 1, cause });
  }
}

interface Report {
  readonly activity: string;
  readonly attempt: number;
  readonly turn?: { readonly turn: number };
  readonly decision?: string;
  readonly by?: string;
  readonly digest?: string;
}

/** What must be in the history when this answer is given; undefined when nothing must. */
function causeOf(subject: string, payload: unknown, answer: unknown): string | undefined {
  const verb = subject.slice(subject.lastIndexOf('.') + 1);
  const { activity, attempt, turn, decision, digest } = payload as Report;
  const reply = answer as {
    readonly kind?: string;
    readonly ok?: boolean;
    readonly result?: { readonly approval?: string };
  };
  if (verb === 'turn' && reply.kind === 'Go') return `turn/${activity}/${attempt}/${turn?.turn ?? 0}`;
  if (verb === 'complete' && reply.kind === 'Go') return `complete/${activity}/${attempt}`;
  if (verb === 'decide' && reply.ok === true) return `decide/${decision ?? ''}`;
  if (verb === 'authorize' && reply.result?.approval === 'consumed') return `authorize/${digest ?? ''}`;
  return undefined;
}

/** What an engine says of a run when somebody looks at it; undefined when it says nothing of it. */
function toldOf(
  subject: string,
  payload: unknown,
  answer: unknown,
): { readonly run: string; readonly seq: number } | undefined {
  const { run, namespace: asking } = payload as { readonly run: string; readonly namespace?: string };
  if (!subject.endsWith('.show') || asking !== namespace) return undefined;
  const reply = answer as EngineReply<RunSummary>;
  if (reply.ok) return { run, seq: reply.result.seq };
  return reply.code === 'NOT_FOUND' ? { run, seq: 0 } : undefined;
}

/** What is worth telling of an event. */
function told(event: HistoryEvent): string {
  const { type: _type, seq: _seq, at: _at, cause, ...rest } = event;
  return `(${cause}) ${JSON.stringify(rest).slice(0, 260)}`;
}
