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

function expiryCycle(spec: EscalationPolicySpec): readonly Finding[] {
  const next = new Map(spec.queues.map((queue) => [queue.name, queue.onExpiry?.next]));
  return spec.queues.flatMap(({ name }, index) => {
    const path = [name];
    for (let to = next.get(name); to !== undefined; to = next.get(to)) {
      path.push(to);
      if (to === name) {
        return [
          finding('expiryCycle', `spec.queues[${index}].onExpiry.next`, {
            found: `the circle ${path.map(quote).join(' → ')}`,
            allowed: 'a chain of queues that ends in fallbackWorkflow, reject or no onExpiry',
          }),
        ];
      }
      if (path.indexOf(to) !== path.length - 1) return [];
    }
    return [];
  });
}
