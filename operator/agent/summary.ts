// Owns: one sentence that says what an agent may do and what makes it ask.
import type { AgentSnapshot } from '../../api/messages/catalog.ts';
import type { Permission } from '../../api/v1alpha1/agent.ts';
import { summary } from '../../core/escalation/summary.ts';
import { listed } from '../catalog/verdict.ts';

const lengthMax = 4_096;

export function summaryOf({ permissions, policy }: Pick<AgentSnapshot, 'permissions' | 'policy'>): string {
  const may = [
    phrase('read with', permissions, ({ mode }) => mode === 'read'),
    phrase('act with', permissions, ({ mode, approveWhen }) => mode === 'write' && approveWhen === undefined),
    phrase(
      'act after approval in some cases with',
      permissions,
      ({ mode, approveWhen }) => mode === 'write' && approveWhen !== undefined,
    ),
    phrase('act only after approval with', permissions, ({ mode }) => mode === 'approve'),
    phrase('only recommend', permissions, ({ mode }) => mode === 'recommendOnly'),
  ].filter((words) => words !== '');
  const rights = may.length === 0 ? 'May use no tool' : `May ${may.join('; ')}`;
  const asks =
    policy === undefined
      ? 'It stops and asks only where a workflow or a permission says so, since it has no escalation policy.'
      : summary(policy.spec);
  return `${rights}. ${asks}`.slice(0, lengthMax);
}

function phrase(verb: string, permissions: readonly Permission[], which: (permission: Permission) => boolean): string {
  const tools = permissions.filter(which).map(({ tool }) => tool);
  return tools.length === 0 ? '' : `${verb} ${listed(tools)}`;
}
