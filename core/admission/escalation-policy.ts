// Owns: the static checks of an EscalationPolicy.
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import { type Finding, finding, quote } from './finding.ts';

export function checkEscalationPolicy(_name: string, spec: EscalationPolicySpec): readonly Finding[] {
  return [...patternBlank(spec), ...expiryCycle(spec)];
}

function patternBlank(spec: EscalationPolicySpec): readonly Finding[] {
  return spec.rules.flatMap((rule, index) =>
    (rule.patterns ?? []).flatMap((pattern, at) =>
      pattern.trim() === ''
        ? [
            finding('patternBlank', `spec.rules[${index}].patterns[${at}]`, {
              found: 'only white space, which is in every text',
              allowed: 'words that are to be looked for',
            }),
          ]
        : [],
    ),
  );
}

/** Each circle is found once, at its first queue. */
function expiryCycle(spec: EscalationPolicySpec): readonly Finding[] {
  const next = new Map(spec.queues.map((queue) => [queue.name, queue.onExpiry?.next]));
  const known = new Set<string>();
  return spec.queues.flatMap(({ name }, index) => {
    const path = [name];
    let to = next.get(name);
    while (to !== undefined && !path.includes(to)) {
      path.push(to);
      to = next.get(to);
    }
    if (to !== name || known.has(name)) return [];
    for (const member of path) known.add(member);
    const found = `the circle ${[...path, name].map(quote).join(' → ')}`;
    const allowed = 'a chain of queues that ends in fallbackWorkflow, reject or no onExpiry';
    return [finding('expiryCycle', `spec.queues[${index}].onExpiry.next`, { found, allowed })];
  });
}
