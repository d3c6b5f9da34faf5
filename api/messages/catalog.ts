// Owns: what the operator resolves from objects and hands to engine and gateway through the catalog bucket. Entries named by
// digest never change and stay while a run pins them; entries named by name are the current version.
import type { AgentSpec, Permission } from '../v1alpha1/agent.ts';
import type { BundleSpec } from '../v1alpha1/bundle.ts';
import type { EscalationPolicySpec } from '../v1alpha1/escalation-policy.ts';
import type { ModelSpec } from '../v1alpha1/model.ts';
import type { ToolSpec } from '../v1alpha1/tool.ts';
import type { WorkflowSpec } from '../v1alpha1/workflow.ts';
import type { RolloutOffer } from './rollout.ts';

export interface ResolvedPolicy {
  readonly name: string;
  readonly spec: EscalationPolicySpec;
}

/** Key `workflow.<ns>.<name>` (current) and `workflow-at.<digest>` (immutable). Only accepted workflows are here. */
export interface ResolvedWorkflow {
  readonly namespace: string;
  readonly name: string;
  /** sha256: of canonical {namespace, name, spec, policy}. */
  readonly digest: string;
  readonly spec: WorkflowSpec;
  readonly policy?: ResolvedPolicy;
  /** Every agent named by a task, a backup route or a specialist rule. */
  readonly agents: readonly string[];
}

/** Key `bundle.<digest>`: immutable. Holds secret references, never secrets. */
export interface ResolvedBundle {
  readonly namespace: string;
  readonly name: string;
  readonly agent: string;
  /** sha256: of canonical {agent, spec, tools, models}. */
  readonly digest: string;
  readonly spec: BundleSpec;
  readonly tools: Readonly<Record<string, { readonly digest: string; readonly spec: ToolSpec }>>;
  readonly models: Readonly<Record<string, { readonly digest: string; readonly spec: ModelSpec }>>;
}

/** Key `agent.<ns>.<name>`: current. The ceiling is read live, so that taking a right away works at once. */
export interface AgentSnapshot {
  readonly namespace: string;
  readonly name: string;
  readonly role: string;
  readonly generation: number;
  readonly permissions: readonly Permission[];
  readonly bundle: string;
  readonly bundleDigest: string;
  readonly policy?: ResolvedPolicy;
  readonly budget?: AgentSpec['budget'];
  /** While a rollout of another bundle is under way. */
  readonly rollout?: RolloutOffer;
}
