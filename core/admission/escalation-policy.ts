// Owns: the static checks of an EscalationPolicy.
import type { EscalationPolicySpec, EscalationRule } from '../../api/v1alpha1/escalation-policy.ts';
import { type Finding, finding, quote } from './finding.ts';

export function checkEscalationPolicy(_name: string, spec: EscalationPolicySpec): readonly Finding[] {
  return [...patternBlank(spec), ...ruleShadowed(spec), ...expiryCycle(spec)];
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

/**
 * Of two rules that look at the confidence, the first decides whenever both fire: so the lower threshold stands first. What is
 * counted or grows reaches the lower threshold first, whatever the order. Rules that only observe decide nothing.
 */
function ruleShadowed({ rules }: EscalationPolicySpec): readonly Finding[] {
  return rules.flatMap((rule, index) => {
    const decides = (one: EscalationRule): boolean => one.signal === 'lowConfidence' && one.mode !== 'observe';
    if (!decides(rule)) return [];
    const earlier = rules.slice(0, index).find((one) => decides(one) && Number(one.below) >= Number(rule.below));
    if (earlier === undefined) return [];
    const found = `${rule.below}, behind rule ${quote(earlier.name)} with ${earlier.below}, which decides whenever this one fires`;
    const allowed = 'the rule with the lower threshold before the one with the higher';
    return [finding('ruleShadowed', `spec.rules[${index}].below`, { found, allowed })];
  });
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
