// Owns: what an observer writes down while a system runs. The simulator feeds the checkers as things happen; tests of real
// processes collect the same facts afterwards and put them in order of time.
import type { CommitRecord, EscalationRecord, HistoryEvent, RunSummary } from '../../api/messages/history.ts';
import type { PermissionMode } from '../../api/v1alpha1/agent.ts';
import type { Effect } from '../../api/v1alpha1/tool.ts';
import type { RunTrace } from './trace.ts';

/** What the checkers know beforehand. Whatever is absent is not checked. */
export interface Rules {
  /** The recording begins when the journals were at work already: its first record may have any number. */
  readonly fromTheMiddle?: boolean;
  /** By digest: who must have approved a result. */
  readonly bundles?: Readonly<Record<string, { readonly verifierModel: boolean; readonly rules: readonly string[] }>>;
  /** What an agent may do with a tool, through ceiling and bundle; what is not listed is denied. */
  readonly permissions?: readonly {
    readonly agent: string;
    readonly tool: string;
    readonly mode: PermissionMode;
  }[];
  /** Tools of a task, by `<workflow>/<state>`; absent: all. Read-only tasks have an empty list. */
  readonly tasks?: Readonly<Record<string, readonly string[]>>;
  /** Tasks, by `<workflow>/<state>`, in which each effect needs a person's approval. */
  readonly highRisk?: readonly string[];
  /** Attempts on one route, by `<workflow>/<state>`: retries and the first. */
  readonly attempts?: Readonly<Record<string, number>>;
  /** By workflow. */
  readonly budgets?: Readonly<Record<string, number>>;
  /** What is told of a run that is known may be this old: as long as a lease is believed in. */
  readonly staleMs?: number;
  /** Calls of one run that may be in flight at once; default 1. */
  readonly callsInFlight?: number;
  /** May this person answer in this queue? */
  readonly entitled?: (person: string, queue: string) => boolean;
  /** Activities of other namespaces that may begin while one of this namespace waits for the same agents' workers. */
  readonly overtakenMax?: number;
  /** Clocks of two processes differ by at most this much; default 500 ms. */
  readonly skewMs?: number;
  /** Texts that were planted and may appear nowhere. */
  readonly secrets?: readonly string[];
}

/** One entry of the effect ledger, as the journal port has it. */
export interface LedgerEntryFact {
  readonly state: 'open' | 'done' | 'refused' | 'ambiguous';
  readonly at: number;
  readonly deadline?: number;
  readonly digest: string;
  /** `<process>/<call>` of who opened it. */
  readonly opener?: string;
}

export type Fact = { readonly at: number } & (
  | { readonly kind: 'Appended'; readonly partition: number; readonly seq: number; readonly record: CommitRecord }
  /** The truth at a tool: it acted. `identity` is what may happen once: digest of {run, activity, tool, args}. */
  | {
      readonly kind: 'Applied';
      readonly run: string;
      readonly tool: string;
      readonly effect: Effect;
      readonly identity: string;
      /** Of the request, by the gateway's clock; absent when the tool cannot know. */
      readonly sentAt?: number;
    }
  | {
      readonly kind: 'LedgerWritten';
      readonly run: string;
      readonly digest: string;
      readonly revision: number;
      readonly entry: LedgerEntryFact;
    }
  /** Somebody was told yes. It rests on the first `seq` events of the run. */
  | {
      readonly kind: 'Acknowledged';
      readonly what: 'start' | 'report' | 'decision' | 'cancel' | 'event' | 'authorize';
      readonly run: string;
      readonly seq: number;
      /** Decision: its uid. Start: the business key, if any. Event: its id. */
      readonly id?: string;
      /** Cause of an event that must be in the history: `turn/<activity>/<attempt>/<turn>`, `complete/…`, `decide/<uid>`. */
      readonly cause?: string;
    }
  /** Whoever asked at `askedAt` was told of the first `seq` events of a run; 0: that there is no such run. */
  | { readonly kind: 'Told'; readonly run: string; readonly seq: number; readonly askedAt: number }
  /** A person made a decision; `queue` is where they were found entitled. */
  | {
      readonly kind: 'Answered';
      readonly decision: string;
      readonly escalation: string;
      readonly by: string;
      readonly queue: string;
      readonly digest: string;
    }
  /** Digest of a run's state in the memory of somebody who serves it, all of it committed. */
  | { readonly kind: 'Folded'; readonly run: string; readonly seq: number; readonly digest: string }
  /** What people and lists see once everything is at rest. */
  | {
      readonly kind: 'Listed';
      readonly escalations: readonly EscalationRecord[];
      readonly runs?: readonly RunSummary[];
    }
  /** An agent was sent back to an earlier bundle: somebody asked for it, or was told that it is done. */
  | {
      readonly kind: 'RolledBack';
      readonly namespace: string;
      readonly agent: string;
      readonly digest: string;
      readonly done: boolean;
    }
  /**
   * A rollout offers its canary at this weight from now on (0: to nobody); `observed`: every partition has told that it goes by
   * that.
   */
  | {
      readonly kind: 'Routed';
      readonly rollout: string;
      /** Digest. */
      readonly canary: string;
      readonly weightBps: number;
      readonly observed: boolean;
    }
  /** An object is gone, with everything that belongs to it; `object` is `<kind>/<namespace>/<name>`. */
  | { readonly kind: 'Deleted'; readonly object: string }
  /** What is there at the end: Kubernetes objects, streams, consumers, processes, each with the object that it belongs to. */
  | { readonly kind: 'Present'; readonly things: readonly { readonly thing: string; readonly of: string }[] }
  /** Somebody of one namespace asked for something of another. */
  | {
      readonly kind: 'Crossed';
      readonly from: string;
      readonly to: string;
      readonly what: string;
      readonly let: boolean;
    }
  | { readonly kind: 'Faulted'; readonly fault: string }
  /** Somebody took over, came back, or did again what was cut off. */
  | { readonly kind: 'Recovered'; readonly after: string }
  /** Nothing is under way any more: from here on nobody may write. */
  | { readonly kind: 'Rested' }
);
export type FactOf<K extends Fact['kind']> = Extract<Fact, { readonly kind: K }>;

export type Invariant =
  'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'I9' | 'I10' | 'I11' | 'I12' | 'I13' | 'I14' | 'I15' | 'I16';

export interface Violation {
  readonly invariant: Invariant;
  readonly run?: string;
  /** What was found, what is allowed. */
  readonly sentence: string;
}

/** One invariant, or a few that look at the same things, fed fact by fact. */
export interface Checker {
  /** An event that is a fact now; `trace` is what its run did before it. */
  event?(trace: RunTrace, event: HistoryEvent): void;
  see?(fact: Fact): void;
  /** `healed`: every fault is over and there was time enough: what must come has come. */
  end?(healed: boolean): void;
}

export type Report = (violation: Violation) => void;

/** Facts collected from several places, in order of time; equal times keep their order. */
export function inOrder(facts: readonly Fact[]): readonly Fact[] {
  return facts.toSorted((left, right) => left.at - right.at);
}
