// Owns: what operator and engines tell each other about a rollout: which new keys get the canary, and how they fared.

export type Arm = 'stable' | 'canary';

/** In the AgentSnapshot while a rollout is under way: how engines assign new sticky keys. */
export interface RolloutOffer {
  /** Name and uid of the BundleRollout. */
  readonly name: string;
  readonly uid: string;
  readonly salt: string;
  /** CEL over input. Absent: each run is a key of its own. */
  readonly assignBy?: string;
  readonly include?: string;
  readonly exclude?: string;
  /** Hundredths of a percent of new keys; 0: nobody gets the canary any more, whoever had it. */
  readonly weightBps: number;
  readonly canary: { readonly bundle: string; readonly digest: string };
}

/** In RunStarted, by agent: the arm is kept to the end, as the pin is. */
export interface Assignment {
  readonly rollout: string;
  readonly arm: Arm;
  /** Hash of the sticky key: the unit of evidence. */
  readonly unit: string;
  /** The first run of this key in this rollout. */
  readonly first?: boolean;
  /** Weight at which the key was assigned; absent where it is excluded. */
  readonly weightBps?: number;
  /** The key may not have the canary: no part of the evidence. */
  readonly excluded?: boolean;
}

/** How one run of a rollout fared: derived from its history, the same from whoever asks. */
export interface RunOutcome extends Assignment {
  readonly run: string;
  readonly agent: string;
  /** The run that it is a branch of: its outcome and cost are that run's, violations and escalations its own. */
  readonly branchOf?: string;
  /** Milliseconds since the epoch. */
  readonly assignedAt: number;
  /** Absent: it is under way. */
  readonly closedAt?: number;
  /** Name of the terminal state's outcome, `cancelled`, `failed` or `timeout`. */
  readonly outcome?: string;
  readonly cancelledByUser: boolean;
  readonly escalations: number;
  readonly violations: { readonly critical: number; readonly minor: number };
  /** Results and calls with an effect that were proposed, and those that the verifier rejected. */
  readonly proposed: number;
  readonly rejected: number;
  readonly costMicros: number;
  readonly overBudget: boolean;
  /** 0 to 1, where somebody said it. */
  readonly satisfaction?: number;
}

/**
 * Verb `outcomes` of the engine: runs of a rollout in one partition that changed after `after`, the oldest change first. A run may
 * be told again without a change, after another engine has taken over.
 */
export interface OutcomesRequest {
  /** Uid of the BundleRollout. */
  readonly rollout: string;
  /** 0, or the cursor of the reply before. */
  readonly after: number;
  /** At most 1,000. */
  readonly max: number;
}

export interface OutcomesReply {
  readonly ok: true;
  readonly outcomes: readonly RunOutcome[];
  /** Pass it as `after` next time. */
  readonly cursor: number;
  readonly more: boolean;
  /** Keys of this rollout whose first run is in this partition; excluded: runs whose key may not have the canary. */
  readonly keys: { readonly stable: number; readonly canary: number; readonly excluded: number };
  /** Revision of the catalog that the partition goes by. */
  readonly catalog: number;
}
