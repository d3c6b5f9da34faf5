import { expect, test } from 'vitest';
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { agentsOfStates, neededAgents, workflowEntry } from './entries.ts';

const spec = {
  start: 'talk',
  states: {
    talk: { type: 'task', agent: 'clerk', backup: 'standby' },
    again: { type: 'task', agent: 'clerk', backup: 'none' },
    done: { type: 'terminal', outcome: 'success' },
  },
} as unknown as WorkflowSpec;
const to = (agent: string) =>
  ({ rules: [{ name: 'r', signal: 'loop', action: 'specialist', agent }] }) as EscalationPolicySpec;

test('agents of states are those of the task and of its backup route', () => {
  expect(agentsOfStates(spec)).toEqual(['clerk', 'standby', 'clerk']);
});

test('specialists of policies are followed until no name is new', () => {
  const policies: Readonly<Record<string, EscalationPolicySpec>> = { nurse: to('doctor'), doctor: to('nurse') };
  expect(neededAgents(spec, to('nurse'), (agent) => policies[agent])).toEqual(['clerk', 'standby', 'nurse', 'doctor']);
  expect(neededAgents(spec, undefined, () => undefined)).toEqual(['clerk', 'standby']);
});

test('the digest of a workflow is of what it says and of its policy, not of who plays it', () => {
  const declared = { namespace: 'ns', name: 'calls', spec };
  const plain = workflowEntry(declared, undefined, ['b', 'a']);
  expect(plain.agents).toEqual(['a', 'b']);
  expect(workflowEntry(declared, undefined, []).digest).toBe(plain.digest);
  expect(workflowEntry(declared, { name: 'safety', spec: to('nurse') }, []).digest).not.toBe(plain.digest);
});
