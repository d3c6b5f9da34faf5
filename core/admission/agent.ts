// Owns: the static checks of an Agent, and of its conditions against the tools that they are about.
import type { AgentSpec } from '../../api/v1alpha1/agent.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { typeOfSchema } from '../cel/schema-type.ts';
import type { Type } from '../cel/type.ts';
import { checkExpression, untyped, variables } from './expressions.ts';
import { runOutsideType } from './facts.ts';
import type { Finding } from './finding.ts';
import { checkRelease } from './release.ts';

export function checkAgent(_name: string, spec: AgentSpec): readonly Finding[] {
  return [...spec.permissions.flatMap((permission, index) => checkCondition(permission, index)), ...checkRelease(spec)];
}

/** What only the schema of the tool can tell: arguments that no call has, or that are of another type. */
export function checkConditions(
  { permissions }: AgentSpec,
  tool: (name: string) => ToolSpec | undefined,
): readonly Finding[] {
  return permissions.flatMap((permission, index) => {
    const schema = tool(permission.tool)?.input;
    if (schema === undefined) return [];
    const known = new Set(checkCondition(permission, index).map(({ message }) => message));
    return checkCondition(permission, index, { args: typeOfSchema(schema) }).filter(
      ({ message }) => !known.has(message),
    );
  });
}

function checkCondition(
  { approveWhen }: AgentSpec['permissions'][number],
  index: number,
  known: Readonly<Record<string, Type>> = {},
): readonly Finding[] {
  const types = untyped(variables.approveWhen, { run: runOutsideType, ...known });
  return checkExpression(`spec.permissions[${index}].approveWhen`, approveWhen, { types, wanted: 'Bool' });
}
