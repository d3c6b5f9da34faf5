// Owns: the static checks of an Agent.
import type { AgentSpec } from '../../api/v1alpha1/agent.ts';
import { checkExpression, untyped, variables } from './expressions.ts';
import { runOutsideType } from './facts.ts';
import type { Finding } from './finding.ts';

export function checkAgent(_name: string, spec: AgentSpec): readonly Finding[] {
  const types = untyped(variables.approveWhen, { run: runOutsideType });
  return spec.permissions.flatMap(({ approveWhen }, index) =>
    checkExpression(`spec.permissions[${index}].approveWhen`, approveWhen, { types, wanted: 'Bool' }),
  );
}
