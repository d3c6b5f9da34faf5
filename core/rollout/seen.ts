// Owns: what the state machine of a rollout looks at, and what it answers.
import type { RolloutReason, RolloutSpec, RolloutStatus, RolloutVerb, Verdict } from '../../api/v1alpha1/rollout.ts';

/** What the judge says of the evidence so far. */
export interface Judgement {
  readonly verdict: Verdict;
  /** A kill switch fired: no statistics, no waiting. */
  readonly kill: boolean;
  /** Why it is that verdict. */
  readonly cause: RolloutReason;
  /** The same in words: a part of a sentence, with its numbers. */
  readonly why: string;
  /** Units of the canary whose time is over. */
  readonly units: number;
  readonly samples?: RolloutStatus['samples'];
  readonly metrics?: RolloutStatus['metrics'];
  readonly evidence?: RolloutStatus['evidence'];
}

/** A check that is made before anybody gets the bundle. */
export interface Gate {
  readonly verdict: 'Pass' | 'Fail' | 'Running';
  readonly why: string;
}

/** A command that nobody has answered yet. */
export interface WaitingCommand {
  readonly uid: string;
  readonly verb: RolloutVerb;
  readonly by: string;
  readonly reason: string;
  readonly scope?: string;
  readonly stage?: number;
}

/** What the catalog offers for new keys, and whether every partition goes by it. */
export interface SeenRoute {
  readonly stable: string;
  /** Of the canary of this rollout; 0: not offered. */
  readonly canaryBps: number;
  readonly told: boolean;
}

/** Runs of the canary; what is not known is no list. */
export interface CanaryRuns {
  /** Ids of those that have not ended. */
  readonly open: readonly string[];
  /** How many ended since they were cancelled. */
  readonly cancelled: number;
  /** Ids of all whose effects are to be compensated once they have ended. */
  readonly withEffects: readonly string[];
  /** Of those, for whom the compensation was started. */
  readonly compensated: readonly string[];
}

export interface RolloutSeen {
  readonly uid: string;
  readonly spec: RolloutSpec;
  readonly status: RolloutStatus;
  readonly agentGone: boolean;
  /** Digest of the bundle that the Agent wants now; undefined: it is not resolved. */
  readonly wanted?: string;
  /** `spec.release.suspend` of the Agent as it is now. */
  readonly suspended: boolean;
  /** Bundles of the Agent that have workers, without this one. */
  readonly liveBundles: number;
  /** Name of the rollout that quarantined the bundle. */
  readonly quarantinedBy?: string;
  /** Lint, signature, publication. */
  readonly bundle: Gate;
  /** Of the stages that are gates, by index. What is not there is under way. */
  readonly gates: Readonly<Record<number, Gate>>;
  readonly workers: { readonly ready: number; readonly wanted: number; readonly failing?: string };
  readonly consumerBound: boolean;
  readonly route?: SeenRoute;
  readonly judgement?: Judgement;
  readonly runs?: CanaryRuns;
  /** In the order in which they were made. */
  readonly commands: readonly WaitingCommand[];
  /** Who made the Agent want this bundle, where it is known: may not approve. */
  readonly changedBy?: string;
  /** Name of a rollout of the Agent that was made after this one. */
  readonly newer?: string;
}

/** What is to be done beside writing the status. Done twice, it is done once: `key` says what it is. */
export type RolloutAct =
  | { readonly kind: 'cancel'; readonly key: string; readonly run: string }
  | { readonly kind: 'compensate'; readonly key: string; readonly run: string; readonly workflow: string };

export interface RolloutEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: RolloutReason;
  readonly note: string;
}

/**
 * Weight, promotion, workers and quarantine are facts of the status: who makes the Agent's snapshot reads them there, so that
 * a crash between deciding and doing loses nothing.
 */
export interface RolloutPlan {
  readonly commands: readonly RolloutAct[];
  readonly status: RolloutStatus;
  readonly events: readonly RolloutEvent[];
  readonly requeueAfterMs?: number;
}
