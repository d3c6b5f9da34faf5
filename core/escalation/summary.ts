// Owns: the one sentence that says what makes an agent stop and ask, and whom.
import type {
  EscalationAction,
  EscalationPolicySpec,
  EscalationRule,
  Queue,
  Signal,
} from '../../api/v1alpha1/escalation-policy.ts';

const quoted = (patterns: readonly string[] = []): string =>
  list(
    patterns.map((pattern) => `“${pattern}”`),
    'or',
  );
const times = (count: number): string => (count === 1 ? 'once' : count === 2 ? 'twice' : `${count} times`);

const conditions: Readonly<Record<Signal, (rule: EscalationRule) => string>> = {
  redFlag: (rule) => `anyone mentions ${quoted(rule.patterns)}`,
  lowConfidence: (rule) => `its confidence is below ${rule.below ?? '0'} or missing`,
  conflictingOutputs: (rule) => `its tools disagree on ${list(rule.fields ?? [], 'or')}`,
  repeatedRetries: (rule) => `an attempt fails${(rule.atLeast ?? 1) === 1 ? '' : ` ${times(rule.atLeast ?? 1)}`}`,
  abnormalLatency: (rule) => `a task takes longer than ${rule.above ?? 'allowed'}`,
  userFrustration: (rule) => `the user says ${quoted(rule.patterns)}`,
  budget: (rule) => `${rule.percent ?? 100} % of the run’s budget is spent`,
  ambiguousEffect: () => 'nobody knows whether an action took effect',
  verifierReject: (rule) =>
    `the verifier rejects its result${(rule.atLeast ?? 1) === 1 ? '' : ` ${times(rule.atLeast ?? 1)}`}`,
  permissionDenied: (rule) =>
    `it tries what it may not do${(rule.atLeast ?? 1) === 1 ? '' : ` ${times(rule.atLeast ?? 1)}`}`,
  loop: (rule) => `it makes the same call ${times(rule.atLeast ?? 3)}`,
};

const actions: Readonly<Record<EscalationAction, (rule: EscalationRule) => string>> = {
  humanQueue: (rule) => `hands over to the ${rule.queue ?? ''} queue`,
  specialist: (rule) => `passes the task to the agent ${rule.agent ?? ''}`,
  fallbackWorkflow: (rule) => `hands the case to the workflow ${rule.workflow ?? ''}`,
  freeze: (rule) => `freezes the run and asks the ${rule.queue ?? ''} queue`,
  approval: (rule) => `asks the ${rule.queue ?? ''} queue for approval`,
  readOnly: () => 'goes on without acting (read only)',
  backupRoute: () => 'switches to the backup agent',
};

/** For EscalationPolicy.status.summary and `explain`: exactly one sentence. */
export function summary(policy: EscalationPolicySpec): string {
  const enforced = policy.rules.filter((rule) => rule.mode !== 'observe');
  const observed = policy.rules.filter((rule) => rule.mode === 'observe');
  const groups = new Map<string, string[]>();
  for (const rule of enforced) {
    const action = actions[rule.action](rule);
    groups.set(action, [...(groups.get(action) ?? []), conditions[rule.signal](rule)]);
  }
  const clauses = [...groups].map(([action, when]) => `${action} when ${list(when, 'or')}`);
  const acts = clauses.length === 0 ? 'never escalates by itself' : list(clauses, 'and', '; ');
  const notes = observed.map((rule) => conditions[rule.signal](rule));
  const records = notes.length === 0 ? '' : `; it only takes a note when ${list(notes, 'or')}`;
  const expiries = policy.queues.flatMap(expiry);
  const unanswered = expiries.length === 0 ? '' : `; a question that nobody answers ${list(expiries, 'and')}`;
  return `The agent ${acts}${records}${unanswered}.`;
}

function expiry(queue: Queue): readonly string[] {
  const after = `in ${queue.name} within ${queue.deadline}`;
  if (queue.onExpiry?.next !== undefined) return [`${after} moves to ${queue.onExpiry.next}`];
  if (queue.onExpiry?.fallbackWorkflow !== undefined) {
    return [`${after} goes to the workflow ${queue.onExpiry.fallbackWorkflow}`];
  }
  return [`${after} counts as rejected`];
}

function list(items: readonly string[], word: 'and' | 'or', separator = ', '): string {
  if (items.length < 2) return items.join('');
  const last = items.at(-1) ?? '';
  const head = items.slice(0, -1).join(separator);
  return separator === ', ' ? `${head} ${word} ${last}` : `${head}${separator}${word} ${last}`;
}
