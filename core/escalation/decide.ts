// Owns: which rule decides. Rules in order, the first that fires and is enforced wins; those that only observe are recorded.
import type { EscalationRule } from '../../api/v1alpha1/escalation-policy.ts';
import type { Observation } from './observation.ts';
import { evidenceFor } from './signals.ts';

export interface Firing {
  readonly rule: EscalationRule;
  readonly evidence: readonly string[];
}

export interface EscalationVerdict {
  /** Rules in mode observe that fired before the enforced one. */
  readonly observed: readonly Firing[];
  readonly enforced?: Firing;
}

/** `settled`: names of rules that have had their say about this and are not asked again. */
export function decideEscalation(
  rules: readonly EscalationRule[],
  seen: Observation,
  settled: (rule: EscalationRule) => boolean,
): EscalationVerdict {
  const observed: Firing[] = [];
  for (const rule of rules) {
    if (settled(rule)) continue;
    const evidence = evidenceFor(rule, seen);
    if (evidence.length === 0) continue;
    if (rule.mode !== 'observe') return { observed, enforced: { rule, evidence } };
    observed.push({ rule, evidence });
  }
  return { observed };
}
