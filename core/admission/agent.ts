// Owns: the static checks of an Agent.
import type { AgentSpec } from '../../api/v1alpha1/agent.ts';
import { checkExpression, variables } from './expressions.ts';
import { type Finding, finding, quote, repeated } from './finding.ts';

export function checkAgent(_name: string, spec: AgentSpec): readonly Finding[] {
  return [
    ...repeated(spec.permissions.map(({ tool }) => tool)).map((tool) =>
      finding('toolTwice', 'spec.permissions', { found: `${quote(tool)} more than once`, allowed: 'each tool once' }),
    ),
    ...spec.permissions.flatMap(({ approveWhen }, index) =>
      checkExpression(`spec.permissions[${index}].approveWhen`, approveWhen, variables.approveWhen),
    ),
  ];
}
