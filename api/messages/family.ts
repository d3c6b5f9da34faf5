// Owns: the facts of a run about its children, its way to the end, and what people do to it as a whole. Part of history.ts.
import type { TerminalOutcome } from '../v1alpha1/workflow-state.ts';
import type { JsonObject } from './history.ts';

export type RunOutcome = TerminalOutcome | 'cancelled' | 'timedOut';

/** What a run that takes over, or a child, comes from. */
export interface ParentRun {
  readonly run: string;
  readonly reason: string;
  /** A child: the name of its branch, or of the state that asked for it. */
  readonly child?: string;
  /** A child: 1 below a run without a parent. */
  readonly depth?: number;
}

/** A task that was done, or cut off after an effect, and what undoes it. */
export interface Owed {
  /** The activity that is undone. */
  readonly activity: string;
  /** The state of type compensation that undoes it. */
  readonly state: string;
  /** The result of the task: the compensation sees it among the facts. */
  readonly facts: JsonObject;
}

/** Who may lift a freeze: whoever set it in the same way. */
export type FreezeSource = 'person' | 'object' | 'parent';

export type FamilyEvent =
  | {
      readonly type: 'ChildAsked';
      /** Name of the branch, or of the state. */
      readonly child: string;
      readonly run: string;
      readonly state: string;
      readonly visit: number;
      readonly workflow: string;
      /** A branch of this workflow: the state it starts in. */
      readonly start?: string;
      readonly input: JsonObject;
      readonly budgetMicros?: number;
    }
  | {
      readonly type: 'ChildClosed';
      readonly child: string;
      readonly run: string;
      readonly outcome: RunOutcome;
      readonly message: string;
      readonly costMicros: number;
      readonly effects: number;
      /** Its facts at its end. */
      readonly result: JsonObject;
      /** A branch of this workflow: what it leaves to be undone. */
      readonly owed?: readonly Owed[];
    }
  /** The state that asked for children is left; those still open are cancelled. */
  | {
      readonly type: 'ChildrenJoined';
      readonly state: string;
      readonly visit: number;
      readonly stateType: 'workflow' | 'parallel';
      readonly exit: string;
    }
  /** The task is undone when the run does not end as planned. `completed: false`: it was cut off after an effect. */
  | {
      readonly type: 'CompensationOwed';
      readonly activity: string;
      readonly state: string;
      readonly completed: boolean;
    }
  /** The end is decided; children are cancelled and compensations run before the run is closed. */
  | {
      readonly type: 'RunEnding';
      readonly outcome: RunOutcome;
      readonly state: string;
      readonly message: string;
      readonly compensate: boolean;
    }
  | {
      readonly type: 'CompensationStarted';
      readonly of: string;
      readonly state: string;
      readonly visit: number;
    }
  | { readonly type: 'CompensationCompleted'; readonly of: string; readonly state: string }
  /** A person gave it up. */
  | {
      readonly type: 'CompensationAbandoned';
      readonly of: string;
      readonly state: string;
      readonly by: string;
      readonly reason: string;
    }
  | { readonly type: 'RunFrozen'; readonly source: FreezeSource; readonly by: string; readonly reason: string }
  /** Once no freeze is left, all deadlines of the run move by the time it was frozen. */
  | { readonly type: 'RunResumed'; readonly source: FreezeSource; readonly by: string; readonly reason: string }
  /** By a person; a rule sets it with ReadOnlySet. */
  | { readonly type: 'ReadOnlyChanged'; readonly readOnly: boolean; readonly by: string; readonly reason: string }
  /** Folding may begin here: `folded` is the whole state of the run. */
  | { readonly type: 'HistoryContinued'; readonly state: string; readonly folded: JsonObject };

export interface ChildSummary {
  /** Name of the branch, or of the state. */
  readonly child: string;
  readonly run: string;
  readonly workflow: string;
  /** The state that asked for it. */
  readonly state: string;
  /** Absent while it is open. */
  readonly outcome?: RunOutcome;
}

export interface Freeze {
  readonly source: FreezeSource;
  readonly by: string;
  readonly reason: string;
}
