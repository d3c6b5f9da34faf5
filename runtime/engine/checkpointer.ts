// Owns: keeping a partition's journal short: archive, checkpoint, purge, in this order.
//   K1: the journal loses a record only after a complete checkpoint at or after it, and its events are in the archive.
//   K2: each step may be repeated: what a crash leaves half done is never looked at, and taken away by the next checkpoint.
//   K3: the partition goes on meanwhile: work is done in small portions.
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import { SegmentBuilder } from '../../core/journal/archive.ts';
import type { ChainEnd } from '../../core/journal/chain.ts';
import { type CheckpointHead, encodeEntry, isCheckpointDue } from '../../core/journal/checkpoint.ts';
import { flagUnprojected } from '../../core/journal/columns.ts';
import { facetsVersion, type Facets } from '../../core/journal/facets.ts';
import type { RunState } from '../../core/workflow/state.ts';
import { failpoint } from '../../ports/failpoint.ts';
import type { LedgerSweep, PartitionJournal } from '../../ports/journal.ts';
import type { Clock, Log } from '../../ports/system.ts';
import type { Loaded } from './loading.ts';
import type { EngineMetrics } from './metrics.ts';
import type { Partition } from './partition.ts';
import { storageDefault, type StorageSettings } from './ports.ts';

export interface CheckpointerOptions {
  readonly partition: Partition;
  readonly journal: PartitionJournal;
  readonly ledger: LedgerSweep;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: EngineMetrics;
  readonly storage?: StorageSettings | undefined;
  /** Undefined while the run's workflow is not known. */
  readonly facetsOf: (state: RunState) => Facets | undefined;
  /** True when people do not see the run as it is yet. */
  readonly unprojected: (run: string) => boolean;
  /** Uids of the rollouts that are under way. */
  readonly offered: () => ReadonlySet<string>;
  /** Somebody else writes to the partition: it must be loaded again. */
  readonly lost: (error: unknown) => void;
}

const RETRY_MS = 10_000;
/** Runs, and bytes of records, after which others have their turn. */
const portionRuns = 256;
const portionBytes = 256_000;
/** Closed runs that are forgotten before one checkpoint: each is a purge of its ledger. */
const forgottenMax = 500;

/** Closed runs of one rollout in the partition that are kept while it is under way, however old they are. */
const keptMax = 200_000;

/** How a run fared is known as long as its rollout is under way. */
function isKept({ table, writer }: Partition, run: string, offered: ReadonlySet<string>): boolean {
  if (offered.size === 0) return false;
  return table.rolesOf(run).some(([uid]) => offered.has(uid) && writer.rollouts.runs(uid) <= keptMax);
}

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  #last: { seq: number; bytes: number; at: number };
  #archivedTo: number;
  #notBefore = 0;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: CheckpointerOptions, loaded: Loaded) {
    this.#options = options;
    const at = loaded.checkpointAt === 0 ? options.clock.now() : loaded.checkpointAt;
    this.#last = { seq: loaded.checkpointSeq, bytes: loaded.checkpointBytes, at };
    this.#archivedTo = loaded.archivedTo;
  }

  /** What the journal takes on disk now. Begins a checkpoint when one is due. */
  measured(size: { readonly bytes: number; readonly fullness: number }): void {
    const { partition, clock, metrics, storage = storageDefault } = this.#options;
    const since = {
      ...size,
      records: partition.seq - this.#last.seq,
      ms: clock.now() - this.#last.at,
      lastBytes: this.#last.bytes,
    };
    metrics.journal(partition.number, { ...size, checkpointAgeMs: since.ms, checkpointBytes: since.lastBytes });
    if (this.#running !== undefined || this.#stopped || clock.now() < this.#notBefore || !partition.serving) return;
    if (isCheckpointDue(since, storage.checkpoint)) this.#running = this.#run();
  }

  /** Stops between two portions; what was begun is repeated by the next owner. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const { partition, log, clock, metrics } = this.#options;
    const { table } = partition;
    const started = performance.now();
    try {
      await this.#forget();
      const floor = table.oldestSegment();
      const end = await partition.cut();
      const segments = await this.#archive(end.seq);
      const bytes = await this.#write(end);
      this.#last = { seq: end.seq, bytes, at: clock.now() };
      await this.#purge(end.seq, Math.min(floor, segments[0] ?? Number.POSITIVE_INFINITY));
      const ms = Math.round(performance.now() - started);
      metrics.checkpointed(partition.number, ms / 1_000);
      log.info('a checkpoint is complete', {
        record: end.seq,
        bytes,
        runs: partition.table.size,
        segments: segments.length,
        ms,
      });
    } catch (error) {
      this.#failed(error);
    } finally {
      table.endSnapshot();
      this.#running = undefined;
    }
  }

  #failed(error: unknown): void {
    const { log, clock, lost } = this.#options;
    this.#notBefore = clock.now() + RETRY_MS;
    if (this.#stopped || isSignalboxError(error, 'NOT_OWNER')) return;
    if (isSignalboxError(error, 'JOURNAL_FENCED') || isSignalboxError(error, 'JOURNAL_CORRUPT')) {
      lost(error);
      return;
    }
    log.error('a checkpoint could not be made; it is tried again', { error });
  }

  /** Closed runs whose time is over leave memory, and their ledger is emptied: the next checkpoint does not know them. */
  async #forget(): Promise<void> {
    const { partition, ledger, clock, storage = storageDefault } = this.#options;
    const expired = partition.table.expired(clock.now() - storage.closedMs, storage.closedMax);
    const offered = this.#options.offered();
    const over = expired.filter((run) => !isKept(partition, run, offered)).slice(0, forgottenMax);
    for (const run of over) {
      const state = partition.table.peek(run);
      if (state === undefined || this.#stopped || partition.writer.recordsOf(run).length > 0) continue;
      if (state.effects > 0) await ledger.forget(state.namespace, run);
      partition.writer.forget(run);
    }
  }

  /** Takes the events of the records up to `to` into the archive; resolves with the new segments. */
  async #archive(to: number): Promise<readonly number[]> {
    const { journal, clock } = this.#options;
    const segments: number[] = [];
    let read = 0;
    const builder = new SegmentBuilder();
    let expected = this.#archivedTo + 1;
    failpoint('engine.archive.before');
    for await (const stored of journal.readStored(expected)) {
      if (stored.seq > to) break;
      if (stored.seq !== expected) throw this.#gone(expected);
      expected += 1;
      builder.add(stored.seq, stored.record, stored.bytes);
      if (builder.full) segments.push(await this.#close(builder));
      read += stored.bytes;
      if (read < portionBytes) continue;
      read = 0;
      await clock.sleep(1);
    }
    if (expected !== to + 1) throw this.#gone(expected);
    if (!builder.empty) segments.push(await this.#close(builder));
    return segments;
  }

  async #close(builder: SegmentBuilder): Promise<number> {
    const { partition, journal } = this.#options;
    this.#assertGoing();
    const segment = builder.close((run) => partition.table.segmentOf(run));
    const number = await journal.archive.append(segment);
    failpoint('engine.archive.stored');
    this.#archivedTo = segment.to;
    for (const { run } of segment.runs) partition.writer.archived(run, segment.to, number);
    return number;
  }

  async #write(end: ChainEnd): Promise<number> {
    const { partition, journal, clock } = this.#options;
    const { table } = partition;
    const head: CheckpointHead = {
      v: 1,
      end,
      archivedTo: this.#archivedTo,
      facetsVersion,
      groups: table.groups(),
      at: clock.now(),
    };
    const counted = { runs: 0 };
    failpoint('engine.checkpoint.before');
    const tail = () => ({ runs: counted.runs, dictionaries: table.dictionaries() });
    const bytes = await journal.checkpoints.write(head, this.#pieces(counted), tail);
    failpoint('engine.checkpoint.complete');
    return bytes;
  }

  async *#pieces(counted: { runs: number }): AsyncGenerator<Uint8Array> {
    const { partition, clock, facetsOf, unprojected } = this.#options;
    for (let entry = partition.table.take(facetsOf); entry !== undefined; entry = partition.table.take(facetsOf)) {
      counted.runs += 1;
      const flags = entry.flags | (unprojected(entry.run) ? flagUnprojected : 0);
      yield encodeEntry({ ...entry, flags });
      if (counted.runs % portionRuns !== 0) continue;
      this.#assertGoing();
      await clock.sleep(1);
    }
  }

  async #purge(seq: number, floor: number): Promise<void> {
    const { journal } = this.#options;
    // The record of the checkpoint stays: an empty stream may forget where it was.
    await journal.purgeBefore(seq);
    failpoint('engine.purge.journal');
    await journal.checkpoints.purgeOlder();
    failpoint('engine.purge.checkpoints');
    if (Number.isFinite(floor)) await journal.archive.purgeBefore(floor);
    failpoint('engine.purge.archive');
    this.#options.metrics.archive(journal.partition, await journal.archive.bytes());
  }

  #assertGoing(): void {
    const { partition } = this.#options;
    if (this.#stopped || !partition.serving) throw partition.notOwner();
  }

  /** Another owner has taken the record away after a checkpoint of its own. */
  #gone(seq: number): Error {
    return new SignalboxError('JOURNAL_FENCED', `record ${seq} has left the journal: somebody else made a checkpoint`);
  }
}
