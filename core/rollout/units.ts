// Owns: which units are mature, in the order of their assignment.
//   U1: a unit counts when everything before it does: fast failures do not come first.
//   U2: what has not ended when its time is over counts as it stands.
//   U3: a jump of the clock makes nobody late: the time of what it hit begins anew.
//   U4: a unit counts once. The book is a cache: it is made again from the evidence log and from what the engines tell.
import type { EvidenceRecord, EvidenceUnit, JudgedMetric, RecordOf } from '../../api/messages/evidence.ts';
import type { Arm, RunOutcome } from '../../api/messages/rollout.ts';
import { type Evidence, isGap } from './evidence.ts';
import { withBranches } from './fared.ts';
import { type Counted, maturityOf, missingThresholds, valueOf, withThresholds } from './metrics.ts';

interface OpenUnit {
  readonly unit: string;
  readonly arm: Arm;
  firstAt: number;
  /** Its runs tell of both arms: it says nothing. */
  torn: boolean;
  readonly runs: Map<string, RunOutcome>;
}

/** Units of one record. */
export const unitsMax = 500;
/** Clocks of engines may differ by this much: what is younger may still get a predecessor. */
const skewMs = 10_000;
/** Units under way and units taken that the book keeps; what comes beyond counts as dropped. */
const openMax = 50_000;
const takenMax = 1_000_000;
const runsMax = 1_000;
const stableRunsMax = 500;

export class UnitBook {
  readonly #start: RecordOf<'Started'>;
  readonly #maturityMs: number;
  readonly #open = new Map<string, OpenUnit>();
  readonly #taken = new Set<string>();
  readonly #struck = new Set<string>();
  #metrics: readonly JudgedMetric[];
  /** Closed runs of stable: only those of taken units are looked at, so that the fast ones do not come first. */
  readonly #stableRuns = new Map<string, RunOutcome>();
  readonly #strikes = new Map<string, Omit<RecordOf<'Struck'>, 'at'>>();
  readonly #dropped: Record<Arm, number> = { stable: 0, canary: 0 };

  constructor(start: RecordOf<'Started'>) {
    this.#start = start;
    this.#metrics = start.metrics;
    this.#maturityMs = maturityOf(start.metrics);
  }

  /** What the log holds already. */
  know(records: readonly EvidenceRecord[]): void {
    for (const record of records) {
      if (record.type === 'Struck') {
        this.#struck.add(`${record.metric}/${record.run}`);
        this.#strikes.delete(`${record.metric}/${record.run}`);
      }
      if (record.type === 'ThresholdsFrozen') this.#metrics = withThresholds(this.#metrics, record.thresholds);
      if (record.type === 'UnitsMatured') for (const { unit } of record.units) this.#take(unit);
    }
  }

  /** What engines tell; the same may be told again. */
  note(outcomes: readonly RunOutcome[]): void {
    for (const outcome of outcomes) {
      if (outcome.excluded) continue;
      this.#strike(outcome);
      const { arm, run, closedAt, branchOf } = outcome;
      const isRun = arm === 'stable' && closedAt !== undefined && branchOf === undefined;
      if (isRun && this.#stableRuns.size < stableRunsMax) this.#stableRuns.set(run, outcome);
      if (!this.#taken.has(outcome.unit)) this.#add(outcome);
    }
  }

  /** Events of kill switches that are not in the log yet. */
  strikes(at: number): readonly RecordOf<'Struck'>[] {
    return Array.from(this.#strikes.values(), (strike) => ({ ...strike, at }));
  }

  /** Thresholds that were missing, once enough units of stable have counted. */
  freeze(at: number): readonly RecordOf<'ThresholdsFrozen'>[] {
    if (this.#metrics.every(({ unjudged }) => unjudged === undefined)) return [];
    const runs = [...this.#stableRuns.values()].filter(({ unit }) => this.#taken.has(unit));
    const thresholds = missingThresholds(this.#metrics, {
      durationsMs: runs.map(({ assignedAt, closedAt = assignedAt }) => Math.max(0, closedAt - assignedAt)),
      costsMicros: runs.map(({ costMicros }) => costMicros),
    });
    return Object.keys(thresholds).length === 0 ? [] : [{ type: 'ThresholdsFrozen', at, thresholds }];
  }

  /** The next record; with no units where none is mature, or where the clock has jumped since the last one. */
  mature(evidence: Evidence, at: number): RecordOf<'UnitsMatured'> {
    const units: EvidenceUnit[] = [];
    const waiting = [...this.#open.values()].toSorted(
      (left, right) => left.firstAt - right.firstAt || (left.unit < right.unit ? -1 : 1),
    );
    for (const open of isGap(evidence, at) ? [] : waiting) {
      if (units.length >= unitsMax || !this.#isMature(open, evidence, at)) break;
      const unit = this.#evidenceOf(open, evidence);
      if (unit) units.push(unit);
      else this.#drop(open);
    }
    const left = { stable: 0, canary: 0 };
    for (const { arm } of this.#open.values()) left[arm] += 1;
    for (const { arm } of units) left[arm] -= 1;
    return { type: 'UnitsMatured', at, units, open: left, dropped: { ...this.#dropped } };
  }

  #runsOf({ firstAt, runs }: OpenUnit): readonly RunOutcome[] {
    const { windowMs } = this.#start;
    const all = [...runs.values()];
    return windowMs === 0 ? all : all.filter(({ assignedAt }) => assignedAt <= firstAt + windowMs);
  }

  #isMature(open: OpenUnit, { settledFrom }: Evidence, at: number): boolean {
    const ageOf = (assignedAt: number): number => at - Math.max(assignedAt, settledFrom);
    // What is far in the future was stamped by a clock that has gone back since.
    if (open.firstAt <= at + skewMs && at < open.firstAt + Math.max(skewMs, this.#start.windowMs)) return false;
    return this.#runsOf(open).every(
      ({ assignedAt, closedAt }) => closedAt !== undefined || ageOf(assignedAt) >= this.#maturityMs,
    );
  }

  #evidenceOf(open: OpenUnit, { settledFrom }: Evidence): EvidenceUnit | undefined {
    const runs: Counted[] = withBranches(this.#runsOf(open))
      .filter(({ cancelledByUser }) => !cancelledByUser)
      .map((run) => ({ run, timed: run.assignedAt >= settledFrom || (run.closedAt ?? settledFrom) < settledFrom }));
    if (open.torn || runs.length === 0) return undefined;
    const values: Record<string, number> = {};
    for (const metric of this.#metrics) {
      const value = valueOf(metric, runs);
      if (value !== undefined) values[metric.name] = value;
    }
    return { unit: open.unit, arm: open.arm, assignedAt: open.firstAt, runs: runs.length, values };
  }

  #add(outcome: RunOutcome): void {
    const { unit, arm, assignedAt, run } = outcome;
    let open = this.#open.get(unit);
    if (!open) {
      if (this.#open.size >= openMax) {
        this.#drop(outcome);
        return;
      }
      open = { unit, arm, firstAt: assignedAt, torn: false, runs: new Map() };
      this.#open.set(unit, open);
    }
    if (open.runs.size >= runsMax && !open.runs.has(run)) return;
    open.firstAt = Math.min(open.firstAt, assignedAt);
    open.torn ||= open.arm !== arm;
    open.runs.set(run, outcome);
  }

  #strike({ violations, rejected, escalations, arm, run }: RunOutcome): void {
    const events: Partial<Record<string, number>> = {
      criticalViolation: violations.critical,
      minorViolation: violations.minor,
      verifierReject: rejected,
      escalation: escalations,
    };
    for (const { name: metric, killSwitch, of } of this.#metrics) {
      const key = `${metric}/${run}`;
      if (!killSwitch || (events[of ?? ''] ?? 0) === 0 || this.#struck.has(key)) continue;
      this.#strikes.set(key, { type: 'Struck', metric, arm, run });
    }
  }

  #drop({ arm, unit }: { readonly arm: Arm; readonly unit: string }): void {
    this.#dropped[arm] += 1;
    this.#take(unit);
  }

  #take(unit: string): void {
    this.#open.delete(unit);
    if (this.#taken.size < takenMax) this.#taken.add(unit);
  }
}
