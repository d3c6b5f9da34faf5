// Owns: the sentence that says what an agent may do and what makes it stop and ask.
import type { Permission } from '../../api/v1alpha1/agent.ts';

export interface Explained {
  readonly agent: string;
  readonly role: string;
  readonly permissions: readonly Permission[];
  /** The operator's own sentence about the agent. */
  readonly summary?: string;
  readonly policies: readonly {
    readonly name: string;
    readonly summary: string;
    readonly workflows: readonly string[];
  }[];
}

/** Permissions from the spec; escalation from the policies, in the operator's words. */
export function explanation(explained: Explained): string {
  const parts = [`Agent ${explained.agent} ${permissionWords(explained.permissions)}`];
  const summaries = explained.policies.filter((policy) => policy.summary !== '');
  for (const policy of summaries) {
    const where = policy.workflows.length === 0 ? '' : ` (in ${list(policy.workflows)})`;
    parts.push(`under policy ${policy.name}${where}: ${lowered(policy.summary)}`);
  }
  if (explained.policies.length === 0) parts.push('no escalation policy applies, so only approvals make it ask');
  else if (summaries.length === 0) {
    const names = list(explained.policies.map((policy) => policy.name));
    parts.push(`the operator has not looked at its policy ${names} yet`);
  }
  return `${parts.join('; ')}.`;
}

/** A sentence that goes on another one. */
const lowered = (sentence: string): string =>
  sentence.replace(/\.$/, '').replace(/^[A-Z](?=[a-z]* )/, (letter) => letter.toLowerCase());

function permissionWords(permissions: readonly Permission[]): string {
  const by = (mode: Permission['mode']): readonly Permission[] => permissions.filter((item) => item.mode === mode);
  const free = by('write').filter((item) => item.approveWhen === undefined);
  const conditional = by('write').filter((item) => item.approveWhen !== undefined);
  const clauses = [
    clause('may read with', by('read')),
    clause('may act with', free),
    ...conditional.map((item) => `may act with ${item.tool}, but asks${queueWords(item)} when ${item.approveWhen}`),
    ...by('approve').map((item) => `asks${queueWords(item)} before each ${item.tool}`),
    clause('may only recommend', by('recommendOnly')),
  ].filter((text) => text !== '');
  return clauses.length === 0 ? 'may use no tool at all' : `${clauses.join(', ')}, and nothing else`;
}

const clause = (words: string, items: readonly Permission[]): string =>
  items.length === 0 ? '' : `${words} ${list(items.map((item) => item.tool))}`;

const queueWords = (item: Permission): string => (item.queue === undefined ? ' a person' : ` queue ${item.queue}`);

function list(names: readonly string[]): string {
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
