// Owns: small workflows that wait for something, for tests of what becomes of runs that are open.
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';

/** Waits for the event `go` with its input's id, or for something else, then ends. */
export const waitingFor = (
  what: NonNullable<WorkflowState['for']> = { event: 'go', by: 'input.id' },
  more: Partial<WorkflowSpec> = {},
): WorkflowSpec =>
  ({
    input: { type: 'object' },
    start: 'wait',
    states: {
      wait: { type: 'wait', for: what, timeout: '1h', exits: { timeout: 'late' } },
      done: { type: 'terminal', outcome: 'success' },
      late: { type: 'terminal', outcome: 'failed' },
    },
    transitions: [{ from: 'wait', to: 'done' }],
    ...more,
  }) as WorkflowSpec;

/** Asks people whether to go on. */
export const ask = {
  type: 'approval',
  queue: 'desk',
  question: 'Go on?',
  timeout: '1h',
  exits: { rejected: 'no', expired: 'no' },
} as const;
