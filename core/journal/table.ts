// Owns: the runs of one partition in memory. A run at work is an object; one that waits, or has ended, is packed into bytes.
//   T1: the first touch unpacks a run; nobody above sees a difference.
//   T2: lists, timers and bus events look at columns: none of them unpacks runs that it does not return.
//   T3: a snapshot shows every run as it was when it began, whatever happens meanwhile.
import type { RunStatus } from '../../api/messages/history.ts';
import type { VersionCounts } from '../../api/messages/versions.ts';
import type { RunState } from '../workflow/state.ts';
import { isShown } from '../workflow/summary.ts';
import { Arena } from './arena.ts';
import { Awaiting } from './awaiting.ts';
import { closedStatus, Columns, flagQuiet, flagRests, flagShown, flagUnprojected, statuses } from './columns.ts';
import type { StatePacking, TableEntry } from './entries.ts';
import { eventKey, type Facets, flagsOf } from './facets.ts';
import { groupUnknown, Groups } from './groups.ts';
import type { RunQuery } from './query.ts';
import type { RunRoles } from './rollouts.ts';
import { Snapshot } from './snapshot.ts';

/** Ticks without a touch after which a quiet run is packed. */
const restTicks = 2;

export class RunTable {
  readonly #packing: StatePacking | undefined;
  readonly #columns = new Columns();
  readonly #slots = new Map<string, number>();
  #names: (string | undefined)[] = [];
  readonly #hot = new Map<number, RunState>();
  readonly #awaiting = new Awaiting();
  readonly #groups = new Groups();
  #arena = new Arena();
  #tick = 1;
  #snapshot: Snapshot | undefined;

  /** Without packing every run stays an object. */
  constructor(packing?: StatePacking) {
    this.#packing = packing;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Runs that are objects now. */
  get resident(): number {
    return this.#hot.size;
  }

  get packedBytes(): number {
    return this.#arena.heldBytes;
  }

  has(run: string): boolean {
    return this.#slots.has(run);
  }

  get(run: string): RunState | undefined {
    const slot = this.#slots.get(run);
    if (slot === undefined) return undefined;
    this.#columns.touched[slot] = this.#tick;
    const hot = this.#hot.get(slot);
    if (hot !== undefined) return hot;
    const state = this.#unpack(slot, run);
    this.#release(slot);
    this.#hot.set(slot, state);
    return state;
  }

  /** As it is now, without keeping it unpacked. */
  peek(run: string): RunState | undefined {
    const slot = this.#slots.get(run);
    return slot === undefined ? undefined : (this.#hot.get(slot) ?? this.#unpack(slot, run));
  }

  set(run: string, state: RunState): void {
    const slot = this.#slots.get(run) ?? this.#add(run);
    this.#preserve(slot, run);
    this.#release(slot);
    this.#hot.set(slot, state);
    const columns = this.#columns;
    this.#count(slot, -1);
    columns.touched[slot] = this.#tick;
    columns.status[slot] = statuses.indexOf(state.status);
    columns.startedAt[slot] = state.startedAt;
    columns.closedAt[slot] = state.closedAt ?? 0;
    // What it keeps to the end is said by its first event.
    if (columns.group[slot] === groupUnknown) columns.group[slot] = this.#groups.numberOf(state);
    columns.flags[slot] = isShown(state) ? flagShown : 0;
    this.#count(slot, 1);
  }

  /** What follows from the run's state, once it is known. */
  note(run: string, facets: Facets): void {
    const slot = this.#slots.get(run);
    if (slot === undefined) return;
    this.#columns.wakeAt[slot] = facets.wakeAt ?? Number.POSITIVE_INFINITY;
    this.#columns.flags[slot] = flagsOf(facets) | ((this.#columns.flags[slot] ?? 0) & flagShown);
    this.#await(slot, facets.awaits ?? 0);
  }

  /** Segment of the archive that holds the newest archived events of the run. */
  archived(run: string, segment: number): void {
    const slot = this.#slots.get(run);
    if (slot === undefined) return;
    this.#columns.lastSegment[slot] = segment;
    if (this.#columns.firstSegment[slot] === 0) this.#columns.firstSegment[slot] = segment;
  }

  segmentOf(run: string): number {
    const slot = this.#slots.get(run);
    return slot === undefined ? 0 : (this.#columns.lastSegment[slot] ?? 0);
  }

  /** The oldest archive segment that a run still needs; Infinity when none does. */
  oldestSegment(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const slot of this.#slots.values()) {
      const segment = this.#columns.firstSegment[slot] ?? 0;
      if (segment > 0 && segment < oldest) oldest = segment;
    }
    return oldest;
  }

  /** Every run, unpacked for the moment. */
  *states(): Generator<RunState> {
    for (const run of this.#slots.keys()) {
      const state = this.peek(run);
      if (state !== undefined) yield state;
    }
  }

  /** Runs for which something is to be done, or may be: their facets are not known yet. */
  unsettled(): readonly string[] {
    return this.#where((slot) => ((this.#columns.flags[slot] ?? 0) & flagQuiet) === 0);
  }

  /** Runs of the checkpoint that people may see as they were before. */
  unprojected(): readonly string[] {
    return this.#flagged(flagUnprojected);
  }

  /** Runs that an object shows, or that people were asked about, and that have not ended. */
  shownOpen(): readonly string[] {
    const { flags, status } = this.#columns;
    return this.#where((slot) => status[slot] !== closedStatus && ((flags[slot] ?? 0) & flagShown) !== 0);
  }

  /** … and that have ended; the first to end first. */
  shownClosed(): readonly string[] {
    const { flags, status, closedAt } = this.#columns;
    return this.#slotsWhere((slot) => status[slot] === closedStatus && ((flags[slot] ?? 0) & flagShown) !== 0)
      .toSorted((left, right) => (closedAt[left] ?? 0) - (closedAt[right] ?? 0))
      .map((slot) => this.#names[slot] ?? '');
  }

  /** Runs that may wait for exactly this event. */
  awaiting(namespace: string, subject: string, key: string): readonly string[] {
    const slots = this.#awaiting.of(eventKey(namespace, subject, key));
    return slots.map((slot) => this.#names[slot]).filter((run) => run !== undefined);
  }

  /** Runs that wake before this time. */
  waking(before: number): readonly { readonly run: string; readonly at: number }[] {
    const { wakeAt } = this.#columns;
    const found = this.#slotsWhere((slot) => (wakeAt[slot] ?? Number.POSITIVE_INFINITY) < before);
    return found.map((slot) => ({ run: this.#names[slot] ?? '', at: wakeAt[slot] ?? 0 }));
  }

  /** The newest first. */
  find({ namespace, workflow, status, since = 0, until = Infinity }: RunQuery): readonly string[] {
    const groups = this.#groups.fitting(namespace, workflow);
    const wanted = status === undefined ? undefined : statuses.indexOf(status as RunStatus);
    const columns = this.#columns;
    const found = this.#slotsWhere(
      (slot) =>
        groups.has(columns.group[slot] ?? 0) &&
        (wanted === undefined || wanted === columns.status[slot]) &&
        (columns.startedAt[slot] ?? 0) >= since &&
        (columns.startedAt[slot] ?? 0) <= until,
    );
    return found
      .toSorted((left, right) => (columns.startedAt[right] ?? 0) - (columns.startedAt[left] ?? 0))
      .map((slot) => this.#names[slot] ?? '');
  }

  /** Runs of a namespace that have not ended; counted as they change. */
  openOf(namespace: string): number {
    return this.#groups.openOf(namespace);
  }

  counts(): Readonly<Record<RunStatus, number>> {
    const counted = statuses.map(() => 0);
    for (const slot of this.#slots.values()) {
      const status = this.#columns.status[slot] ?? 0;
      counted[status] = (counted[status] ?? 0) + 1;
    }
    return Object.fromEntries(statuses.map((status, at) => [status, counted[at] ?? 0])) as Record<RunStatus, number>;
  }

  /** Packs at most `limit` runs that wait and are not touched. `again`: no time has passed; `all`: also others, while loading. */
  rest(limit: number, { again = false, all = false } = {}): number {
    if (!again) this.#tick += 1;
    const packing = this.#packing;
    if (packing === undefined) return 0;
    let packed = 0;
    for (const [slot, state] of this.#hot) {
      if (packed >= limit) break;
      const untouched = this.#tick - (this.#columns.touched[slot] ?? 0) > restTicks;
      if (!untouched || (!all && ((this.#columns.flags[slot] ?? 0) & (flagQuiet | flagRests)) === 0)) continue;
      this.#pack(slot, packing.pack(state));
      this.#hot.delete(slot);
      packed += 1;
    }
    if (this.#arena.wasteful) this.#compact();
    return packed;
  }

  /** Closed runs whose time is over, and the oldest ones above `countMax`. Only what is archived and settled. */
  expired(closedBefore: number, countMax: number): readonly string[] {
    const columns = this.#columns;
    const closed = this.#slotsWhere((slot) => columns.status[slot] === closedStatus);
    const ready = closed.filter(
      (slot) => ((columns.flags[slot] ?? 0) & flagQuiet) !== 0 && (columns.lastSegment[slot] ?? 0) > 0,
    );
    const byAge = ready.toSorted((left, right) => (columns.closedAt[left] ?? 0) - (columns.closedAt[right] ?? 0));
    const surplus = Math.max(0, closed.length - countMax);
    return byAge
      .filter((slot, at) => at < surplus || (columns.closedAt[slot] ?? 0) < closedBefore)
      .map((slot) => this.#names[slot] ?? '');
  }

  drop(run: string): void {
    const slot = this.#slots.get(run);
    if (slot === undefined) return;
    this.#count(slot, -1);
    this.#slots.delete(run);
    this.#names[slot] = undefined;
    this.#hot.delete(slot);
    this.#release(slot);
    this.#await(slot, 0);
    if (this.#snapshot === undefined) this.#columns.giveBack(slot);
    else this.#snapshot.givenBack.push(slot);
  }

  namespaceOf(run: string): string {
    return this.#groups.namespaceOf(this.#columns.group[this.#slots.get(run) ?? 0] ?? 0);
  }

  /** What the run counts for in rollouts. */
  rolesOf(run: string): RunRoles {
    return this.#groups.rolesOf(this.#columns.group[this.#slots.get(run) ?? -1] ?? groupUnknown);
  }

  /** How many open runs keep to which version. */
  versions(): VersionCounts {
    return this.#groups.versions();
  }

  /** What runs share, by number. */
  groups(): readonly string[] {
    return this.#groups.names();
  }

  restoreGroups(groups: readonly string[]): void {
    this.#groups.restore(groups);
  }

  dictionaries(): readonly string[] {
    return this.#packing?.dictionaries() ?? [];
  }

  /** The last part of a checkpoint: from now on its runs can be unpacked. */
  restoreDictionaries(dictionaries: readonly string[]): void {
    this.#packing?.restore(dictionaries);
    for (const [run, slot] of this.#slots) {
      if (this.#groups.isWhole(this.#columns.group[slot] ?? groupUnknown)) continue;
      this.#count(slot, -1);
      this.#columns.group[slot] = this.#groups.numberOf(this.#hot.get(slot) ?? this.#unpack(slot, run));
      this.#count(slot, 1);
    }
  }

  /** A run of a checkpoint. */
  restore(entry: TableEntry): void {
    const slot = this.#add(entry.run);
    this.#columns.write(slot, { ...entry, awaits: 0, group: this.#groups.restored(entry.group) });
    this.#count(slot, 1);
    this.#pack(slot, entry.bytes);
    this.#await(slot, entry.awaits);
  }

  /** T3: from now on `take` gives out every run as it is at this moment. */
  beginSnapshot(): void {
    this.#snapshot = new Snapshot(this.#columns.size, this.#slots.values());
  }

  /** The next run of the snapshot; undefined at its end. `facetsOf` is asked about runs that are objects. */
  take(facetsOf: (state: RunState) => Facets | undefined): TableEntry | undefined {
    const next = this.#snapshot?.next((slot) => this.#names[slot] !== undefined);
    if (next === undefined) return undefined;
    const { slot, before = this.#hot.get(slot) } = next;
    return before === undefined ? this.#packedEntry(slot) : this.#entryOf(slot, before, facetsOf(before));
  }

  endSnapshot(): void {
    for (const slot of this.#snapshot?.givenBack ?? []) this.#columns.giveBack(slot);
    this.#snapshot = undefined;
  }

  #packedEntry(slot: number): TableEntry {
    const { place, length } = this.#columns;
    const bytes = this.#arena.get(place[slot] ?? 0, length[slot] ?? 0);
    return { ...this.#columns.read(slot), run: this.#names[slot] ?? '', bytes };
  }

  #entryOf(slot: number, state: RunState, facets: Facets | undefined): TableEntry {
    return {
      ...this.#columns.read(slot),
      run: state.run,
      bytes: this.#packed().pack(state),
      status: statuses.indexOf(state.status),
      closedAt: state.closedAt ?? 0,
      wakeAt: facets?.wakeAt ?? Number.POSITIVE_INFINITY,
      awaits: facets?.awaits ?? 0,
      flags: (facets === undefined ? 0 : flagsOf(facets)) | (isShown(state) ? flagShown : 0),
    };
  }

  #packed(): StatePacking {
    if (this.#packing === undefined) throw new Error('this table was made without packing');
    return this.#packing;
  }

  #add(run: string): number {
    const slot = this.#columns.add();
    this.#slots.set(run, slot);
    this.#names[slot] = run;
    return slot;
  }

  /** T3: the run is about to change. */
  #preserve(slot: number, run: string): void {
    const snapshot = this.#snapshot;
    if (snapshot?.needs(slot) === true) snapshot.keep(slot, this.#hot.get(slot) ?? this.#unpack(slot, run));
  }

  #unpack(slot: number, run: string): RunState {
    const { place, length } = this.#columns;
    return this.#packed().unpack(run, this.#arena.get(place[slot] ?? 0, length[slot] ?? 0));
  }

  #pack(slot: number, bytes: Uint8Array): void {
    this.#columns.place[slot] = this.#arena.put(bytes);
    this.#columns.length[slot] = bytes.length;
  }

  #release(slot: number): void {
    this.#arena.free(this.#columns.length[slot] ?? 0);
    this.#columns.length[slot] = 0;
  }

  #compact(): void {
    const before = this.#arena;
    this.#arena = new Arena();
    const { place, length } = this.#columns;
    for (const slot of this.#slots.values()) {
      const bytes = length[slot] ?? 0;
      if (bytes > 0) place[slot] = this.#arena.put(before.get(place[slot] ?? 0, bytes));
    }
  }

  #await(slot: number, key: number): void {
    const before = this.#columns.awaits[slot] ?? 0;
    if (before === key) return;
    this.#columns.awaits[slot] = key;
    if (before !== 0) this.#awaiting.delete(before, slot);
    if (key !== 0) this.#awaiting.add(key, slot);
  }

  /** An open run whose group is known counts for its versions. */
  #count(slot: number, by: 1 | -1): void {
    const { group, status } = this.#columns;
    if (group[slot] !== groupUnknown && status[slot] !== closedStatus) this.#groups.count(group[slot] ?? 0, by);
  }

  #flagged(flag: number): readonly string[] {
    return this.#where((slot) => ((this.#columns.flags[slot] ?? 0) & flag) !== 0);
  }

  #where(fits: (slot: number) => boolean): readonly string[] {
    return this.#slotsWhere(fits).map((slot) => this.#names[slot] ?? '');
  }

  #slotsWhere(fits: (slot: number) => boolean): readonly number[] {
    const found = [];
    for (let slot = 0; slot < this.#columns.size; slot += 1) {
      if (this.#names[slot] !== undefined && fits(slot)) found.push(slot);
    }
    return found;
  }
}
