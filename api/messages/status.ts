// Owns: how the runtime as a whole is, as `GET /v1/status` and `signalbox status` tell it.
import type { RunStatus } from './history.ts';

/** CONTROL, verb `status`: what the owner of a partition says of it. */
export interface PartitionStatus {
  readonly partition: number;
  readonly engine: string;
  readonly runs: Readonly<Record<RunStatus, number>>;
  /** Runs that stand still until a newer engine comes. */
  readonly parked: number;
  /** Activities without a worker, and at one. */
  readonly tasks: { readonly waiting: number; readonly claimed: number };
  /** Of 1. */
  readonly fullness: number;
  /** Namespaces with a bound of open runs whose book is kept here. */
  readonly tenants: readonly { readonly namespace: string; readonly used: number; readonly bound: number }[];
}

/** Nobody serves it, and why. */
export interface PartitionProblem {
  readonly partition: number;
  readonly code: string;
  readonly message: string;
}

export interface LettersStatus {
  readonly namespace: string;
  readonly reason: string;
  readonly open: number;
}

/** A bound that is declared or built in, and how much of it is used. */
export interface LimitUse {
  /** As in the reference of limits. */
  readonly limit: string;
  readonly of: string;
  readonly used: number;
  readonly bound: number;
  readonly unit: string;
  readonly state: 'fine' | 'near' | 'reached';
}

export interface SystemStatus {
  readonly partitions: readonly (PartitionStatus | PartitionProblem)[];
  readonly deadLetters: readonly LettersStatus[];
  readonly limits: readonly LimitUse[];
  /** What somebody should know, the most pressing first; one sentence each. */
  readonly says: readonly string[];
}
