// Owns: what is known of one trial when it is over: histories of its runs, what its tools did, the world afterwards. The scores
// are computed from it alone, so a stored record can be scored again by a later release.
import type { HistoryEvent, Json, JsonObject } from '../../api/messages/history.ts';
import type { FaultType } from '../../api/v1alpha1/scenario.ts';
import type { Effect } from '../../api/v1alpha1/tool.ts';

export interface PlayedRun {
  readonly run: string;
  readonly workflow: string;
  readonly events: readonly HistoryEvent[];
}

/**
 * One call that reached the world. read: nothing changed. acted: the world changed. repeated: the tool knew the idempotency key
 * and gave the earlier answer. refused: it said no. noRule: no rule of the tool fits.
 */
export interface WorldCall {
  /** 1, 2, … in the order in which they came. */
  readonly seq: number;
  readonly tool: string;
  readonly effect: Effect;
  readonly args: JsonObject;
  /** Identity of the call: hexadecimal digest of {run, activity, tool, args}; of a query, whatever it came with. */
  readonly key: string;
  readonly did: 'read' | 'acted' | 'repeated' | 'refused' | 'noRule';
  readonly result?: Json;
  readonly fault?: FaultType;
}

export interface ActedFault {
  /** Position in `faults` of the scenario. */
  readonly fault: number;
  readonly times: number;
}

/** closed: every run has ended. waiting: a question that nobody answers. stalled: `limits.wall` was over. */
export type TrialEnd = 'closed' | 'waiting' | 'stalled';

export interface TrialRecord {
  readonly scenario: string;
  /** 1, 2, … */
  readonly trial: number;
  readonly seed: number;
  readonly end: TrialEnd;
  /** The run that the scenario started, then its children and those that took over. */
  readonly runs: readonly PlayedRun[];
  readonly calls: readonly WorldCall[];
  readonly state: JsonObject;
  readonly faults: readonly ActedFault[];
  readonly elapsedMs: number;
  /** Why the trial says nothing about the agent: a fault of the harness, of the scenario, or of the machine. */
  readonly problem?: string;
}
