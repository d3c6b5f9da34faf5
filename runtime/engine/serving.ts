// Owns: one partition while this engine serves it: its runs, its timers, its tasks, its projections.
//   V1: what follows a commit (tasks, timers, projections, fallback runs) is planned from the folded state, so it is the same
//       after a crash.
import type { Definition, Given } from '../../core/workflow/definition.ts';
import type { Reaction } from '../../core/workflow/draft.ts';
import { fireDue } from '../../core/workflow/due.ts';
import { type Command, plan } from '../../core/workflow/plan.ts';
import { type Facets, facetsOf } from '../../core/journal/facets.ts';
import type { Witness } from '../../core/journal/witness.ts';
import type { RunState } from '../../core/workflow/state.ts';
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type { PartitionJournal } from '../../ports/journal.ts';
import type { Log } from '../../ports/system.ts';
import type { ChildHint } from '../../api/messages/asks.ts';
import { closeChild } from '../../core/workflow/join.ts';
import type { Catalog } from './catalog.ts';
import { LateWaits } from './late-waits.ts';
import { type ChildCommand, Children, type Family } from './children.ts';
import { Dispatch } from './dispatch.ts';
import { Checkpointer } from './checkpointer.ts';
import { Endings } from './endings.ts';
import { GiveUps } from './give-ups.ts';
import { type Fallback, Fallbacks } from './fallbacks.ts';
import { Partition } from './partition.ts';
import type { EngineMetrics } from './metrics.ts';
import { ParkedRuns } from './parked.ts';
import type { EnginePorts, EngineSettings } from './ports.ts';
import { Projections } from './projections.ts';
import { Repeats } from './repeats.ts';
import { Room } from './room.ts';
import { Timers } from './timers.ts';
import { VersionReports } from './version-reports.ts';
import { failpoint } from '../../ports/failpoint.ts';

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

/** After a takeover, running workers get this long to say that they are at work. */
const graceMs = 2_000;
const TIMER_RETRY_MS = 1_000;
const MEASURE_MS = 500;
/** Closed children that are remembered as known to their parents; one that is forgotten is told again once. */
const toldMax = 10_000;
/** Measurements after which it is looked whether another owner has written: every 2 s. */
const noticeEvery = 4;
/** Only what wakes within this has a timer; the others are looked for every half of it. */
const HORIZON_MS = 60_000;
/** Runs that are packed before others have their turn: some milliseconds. */
const restMax = 100;
/** Runs that are looked at after a takeover before others have their turn. */
const takeUpPortion = 256;
/** Portions every MEASURE_MS: starts that wait are packed as fast as they come. */
const restPortions = 20;

export class Serving {
  readonly partition: Partition;
  readonly dispatch: Dispatch;
  readonly timers: Timers;
  readonly projections: Projections;
  readonly #versions: VersionReports;
  readonly #giveUps: GiveUps;
  readonly endings = new Endings();
  readonly children: Children;
  readonly #lateWaits: LateWaits;
  /** Parents that do not know yet that a child of theirs is closed. */
  readonly #news: Repeats;
  readonly #told = new Set<string>();
  readonly parked: ParkedRuns;
  readonly #options: ServingOptions;
  /** Runs whose workflow is not in the catalog yet. */
  readonly #undefined = new Set<string>();
  readonly #fallbacks: Fallbacks;
  readonly room: Room;
  #measures = 0;
  readonly #clocks: NodeJS.Timeout[] = [];
  #checkpointer: Checkpointer | undefined;
  #stopped = false;

  constructor(options: ServingOptions) {
    this.#options = options;
    const { ports, settings, catalog, journal, holding, lost, metrics } = options;
    const { clock, log, work, control } = ports;
    const { partitions } = settings;
    const { partition } = journal;
    this.partition = new Partition({
      journal,
      owner: settings.name,
      newId: () => ports.ids.random(),
      packing: ports.packing(),
      holding,
      events: {
        committed: (runs, events) => {
          metrics.committed(events);
          this.#arrange(runs);
          this.projections.touch(runs);
          this.#versions.touch();
          this.#tell(runs);
        },
        lost,
      },
    });
    const about = log.child({ partition });
    const { deadLetters } = ports;
    const state = (run: string) => this.partition.state(run);
    this.#giveUps = new GiveUps({ log, deadLetters, state, act: (run, react) => this.act(run, react) });
    this.dispatch = new Dispatch({
      partition,
      now: () => clock.now(),
      publish: (subject, hint) => work.publish(subject, hint),
      lost: (lost) => void this.#giveUps.workerLost(lost),
      log: about,
    });
    this.timers = new Timers(
      () => clock.now(),
      (run) => void this.#fire(run),
    );
    this.projections = new Projections(
      { bus: control, log: about, newId: () => ports.ids.random() },
      {
        partition: this.partition,
        givenUp: (run, tries, error) => void this.#giveUps.unwritable(run, tries, error),
      },
    );
    this.#versions = new VersionReports({ bus: control, log: about, partition: this.partition, catalog });
    this.children = this.#askChildren(about);
    this.#lateWaits = new LateWaits(ports, about, this);
    this.room = new Room(journal);
    this.#fallbacks = new Fallbacks({
      clock,
      log: about,
      start: options.startFallback,
      started: (run) => this.#arrange([run]),
    });
    this.#news = new Repeats({ now: () => clock.now(), log: about, about: 'telling a parent' });
    this.parked = new ParkedRuns({ bus: control, log: about, catalog, partition, partitions });
  }

  async load(witnesses: readonly Witness[]): Promise<void> {
    const loaded = await this.partition.load(witnesses);
    const { table } = this.partition;
    const { ports, settings, journal, metrics, lost } = this.#options;
    const [partition, log] = [this.partition, ports.log.child({ partition: journal.partition })];
    const facets = (state: RunState) => this.#facetsOf(state);
    const unprojected = (run: string) => this.projections.isBehind(run);
    const offered = () => this.#options.catalog.offered();
    this.#checkpointer = new Checkpointer(
      { ...ports, ...settings, log, metrics, partition, journal, facetsOf: facets, unprojected, lost, offered },
      loaded,
    );
    await this.#measure();
    await this.#takeUp([...new Set([...table.unsettled(), ...loaded.changed])]);
    void this.#lateWaits.takenOver(({ namespace, subject, key }) => table.awaiting(namespace, subject, key));
    this.#wake();
    this.#clocks.push(
      setInterval(() => void this.#measure(), MEASURE_MS),
      setInterval(() => this.#wake(), HORIZON_MS / 2),
    );
    this.#openProjections([...table.unprojected(), ...loaded.changed]);
    this.#versions.touch();
  }

  /** NATS is back: what lives in memory there may be gone. */
  reconnected(): void {
    // A store that is an older copy stops the partition; anything else shows at the next append.
    this.partition.assertNotBehind().catch((error: unknown) => {
      if (isSignalboxError(error, 'JOURNAL_ROLLED_BACK')) this.#options.lost(error);
    });
    this.parked.forget();
    this.dispatch.republish();
    this.#openProjections([]);
    this.#versions.again();
  }

  /** The catalog knows more. */
  catalogChanged(): void {
    if (this.#undefined.size > 0) this.#arrange([...this.#undefined]);
    this.#versions.touch();
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

  /** Resolves when nothing of it is under way any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.children.stop();
    this.#lateWaits.stop();
    this.#news.stop();
    this.#fallbacks.stop();
    for (const clock of this.#clocks) clearInterval(clock);
    this.timers.stop();
    this.dispatch.stop();
    this.projections.stop();
    this.#versions.stop();
    this.#giveUps.stop();
    const ended = Promise.all([this.#checkpointer?.stop() ?? Promise.resolve(), this.partition.stop()]);
    this.endings.stop();
    await ended;
  }

  async #measure(): Promise<void> {
    await this.#pack();
    try {
      this.#checkpointer?.measured(await this.room.measure());
      this.#measures += 1;
      if (this.#measures % noticeEvery === 0) await this.partition.notice();
    } catch {
      // The last value holds; NATS may be away.
    }
    if (!this.#stopped) await this.parked.tell();
  }

  async #pack(): Promise<void> {
    const { table } = this.partition;
    for (let portion = 0; portion < restPortions && !this.#stopped; portion += 1) {
      if (table.rest(restMax, { again: portion > 0 }) < restMax) return;
      await this.#options.ports.clock.sleep(1);
    }
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

  /** What the owner before has left, a few at a time: meanwhile the other partitions and the leases have their turn. */
  async #takeUp(runs: readonly string[]): Promise<void> {
    for (let at = 0; at < runs.length && !this.#stopped; at += takeUpPortion) {
      if (at > 0) await this.#options.ports.clock.sleep(1);
      this.#arrange(runs.slice(at, at + takeUpPortion), graceMs);
      this.partition.table.rest(2 * takeUpPortion);
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
      if (definition === undefined) {
        this.partition.table.note(run, { quiet: true });
        continue;
      }
      this.#carryOut(state, definition, graceMsNow);
    }
  }

  #carryOut(state: RunState, definition: Definition, graceMsNow: number): void {
    let [wakeAt, dispatched]: [number | undefined, boolean] = [undefined, false];
    const children: ChildCommand[] = [];
    const commands = this.#pending(state, definition);
    for (const command of commands) {
      if (command.kind === 'WakeAt') wakeAt = command.at;
      else if (command.kind === 'StartFallback') void this.#fallbacks.want({ state, ...command });
      else if (command.kind === 'TellParent')
        this.#news.want(state.run, 'closed', () => this.#tellParent(command.hint));
      else if ('request' in command) children.push(command);
      else {
        dispatched = true;
        const { run, namespace, workflow } = state;
        this.dispatch.want({ ...command, run, namespace, workflow }, graceMsNow);
      }
    }
    this.partition.table.note(state.run, facetsOf({ state, definition }, commands));
    const soon = wakeAt !== undefined && wakeAt < this.#options.ports.clock.now() + HORIZON_MS;
    this.timers.set(state.run, soon ? wakeAt : undefined);
    if (!dispatched) this.dispatch.forget(state.run);
    this.children.want(state.run, children);
    // Whoever has just taken over compares the whole inbox with all that waits.
    if (graceMsNow === 0) this.#lateWaits.committed(state, definition);
  }

  #askChildren(log: Log): Children {
    const { ports, family } = this.#options;
    return new Children({
      now: () => ports.clock.now(),
      wanted: (parent) => this.#wantedChildren(parent),
      ask: (child, request) => family.askChild(child, request),
      closed: (parent, request) => this.act(parent, (given) => closeChild(given, request)),
      log,
    });
  }

  /** What the parent wants of its children now, without keeping it unpacked. */
  #wantedChildren(parent: string): readonly ChildCommand[] {
    const state = this.partition.table.peek(parent);
    const definition = state && this.#options.catalog.definition(state.workflowDigest);
    if (state === undefined || definition === undefined) return [];
    return plan({ state, definition }).filter((command) => 'request' in command);
  }

  /** What is to be done for the run and is not known to be done. */
  #pending(state: RunState, definition: Definition): readonly Command[] {
    return plan({ state, definition }).filter(
      (command) =>
        !(command.kind === 'TellParent' && this.#told.has(state.run)) &&
        !(command.kind === 'StartFallback' && this.#fallbacks.has(command.run)),
    );
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

  #facetsOf(state: RunState): Facets | undefined {
    const definition = this.#options.catalog.definition(state.workflowDigest);
    return definition === undefined ? undefined : facetsOf({ state, definition }, this.#pending(state, definition));
  }

  #openProjections(changed: Iterable<string>): void {
    const { number: partition, table } = this.partition;
    void this.projections.open({ partition, open: () => table.shownOpen(), changed, closed: table.shownClosed() });
  }

  /** Gives what wakes soon a timer. */
  #wake(): void {
    const until = this.#options.ports.clock.now() + HORIZON_MS;
    for (const { run, at } of this.partition.table.waking(until)) this.timers.set(run, at);
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
}
