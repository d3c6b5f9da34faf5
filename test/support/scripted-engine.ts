// Owns: an engine under test whose workers do what a test has written down for the workflow, and small workflows for it.
import { afterAll, beforeAll } from 'vitest';
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { EngineStage } from './engine-stage.ts';
import type { Desk, Script } from './worker-desk.ts';

/** What the gateway signs about a call whose result was empty. */
export const receiptOf = (tool: string, about: string) =>
  ({ kind: 'tool', name: tool, digest: about, result: digest({}) }) as const;

export const task = {
  type: 'task',
  agent: 'clerk',
  goal: "Work on ${has(input.n) ? string(input.n) : 'it'}.",
  timeout: '20s',
  backup: 'none',
} as const;
export const exits = { error: 'failed', timeout: 'late' };
const ends = {
  done: { type: 'terminal', outcome: 'success' },
  failed: { type: 'terminal', outcome: 'failed' },
  late: { type: 'terminal', outcome: 'handedOver' },
} as const;
export const flow = (
  states: WorkflowSpec['states'],
  transitions: WorkflowSpec['transitions'],
  more: Partial<WorkflowSpec> = {},
) =>
  ({ input: { type: 'object' }, start: 'work', states: { ...states, ...ends }, transitions, ...more }) as WorkflowSpec;
export const simple = (more: Partial<WorkflowSpec['states'][string]> = {}): WorkflowSpec =>
  flow({ work: { ...task, exits, ...more } }, [{ from: 'work', to: 'done' }]);
export const queues: EscalationPolicySpec['queues'] = [
  { name: 'front-desk', deadline: '15m' },
  { name: 'emergency', deadline: '1m', onExpiry: { next: 'front-desk' } },
];

export interface ScriptedEngine {
  readonly stage: EngineStage;
  /** Per workflow: what its workers do; a test sets it before it starts a run. */
  readonly scripts: Map<string, Script>;
  /** A worker that does what is written down for the workflow, or completes at once. */
  readonly scripted: Script;
}

/** Starts an engine with the agents `clerk` and `helper` before the tests of a file and stops it after them. */
export function scriptedEngine(): ScriptedEngine {
  let stage: EngineStage | undefined;
  const scripts = new Map<string, Script>();
  const scripted = (desk: Desk): Promise<void> => {
    const script = scripts.get(desk.work.run.workflow);
    return script === undefined ? desk.complete({}).then(() => undefined) : script(desk);
  };
  beforeAll(async () => {
    stage = await EngineStage.start();
    await stage.agent('clerk', scripted);
    await stage.agent('helper', scripted);
    await stage.engine();
  });
  afterAll(async () => {
    await stage?.stop();
  });
  return {
    get stage() {
      if (stage === undefined) throw new Error('the engine is there in tests only');
      return stage;
    },
    scripts,
    scripted,
  };
}
