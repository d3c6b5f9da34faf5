// Owns: the entries of the catalog as they follow from declared objects: the same in a cluster and where scenarios are played.
import type { AgentSnapshot, ResolvedPolicy, ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { AgentSpec } from '../../api/v1alpha1/agent.ts';
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { digest } from '../canonical/canonical.ts';

interface Declared<Spec> {
  readonly namespace: string;
  readonly name: string;
  readonly spec: Spec;
}

/** Agents that the states name: for the task itself, or as its backup route. */
export function agentsOfStates({ states }: Pick<WorkflowSpec, 'states'>): readonly string[] {
  const names = Object.values(states).flatMap(({ agent, backup }) => [agent, backup === 'none' ? undefined : backup]);
  return names.filter((name) => name !== undefined);
}

/** Those of the states and the specialists of the policy, who may have policies with specialists: until no name is new. */
export function neededAgents(
  spec: Pick<WorkflowSpec, 'states'>,
  policy: EscalationPolicySpec | undefined,
  policyOf: (agent: string) => EscalationPolicySpec | undefined,
): readonly string[] {
  const found = new Set<string>();
  const names = [...agentsOfStates(spec), ...specialists(policy)];
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (found.has(name)) continue;
    found.add(name);
    names.push(...specialists(policyOf(name)));
  }
  return [...found];
}

const specialists = (policy: EscalationPolicySpec | undefined): readonly string[] =>
  (policy?.rules ?? []).flatMap(({ agent }) => agent ?? []);

export function workflowEntry(
  { namespace, name, spec }: Declared<WorkflowSpec>,
  policy: ResolvedPolicy | undefined,
  agents: readonly string[],
): ResolvedWorkflow {
  const content = { namespace, name, spec, ...(policy === undefined ? {} : { policy }) };
  return { ...content, digest: digest(content), agents: agents.toSorted() };
}

export function agentEntry(
  { namespace, name, spec, generation }: Declared<AgentSpec> & Pick<AgentSnapshot, 'generation'>,
  bundle: { readonly name: string; readonly digest: string },
  policy: ResolvedPolicy | undefined,
): AgentSnapshot {
  return {
    namespace,
    name,
    role: spec.role,
    generation,
    permissions: spec.permissions,
    bundle: bundle.name,
    bundleDigest: bundle.digest,
    ...(policy === undefined ? {} : { policy }),
    ...(spec.budget === undefined ? {} : { budget: spec.budget }),
  };
}
