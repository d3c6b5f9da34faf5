// Owns: one partition while this engine serves it: its runs, its timers, its tasks, its projections.
//   V1: what follows a commit (tasks, timers, projections, fallback runs) is planned from the folded state, so it is the same
//       after a crash.
import type { HistoryEvent } from '../../api/messages/history.ts';
import type { Definition, Given } from '../../core/workflow/definition.ts';
import type { Reaction } from '../../core/workflow/draft.ts';
import { fireDue } from '../../core/workflow/due.ts';
import { type Command, plan } from '../../core/workflow/plan.ts';
import { isPoison, lostMax, loseWorker, poisonMessage } from '../../core/workflow/poison.ts';
import type { GivenUp } from '../../core/dead-letter/letter.ts';
import type { Lost } from '../../core/dispatch/dispatch.ts';
import type { Witness } from '../../core/journal/witness.ts';
import type { RunState } from '../../core/workflow/state.ts';
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type { PartitionJournal } from '../../ports/journal.ts';
import type { ChildHint, ChildReport, ChildRequest, EngineReply } from '../../api/messages/asks.ts';
import { closeChild } from '../../core/workflow/join.ts';
import type { Catalog } from './catalog.ts';
import { type ChildCommand, Children } from './children.ts';
import { Dispatch } from './dispatch.ts';
import { Endings } from './endings.ts';
import { Partition } from './partition.ts';
import type { EngineMetrics } from './metrics.ts';
import type { EnginePorts, EngineSettings } from './ports.ts';
import { ParkedRuns } from './parked.ts';
import { Projections } from './projections.ts';
import { Repeats } from './repeats.ts';
import { Timers } from './timers.ts';
import { failpoint } from '../../ports/failpoint.ts';

export interface Fallback {
  readonly state: RunState;
  readonly workflow: string;
  readonly run: string;
  readonly reason: string;
  readonly input: HistoryInput;
}
type HistoryInput = Extract<HistoryEvent, { readonly type: 'RunStarted' }>['input'];

export interface ServingOptions {
  readonly ports: EnginePorts;
  readonly settings: EngineSettings;
  readonly catalog: Catalog;
  readonly metrics: EngineMetrics;
  readonly journal: PartitionJournal;
  readonly holding: () => boolean;
  readonly lost: (error: unknown) => void;
  /** Starts the workflow that takes over; repeated until it is done. */
  readonly startFallback: (fallback: Fallback) => Promise<void>;
  readonly family: Family;
}

/** How parents and children in other partitions are reached. */
export interface Family {
  askChild(child: string, request: ChildRequest): Promise<EngineReply<ChildReport>>;
  /** The child is closed; true once its parent knows, or nobody waits for it. */
  tellParent(hint: ChildHint): Promise<boolean>;
}

/** After a takeover, running workers get this long to say that they are at work. */
const graceMs = 2_000;
const FALLBACK_RETRY_MS = 1_000;
const TIMER_RETRY_MS = 1_000;
const MEASURE_MS = 500;
/** Closed children that are remembered as known to their parents; one that is forgotten is told again once. */
const toldMax = 10_000;
/** Measurements after which it is looked whether another owner has written: every 2 s. */
const noticeEvery = 4;
/** Share of the journal up to which new runs are taken. */
const startsUpTo = 0.8;

export class Serving {
  readonly partition: Partition;
  readonly dispatch: Dispatch;
  readonly timers: Timers;
  readonly projections: Projections;
  readonly endings = new Endings();
  readonly children: Children;
  /** Parents that do not know yet that a child of theirs is closed. */
  readonly #news: Repeats;
  readonly #told = new Set<string>();
  readonly parked: ParkedRuns;
  readonly #options: ServingOptions;
  /** Runs whose workflow is not in the catalog yet. */
  readonly #undefined = new Set<string>();
  readonly #fallbacks = new Set<string>();
  #fullness = 0;
  #measures = 0;
  #measuring: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: ServingOptions) {
    this.#options = options;
    const { ports, settings, journal, holding, lost, metrics } = options;
    const { clock, log, work, control } = ports;
    this.partition = new Partition({
      journal,
      owner: settings.name,
      newId: () => ports.ids.random(),
      holding,
      events: {
        committed: (runs, events) => {
          metrics.committed(events);
          this.#arrange(runs);
          this.projections.touch(runs);
          this.#tell(runs);
        },
        lost,
      },
    });
    const about = log.child({ partition: journal.partition });
    this.dispatch = new Dispatch({
      partition: journal.partition,
      now: () => clock.now(),
      publish: (subject, hint) => work.publish(subject, hint),
      lost: (lost) => void this.#workerLost(lost),
      log: about,
    });
    this.timers = new Timers(
      () => clock.now(),
      (run) => void this.#fire(run),
    );
    this.projections = new Projections(
      { bus: control, log: about },
      {
        state: (run) => this.partition.state(run),
        serving: () => this.partition.serving,
        givenUp: (run, tries, error) => void this.#unwritable(run, tries, error),
      },
    );
    this.children = new Children({
      now: () => clock.now(),
      ask: (child, request) => options.family.askChild(child, request),
      closed: (parent, request) => this.act(parent, (given) => closeChild(given, request)),
      log: about,
    });
    this.#news = new Repeats({ now: () => clock.now(), log: about, about: 'telling a parent' });
    const { catalog } = options;
    this.parked = new ParkedRuns({
      bus: control,
      log: about,
      catalog,
      partition: journal.partition,
      partitions: settings.partitions,
    });
  }

  async load(witnesses: readonly Witness[]): Promise<void> {
    await this.partition.load(witnesses);
    await this.#measure();
    this.#measuring = setInterval(() => void this.#measure(), MEASURE_MS);
    const runs = [...this.partition.runs()].map((state) => state.run);
    this.#arrange(runs, graceMs);
    this.projections.rewrite(runs);
  }

  /** Rejects with JOURNAL_FULL while only what ends runs may still be written. */
  assertRoom(): void {
    if (this.#fullness < startsUpTo) return;
    const percent = Math.floor(this.#fullness * 100);
    throw new SignalboxError(
      'JOURNAL_FULL',
      `partition ${this.partition.number}: its journal is ${percent} % full; new runs are refused from ${startsUpTo * 100} % on, so that running ones can end. Enlarge the stream`,
    );
  }

  /** NATS is back: what lives in memory there may be gone. */
  reconnected(): void {
    // A store that is an older copy stops the partition; anything else shows at the next append.
    this.partition.assertNotBehind().catch((error: unknown) => {
      if (isSignalboxError(error, 'JOURNAL_ROLLED_BACK')) this.#options.lost(error);
    });
    this.parked.forget();
    this.dispatch.republish();
    this.projections.rewrite([...this.partition.runs()].map((state) => state.run));
  }

  /** The catalog knows more. */
  catalogChanged(): void {
    if (this.#undefined.size > 0) this.#arrange([...this.#undefined]);
  }

  /** Lets a cause act on a run that exists; rejects with NOT_FOUND otherwise. */
  act<R>(run: string, react: (given: Given) => Reaction<R>): Promise<R> {
    return this.partition.submit(run, (state) => {
      if (state === undefined) throw new SignalboxError('NOT_FOUND', `run ${run} does not exist`);
      const reaction = react({ state, definition: this.#definition(state), now: this.#options.ports.clock.now() });
      // What this engine does not understand it must not continue.
      if (state.parked === undefined || reaction.events.length === 0) return reaction;
      throw new SignalboxError('NOT_OWNER', `run ${run} stands still: ${state.parked}`);
    });
  }

  /** Looks at a run, also at one whose workflow is gone; rejects with NOT_FOUND where there is none. */
  look<R>(run: string, at: (state: RunState) => R): Promise<R> {
    return this.partition.submit(run, (state) => {
      if (state === undefined) throw new SignalboxError('NOT_FOUND', `run ${run} does not exist`);
      return { events: [], reply: at(state) };
    });
  }

  stop(): void {
    this.#stopped = true;
    this.children.stop();
    this.#news.stop();
    clearInterval(this.#measuring);
    this.timers.stop();
    this.dispatch.stop();
    this.projections.stop();
    this.partition.stop();
    this.endings.stop();
  }

  async #measure(): Promise<void> {
    try {
      this.#fullness = await this.#options.journal.fullness();
      this.#measures += 1;
      if (this.#measures % noticeEvery === 0) await this.partition.notice();
    } catch {
      // The last value holds; NATS may be away.
    }
    if (!this.#stopped) await this.parked.tell();
  }

  #definition(state: RunState): Definition {
    const definition = this.#options.catalog.definition(state.workflowDigest);
    if (definition !== undefined) return definition;
    throw new SignalboxError(
      'NOT_OWNER',
      this.#options.catalog.unknownIn(state.workflowDigest) ??
        `workflow ${state.workflow} at ${state.workflowDigest} is not in the catalog yet; ask again`,
    );
  }

  #tell(runs: readonly string[]): void {
    for (const run of runs) {
      const state = this.partition.state(run);
      if (state !== undefined) this.endings.committed(run, state);
    }
  }

  /** Recomputes the commands of these runs. */
  #arrange(runs: readonly string[], graceMsNow = 0): void {
    for (const run of runs) {
      const state = this.partition.state(run);
      if (state === undefined) continue;
      const definition = this.#options.catalog.definition(state.workflowDigest);
      this.parked.look(state, definition !== undefined);
      if (definition === undefined && (state.status !== 'Closed' || state.fallback !== undefined)) {
        this.#undefined.add(run);
        continue;
      }
      this.#undefined.delete(run);
      if (definition === undefined) continue;
      this.#carryOut(state, definition, graceMsNow);
    }
  }

  #carryOut(state: RunState, definition: Definition, graceMsNow: number): void {
    let [wakeAt, dispatched]: [number | undefined, boolean] = [undefined, false];
    const children: ChildCommand[] = [];
    for (const command of this.#pending(state, definition)) {
      if (command.kind === 'WakeAt') wakeAt = command.at;
      else if (command.kind === 'StartFallback') void this.#fallBack({ state, ...command });
      else if (command.kind === 'TellParent')
        this.#news.want(state.run, 'closed', () => this.#tellParent(command.hint));
      else if ('request' in command) children.push(command);
      else {
        dispatched = true;
        const { run, namespace, workflow } = state;
        this.dispatch.want({ ...command, run, namespace, workflow }, graceMsNow);
      }
    }
    this.timers.set(state.run, wakeAt);
    if (!dispatched) this.dispatch.forget(state.run);
    this.children.want(state.run, children);
  }

  /** What is to be done for the run and is not known to be done. */
  #pending(state: RunState, definition: Definition): readonly Command[] {
    return plan({ state, definition }).filter((command) => command.kind !== 'TellParent' || !this.#told.has(state.run));
  }

  async #tellParent(hint: ChildHint): Promise<boolean> {
    const known = await this.#options.family.tellParent(hint);
    if (known && !this.#stopped) {
      this.#told.add(hint.child);
      if (this.#told.size > toldMax) this.#told.delete(this.#told.values().next().value ?? '');
      this.#arrange([hint.child]);
    }
    return known;
  }

  async #fire(run: string): Promise<void> {
    try {
      failpoint('engine.timer.due');
      await this.act(run, fireDue);
      failpoint('engine.timer.fired');
      // Nothing was due after all: a clock that went back, or a state that changed meanwhile.
      if (!this.#stopped) this.#arrange([run]);
    } catch (error) {
      if (this.#stopped) return;
      // A lease in doubt may be renewed, and then nobody else will look at the run.
      if (!isSignalboxError(error, 'NOT_OWNER')) {
        this.#options.ports.log.error('a timer failed; it is tried again', { run, error });
      }
      this.timers.set(run, this.#options.ports.clock.now() + TIMER_RETRY_MS);
    }
  }

  /** A loss is a fact of the run; one too many is told to people before the attempt fails. */
  async #workerLost(lost: Lost): Promise<void> {
    const { log } = this.#options.ports;
    const state = this.partition.state(lost.run);
    if (state === undefined) return;
    try {
      if (isPoison(state, lost)) await this.#notePoison(state, lost);
      await this.act(lost.run, (given) => loseWorker(given, lost));
    } catch (error) {
      if (this.#stopped || isSignalboxError(error, 'NOT_OWNER')) return;
      log.warn('the loss of a worker could not be noted', { run: lost.run, worker: lost.worker, error });
    }
  }

  async #notePoison({ namespace, workflow, activity }: RunState, { run, ...lost }: Lost): Promise<void> {
    const origin = {
      kind: 'activity',
      name: activity?.agent ?? '',
      item: `${lost.activity}/${lost.attempt}`,
      workflow,
      run,
    } as const;
    const cause = { code: 'POISON', message: poisonMessage(lostMax) };
    await this.#giveUp({ namespace, reason: 'poison', origin, cause, attempts: lostMax });
  }

  async #unwritable(run: string, tries: number, error: unknown): Promise<void> {
    const state = this.partition.state(run);
    if (state === undefined || this.#stopped) return;
    const { namespace, workflow } = state;
    const message = error instanceof Error ? error.message : String(error);
    const origin = { kind: 'projection', name: 'runs', item: run, workflow, run } as const;
    await this.#giveUp({
      namespace,
      reason: 'unwritable',
      origin,
      cause: { code: 'UNWRITABLE', message },
      attempts: tries,
    });
  }

  async #giveUp(given: GivenUp): Promise<void> {
    const { log, deadLetters } = this.#options.ports;
    const { reason, origin } = given;
    log.error('given up; see signalbox deadletters', { reason, ...origin });
    await deadLetters
      .note(given)
      .catch((error: unknown) => log.error('a dead letter could not be kept', { reason, ...origin, error }));
  }

  async #fallBack(fallback: Fallback): Promise<void> {
    if (this.#fallbacks.has(fallback.run)) return;
    this.#fallbacks.add(fallback.run);
    while (!this.#stopped) {
      try {
        failpoint('engine.fallback.before');
        await this.#options.startFallback(fallback);
        failpoint('engine.fallback.started');
        return;
      } catch (error) {
        const { run, workflow } = fallback;
        this.#options.ports.log.warn('a fallback run could not be started; it is tried again', {
          run,
          workflow,
          error,
        });
        await this.#options.ports.clock.sleep(FALLBACK_RETRY_MS);
      }
    }
  }
}
