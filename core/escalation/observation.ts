// Owns: what a rule may look at. Made from folded state; rules see nothing else.
import type { Json } from '../../api/messages/history.ts';
import type { Budget } from '../budget/budget.ts';

/** What is known at one moment of a run. A member that is absent cannot fire. */
export interface Observation {
  /** What people and models said since the last look. */
  readonly texts: readonly { readonly source: string; readonly text: string }[];
  /** Only when a result is there. */
  readonly confidence?: {
    readonly value?: number;
    /** The bundle says that there is always one. */
    readonly promised: boolean;
    /** The bundle's own floor. */
    readonly floor?: number;
  };
  /** What tools and earlier results say, by source. */
  readonly outputs: readonly { readonly source: string; readonly value: Json }[];
  /** Failed attempts of the activity. */
  readonly failedAttempts: number;
  /** How long the activity has been at work, in milliseconds. */
  readonly elapsedMs?: number;
  readonly budget?: Budget;
  /** Tools whose call may or may not have acted. */
  readonly ambiguous: readonly string[];
  /** Results that the verifier or a rule rejected. */
  readonly rejections: number;
  /** Tools whose call was denied. */
  readonly denied: readonly string[];
  /** The call made most often with equal arguments. */
  readonly repeat?: { readonly tool: string; readonly times: number };
}

export const nothingObserved: Observation = {
  texts: [],
  outputs: [],
  failedAttempts: 0,
  ambiguous: [],
  rejections: 0,
  denied: [],
};
