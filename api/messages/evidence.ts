// Owns: the records of the evidence log of a rollout (`evidence.<uid>`): all that its verdicts rest on, in the order in which the
// operator appended it. Records are never changed; a new meaning is a new type or an optional member.
import type { ledgerMetrics, metricDirections, metricRoles, metricSources } from '../v1alpha1/release.ts';
import type { RolloutReason } from '../v1alpha1/rollout.ts';
import type { Arm } from './rollout.ts';

/** A metric as it is judged: margins, chances and thresholds are frozen when the analysis starts. */
export interface JudgedMetric {
  readonly name: string;
  readonly role: (typeof metricRoles)[number];
  readonly source: (typeof metricSources)[number];
  readonly of?: (typeof ledgerMetrics)[number];
  readonly direction: (typeof metricDirections)[number];
  readonly abortMargin: number;
  readonly passMargin: number;
  /** Chance of a false alarm, and of a false Pass. */
  readonly alpha: { readonly harm: number; readonly pass: number };
  readonly minUnits: number;
  readonly killSwitch: boolean;
  readonly maturityMs: number;
  readonly withinMs?: number;
  readonly budgetMicros?: number;
  /** Why it cannot be judged: a threshold is missing. */
  readonly unjudged?: string;
  /** Nobody asked for it by name: while it cannot be judged, it is only shown. */
  readonly byDefault?: true;
}

/** What a metric is measured by. */
export type Threshold = Pick<JudgedMetric, 'withinMs' | 'budgetMicros'>;

/** One mature unit: a sticky key with the runs that count for it. */
export interface EvidenceUnit {
  readonly unit: string;
  readonly arm: Arm;
  /** When its first run was assigned. */
  readonly assignedAt: number;
  readonly runs: number;
  /** By name of the metric, 0 to 1 in the metric's own sense; absent: this unit says nothing about it. */
  readonly values: Readonly<Record<string, number>>;
}

/** What a provider said of one arm, as it said it: `NaN` and nothing are answers, too. */
export interface SampledArm {
  readonly numerator?: string;
  readonly denominator?: string;
  /** Milliseconds since the epoch: of the newest value it rests on. */
  readonly takenAt?: number;
  /** Instances that were asked for their numbers, and those that gave them. */
  readonly instances?: { readonly expected: number; readonly seen: number };
}

export type ByArm<T> = Readonly<Record<Arm, T>>;

interface At {
  /** Milliseconds since the epoch, of the clock of whoever appended it. */
  readonly at: number;
}

export type EvidenceRecord = At &
  (
    | {
        readonly type: 'Started';
        readonly rollout: string;
        readonly metrics: readonly JudgedMetric[];
        /** Runs of a key that begin within this time of its first one count for it; 0: each run is its own unit. */
        readonly windowMs: number;
      }
    /** Thresholds that were missing at the start, from stable runs of the rollout itself: units count from then on. */
    | { readonly type: 'ThresholdsFrozen'; readonly thresholds: Readonly<Record<string, Threshold>> }
    /** Units in the order of their assignment. With none: the ledger was asked, and nothing is new. */
    | {
        readonly type: 'UnitsMatured';
        readonly units: readonly EvidenceUnit[];
        /** Units whose time is not over. */
        readonly open: ByArm<number>;
        /** Units that say nothing, since people cancelled their runs; all so far. */
        readonly dropped: ByArm<number>;
      }
    /** Keys that a partition has assigned so far. */
    | {
        readonly type: 'KeysAssigned';
        readonly partition: number;
        /** The weight that the partition goes by. */
        readonly weightBps: number;
        readonly keys: ByArm<number> & { readonly excluded: number };
      }
    /** An event of a metric with a kill switch, told at once. */
    | { readonly type: 'Struck'; readonly metric: string; readonly arm: Arm; readonly run: string }
    | { readonly type: 'Sampled'; readonly metric: string; readonly arms: ByArm<SampledArm> }
    /** A metric's provider, or without a metric the ledger, could not be asked. */
    | { readonly type: 'SourceFailed'; readonly metric?: string; readonly message: string }
    | { readonly type: 'Stopped'; readonly cause: RolloutReason; readonly why: string }
  );
export type RecordOf<T extends EvidenceRecord['type']> = Extract<EvidenceRecord, { readonly type: T }>;
