// Owns: what a scenario's runs are played by: the entries that an operator would publish for the declared objects, for one
// workflow and all that its runs may come to.
import type { AgentSnapshot, ResolvedBundle, ResolvedPolicy, ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { AgentSpec } from '../../api/v1alpha1/agent.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { childWorkflows } from '../admission/references.ts';
import { resolve } from '../bundle/resolve.ts';
import { agentEntry, agentsOfStates, neededAgents, workflowEntry } from '../catalog/entries.ts';

type Named<Spec> = Readonly<Record<string, Spec>>;

/** Declared objects by name. */
export interface Manifests {
  readonly agents: Named<AgentSpec>;
  readonly bundles: Named<BundleSpec>;
  readonly tools: Named<ToolSpec>;
  readonly models: Named<ModelSpec>;
  readonly policies: Named<EscalationPolicySpec>;
  readonly workflows: Named<WorkflowSpec>;
}

export interface PlayedCatalog {
  readonly workflows: readonly ResolvedWorkflow[];
  readonly agents: readonly AgentSnapshot[];
  /** One for each agent. */
  readonly bundles: readonly ResolvedBundle[];
}

/** The declared objects hang together: `checkReferences` found nothing. What is not declared is not in the catalog. */
export function catalogFor(manifests: Manifests, namespace: string, workflow: string): PlayedCatalog {
  const names = reachable(manifests, workflow);
  const workflows = names.flatMap((name) => resolvedWorkflow(manifests, namespace, name) ?? []);
  const agents = [...new Set(workflows.flatMap((one) => one.agents))];
  const bundles = new Map(agents.map((agent) => [agent, bundleOf(manifests, namespace, agent)]));
  return {
    workflows,
    agents: agents.flatMap((agent) => snapshotOf(manifests, namespace, { agent, bundle: bundles.get(agent) }) ?? []),
    bundles: [...bundles.values()].filter((bundle) => bundle !== undefined),
  };
}

/** The workflow, those that it runs, and those that take over from it. */
function reachable({ workflows, policies, agents }: Manifests, first: string): readonly string[] {
  const found = new Set<string>();
  const names = [first];
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    const spec = workflows[name];
    if (spec === undefined || found.has(name)) continue;
    found.add(name);
    const of = [
      spec.escalationPolicyRef?.name,
      ...agentsOfStates(spec).map((agent) => agents[agent]?.escalationPolicyRef?.name),
    ];
    const policy = of.flatMap((one) => (one === undefined ? [] : (policies[one] ?? [])));
    names.push(
      ...childWorkflows(spec).map(({ workflow }) => workflow),
      ...policy.flatMap(({ rules, queues }) => [
        ...rules.flatMap((rule) => rule.workflow ?? []),
        ...queues.flatMap((queue) => queue.onExpiry?.fallbackWorkflow ?? []),
      ]),
    );
  }
  return [...found];
}

function resolvedWorkflow(manifests: Manifests, namespace: string, name: string): ResolvedWorkflow | undefined {
  const spec = manifests.workflows[name];
  if (spec === undefined) return undefined;
  const policy = policyOf(manifests, spec.escalationPolicyRef?.name);
  const ofAgent = (agent: string) => policyOf(manifests, manifests.agents[agent]?.escalationPolicyRef?.name)?.spec;
  return workflowEntry({ namespace, name, spec }, policy, neededAgents(spec, policy?.spec, ofAgent));
}

function policyOf({ policies }: Manifests, name: string | undefined): ResolvedPolicy | undefined {
  const spec = name === undefined ? undefined : policies[name];
  return name === undefined || spec === undefined ? undefined : { name, spec };
}

export function bundleOf(manifests: Manifests, namespace: string, agent: string): ResolvedBundle | undefined {
  const name = manifests.agents[agent]?.bundleRef.name ?? '';
  const spec = manifests.bundles[name];
  if (spec === undefined) return undefined;
  const wrapped = <Spec>(specs: Named<Spec>) =>
    Object.fromEntries(Object.entries(specs).map(([key, value]) => [key, { spec: value }]));
  const parts = { tools: wrapped(manifests.tools), models: wrapped(manifests.models) };
  return resolve({ metadata: { name, namespace }, spec }, parts);
}

function snapshotOf(
  manifests: Manifests,
  namespace: string,
  { agent, bundle }: { readonly agent: string; readonly bundle: ResolvedBundle | undefined },
): AgentSnapshot | undefined {
  const spec = manifests.agents[agent];
  if (spec === undefined || bundle === undefined) return undefined;
  return agentEntry(
    { namespace, name: agent, spec, generation: 1 },
    bundle,
    policyOf(manifests, spec.escalationPolicyRef?.name),
  );
}
