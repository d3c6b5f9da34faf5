// Owns: the bounds of a run. A definition may lower them, which tests do.
import { maxVisitsDefault } from '../../api/v1alpha1/workflow-state.ts';
import type { Definition } from './definition.ts';

export interface RunLimits {
  /** Events since the last HistoryContinued after which the next state entered begins a new one. */
  readonly continueAfter: number;
  /** Events without one after which a person is asked: one state made them all. */
  readonly historyMax: number;
  /** Visits of a state that does not say how many it allows. */
  readonly maxVisits: number;
  /** Runs below one another: children of children. */
  readonly depthMax: number;
  /** Bytes of the facts that a child hands to its parent. */
  readonly childResultBytes: number;
}

export const runLimits: RunLimits = {
  continueAfter: 5_000,
  historyMax: 50_000,
  maxVisits: maxVisitsDefault,
  depthMax: 8,
  childResultBytes: 65_536,
};

export const limitsOf = ({ limits }: Pick<Definition, 'limits'>): RunLimits => ({ ...runLimits, ...limits });
