// Owns: the door to the static checks: one kind, one function. The operator's webhook and `signalbox bundle lint` ask here.
import type { AgentSpec } from '../../api/v1alpha1/agent.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { checkAgent } from './agent.ts';
import { checkBundle } from './bundle.ts';
import { checkEscalationPolicy } from './escalation-policy.ts';
import type { Finding } from './finding.ts';
import { checkModel } from './model.ts';
import { checkTool } from './tool.ts';
import { checkWorkflow } from './workflow.ts';

/** Kinds that have static checks, as a tagged union of what is checked. */
export type Checked =
  | { readonly kind: 'Agent'; readonly spec: AgentSpec }
  | { readonly kind: 'Bundle'; readonly spec: BundleSpec }
  | { readonly kind: 'EscalationPolicy'; readonly spec: EscalationPolicySpec }
  | { readonly kind: 'Model'; readonly spec: ModelSpec }
  | { readonly kind: 'Tool'; readonly spec: ToolSpec }
  | { readonly kind: 'Workflow'; readonly spec: WorkflowSpec };

export const checkedKinds = ['Agent', 'Bundle', 'EscalationPolicy', 'Model', 'Tool', 'Workflow'] as const;

/** `spec` must have passed the schema of its kind. Nothing found: the object may be admitted. */
export function checkObject(name: string, object: Checked): readonly Finding[] {
  switch (object.kind) {
    case 'Agent':
      return checkAgent(name, object.spec);
    case 'Bundle':
      return checkBundle(name, object.spec);
    case 'EscalationPolicy':
      return checkEscalationPolicy(name, object.spec);
    case 'Model':
      return checkModel(name, object.spec);
    case 'Tool':
      return checkTool(name, object.spec);
    case 'Workflow':
      return checkWorkflow(name, object.spec);
  }
}
