// Owns: the evidence of rollouts: asked of engines, appended to the log, judged.
//   V1: the log comes first: nothing is judged that is not in it. What is in memory is a cache of it.
//   V2: whoever loses the race for an append reads the log again; an engine that does not answer is a fact of the log, too.
//   V3: keys are noted only while every partition goes by one weight: what is assigned in between belongs to no share.
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type { EvidenceRecord, RecordOf } from '../../api/messages/evidence.ts';
import type { EngineReply } from '../../api/messages/asks.ts';
import type { OutcomesReply, RunOutcome } from '../../api/messages/rollout.ts';
import { engineSubject } from '../../api/messages/subjects.ts';
import { type Evidence, fold, noEvidence } from '../../core/rollout/evidence.ts';
import { judge } from '../../core/rollout/judge.ts';
import { startEvidence } from '../../core/rollout/metrics.ts';
import { isEnded, isGoingBack, phaseOf } from '../../core/rollout/move.ts';
import { UnitBook } from '../../core/rollout/units.ts';
import type { Bus } from '../../ports/bus.ts';
import type { EvidenceLog } from '../../ports/evidence.ts';
import { failpoint } from '../../ports/failpoint.ts';
import type { Clock } from '../../ports/system.ts';
import type { RolloutObject } from '../catalog/objects.ts';
import type { SeenEvidence } from './observe.ts';

export interface EvidenceSource {
  readonly log: EvidenceLog;
  readonly bus: Pick<Bus, 'ask'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly partitions: number;
}

/** Engines are asked at most this often about one rollout. */
const askEveryMs = 2_000;
/** Without anything new the log still says that somebody looked. */
const tellEveryMs = 300_000;
const failuresMax = 3;
const failedEveryMs = 60_000;
const outcomesMax = 1_000;
/** Answers of one partition in one look; the rest comes with the next. */
const pagesMax = 20;
const timeoutMs = 5_000;
/** Mature units of one look, by records. */
const recordsMax = 20;
/** Appends in a row that come to nothing before that is an error of the judge. */
const lostMax = 3;

type Keys = OutcomesReply['keys'];
type ToldKeys = Pick<OutcomesReply, 'keys' | 'more'>;

interface Known {
  position: number;
  evidence: Evidence;
  readonly book: UnitBook;
  readonly cursors: Map<number, number>;
  /** Of each partition, as in the log. */
  readonly keys: Map<number, string>;
  askedAt: number;
}

export class EvidenceKeeper {
  readonly #source: EvidenceSource;
  readonly #known = new Map<string, Known>();
  /** Appends in a row that came to nothing, by rollout. */
  readonly #lost = new Map<string, number>();

  constructor(source: EvidenceSource) {
    this.#source = source;
  }

  /** What is known of a rollout that somebody was offered. A log that fails is an error of the judge: the way back needs none. */
  async look(root: RolloutObject): Promise<SeenEvidence> {
    try {
      return await this.#look(root);
    } catch (error) {
      if (!isSignalboxError(error)) throw error;
      this.#known.delete(root.metadata.uid ?? '');
      return broken(`the evidence log fails: ${error.message}`);
    }
  }

  async #look(root: RolloutObject): Promise<SeenEvidence> {
    const { uid = '' } = root.metadata;
    const { status = {} } = root;
    // The way back needs no evidence, and waits for nobody who has some.
    const isOver = isEnded(phaseOf(status)) || isGoingBack(phaseOf(status));
    if (isOver) this.#forget(uid);
    if (status.weight === undefined || isOver) return {};
    const now = this.#source.clock.now();
    const known = this.#known.get(uid) ?? (await this.#load(root, now));
    if (known === undefined) return {};
    this.#known.set(uid, known);
    if (now - known.askedAt >= askEveryMs) {
      known.askedAt = now;
      if (!(await this.#ask(root, known, now))) {
        this.#known.delete(uid);
        return this.#unwritten(uid);
      }
      this.#lost.delete(uid);
    }
    return { judgement: judge(known.evidence, now) };
  }

  #forget(uid: string): void {
    this.#known.delete(uid);
    this.#lost.delete(uid);
  }

  /** Once somebody else may have been faster; again and again nothing can be written, and nobody knows what is missing. */
  #unwritten(uid: string): SeenEvidence {
    const times = (this.#lost.get(uid) ?? 0) + 1;
    this.#lost.set(uid, times);
    if (times < lostMax) return {};
    return broken(`the evidence log has taken no record ${times} times in a row`);
  }

  /** The log as it is; a new one is begun. */
  async #load(root: RolloutObject, now: number): Promise<Known | undefined> {
    const { uid = '' } = root.metadata;
    const read = await this.#source.log.read(uid);
    const begun = read.records.length > 0 ? read : await this.#begin(root, now);
    const start = begun?.records.find((record) => record.type === 'Started');
    if (begun === undefined) return undefined;
    if (start === undefined) throw new SignalboxError('JOURNAL_CORRUPT', `the log of rollout ${uid} has no beginning`);
    const book = new UnitBook(start);
    book.know(begun.records);
    const evidence = fold(begun.records, noEvidence);
    return { position: begun.position, evidence, book, cursors: new Map(), keys: keysOf(begun.records), askedAt: 0 };
  }

  async #begin({ metadata: { uid = '' }, spec }: RolloutObject, now: number) {
    const start = startEvidence(spec.release, { durationsMs: [], costsMicros: [] }, { rollout: uid, at: now });
    const position = await this.#write(uid, [start], 0);
    return position === undefined ? undefined : { records: [start], position };
  }

  /** False: the log is another one than was known. */
  async #ask(root: RolloutObject, known: Known, now: number): Promise<boolean> {
    const records: EvidenceRecord[] = [];
    const failures: string[] = [];
    let isPartial = false;
    for (let partition = 0; partition < this.#source.partitions; partition += 1) {
      const told = await this.#outcomes(root, known, partition);
      if (typeof told === 'string') failures.push(told);
      else {
        isPartial ||= told.more;
        records.push(...noteKeys(root, known, { partition, keys: told.keys, now }));
      }
    }
    records.push(...known.book.strikes(now), ...known.book.freeze(now), ...failed(known, failures, now));
    if (records.length > 0 && !(await this.#append(root, known, records))) return false;
    // Without all that every partition has to tell nobody knows which unit is next.
    return failures.length > 0 || isPartial || this.#mature(root, known, now);
  }

  /** Reads what one partition has to tell into the book; its keys so far and whether there is more, or why it tells nothing. */
  async #outcomes(root: RolloutObject, { book, cursors }: Known, partition: number): Promise<ToldKeys | string> {
    const { uid: rollout = '' } = root.metadata;
    for (let page = 0; ; page += 1) {
      const after = cursors.get(partition) ?? 0;
      const payload = { rollout, after, max: outcomesMax };
      try {
        const subject = engineSubject(partition, 'outcomes');
        const reply = await this.#source.bus.ask<EngineReply<OutcomesReply>>(subject, payload, timeoutMs);
        if (!reply.ok) return `partition ${partition}: ${reply.message}`.slice(0, 256);
        const { outcomes, cursor, more, keys } = reply.result;
        book.note(compared(root, outcomes));
        cursors.set(partition, cursor);
        if (!more || page + 1 >= pagesMax) return { keys, more };
      } catch (error) {
        if (!isSignalboxError(error)) throw error;
        return `partition ${partition}: ${error.message}`.slice(0, 256);
      }
    }
  }

  /** Units whose time is over, and at the end what is left; with none, from time to time that somebody looked. */
  async #mature(root: RolloutObject, known: Known, now: number): Promise<boolean> {
    for (let count = 0; count < recordsMax; count += 1) {
      const record = known.book.mature(known.evidence, now);
      const isQuiet =
        record.units.length === 0 && known.evidence.ledger === undefined && isSame(record, known.evidence);
      if (isQuiet && now - known.evidence.lastAt < tellEveryMs) return true;
      if (!(await this.#append(root, known, [record]))) return false;
      if (record.units.length === 0) return true;
    }
    return true;
  }

  async #append({ metadata: { uid = '' } }: RolloutObject, known: Known, records: readonly EvidenceRecord[]) {
    const position = await this.#write(uid, records, known.position);
    if (position === undefined) return false;
    known.position = position;
    known.book.know(records);
    known.evidence = fold(records, known.evidence);
    return true;
  }

  async #write(uid: string, records: readonly EvidenceRecord[], position: number): Promise<number | undefined> {
    failpoint('operator.evidence.before');
    const after = await this.#source.log.append(uid, records, position);
    failpoint('operator.evidence.appended');
    return after;
  }
}

const broken = (why: string): SeenEvidence => ({
  judgement: { verdict: 'Error', kill: false, cause: 'JudgeDown', why: why.slice(0, 512), units: 0 },
});

/** A few times in a row are told at once, since they count; then from time to time. */
function failed({ evidence }: Known, failures: readonly string[], now: number): readonly EvidenceRecord[] {
  const isTold = (evidence.ledger?.times ?? 0) >= failuresMax && now - evidence.lastAt < failedEveryMs;
  if (failures.length === 0 || isTold) return [];
  return [{ type: 'SourceFailed', at: now, message: failures.join('; ').slice(0, 512) }];
}

const isSame = ({ open, dropped }: RecordOf<'UnitsMatured'>, evidence: Evidence): boolean =>
  JSON.stringify([open, dropped]) === JSON.stringify([evidence.open, evidence.dropped]);

function keysOf(records: readonly EvidenceRecord[]): Map<number, string> {
  const keys = new Map<number, string>();
  for (const record of records) if (record.type === 'KeysAssigned') keys.set(record.partition, keysText(record));
  return keys;
}

const keysText = ({ weightBps, keys }: Pick<RecordOf<'KeysAssigned'>, 'weightBps' | 'keys'>): string =>
  JSON.stringify([weightBps, keys.stable, keys.canary, keys.excluded]);

function noteKeys(
  { status = {} }: RolloutObject,
  known: Known,
  { partition, keys, now }: { readonly partition: number; readonly keys: Keys; readonly now: number },
): readonly EvidenceRecord[] {
  const { weight } = status;
  if (weight === undefined || weight.desiredBps !== weight.observedBps) return [];
  const record = { type: 'KeysAssigned', at: now, partition, weightBps: weight.observedBps, keys } as const;
  if (known.keys.get(partition) === keysText(record)) return [];
  known.keys.set(partition, keysText(record));
  return [record];
}

/** After the promotion the stable arm has the new bundle, too: its runs compare with nothing. */
function compared({ status = {} }: RolloutObject, outcomes: readonly RunOutcome[]): readonly RunOutcome[] {
  if (status.promoted !== true) return outcomes;
  const at = Date.parse(status.decisions?.findLast(({ to }) => to === 'Promoting')?.at ?? '');
  // When that was is not known any more: no run of that arm can be told apart.
  return outcomes.filter(({ arm, assignedAt }) => arm === 'canary' || assignedAt < at);
}
