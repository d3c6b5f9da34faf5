// Owns: the static checks of a Bundle.
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import { checkExpression, untyped, variables } from './expressions.ts';
import { callsType, runOutsideType } from './facts.ts';
import { type Finding, finding, quote, repeated } from './finding.ts';

export function checkBundle(_name: string, spec: BundleSpec): readonly Finding[] {
  const rules = spec.verifier.rules ?? [];
  const types = untyped(variables.verifier, { calls: callsType, run: runOutsideType });
  return [
    ...repeated(rules.map(({ name }) => name)).map((name) =>
      finding('ruleNameTwice', 'spec.verifier.rules', {
        found: `the name ${quote(name)} more than once`,
        allowed: 'each name once: traces and the executor are told a rule by its name',
      }),
    ),
    ...rules.flatMap(({ cel }, index) =>
      checkExpression(`spec.verifier.rules[${index}].cel`, cel, { types, wanted: 'Bool' }),
    ),
    ...verifierIsExecutor(spec),
  ];
}

function verifierIsExecutor({ models, verifier }: BundleSpec): readonly Finding[] {
  if (verifier.model !== models.start || (verifier.rules ?? []).length > 0) return [];
  return [
    finding('verifierIsExecutor', 'spec.verifier.model', {
      found: `${quote(models.start)}, which is also spec.models.start`,
      allowed:
        'another Model, or this one together with spec.verifier.rules: no model is the only judge of its own work',
    }),
  ];
}
