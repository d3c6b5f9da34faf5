// Owns: from what the checks found to a verdict.
import type { Checked } from '../../core/admission/admission.ts';
import { checkObject } from '../../core/admission/admission.ts';
import type { Finding } from '../../core/admission/finding.ts';
import { checkReferences, type Lookups } from '../../core/admission/references.ts';
import { AGENT, BUNDLE, ESCALATION_POLICY, MODEL, NAMESPACE, TOOL, WORKFLOW } from '../../ports/resources.ts';
import type { Resource } from '../../ports/kube.ts';
import type { ConditionType, Reason } from '../../api/conditions.ts';
import type { Finding as ConditionFinding } from '../controller/status.ts';
import type { Caches } from '../controller/controller.ts';
import type { Typed } from './objects.ts';
import { stalled, type Verdict, waiting } from './verdict.ts';

/** What is wrong with an object: in itself, and with what it names. */
export interface Findings {
  readonly own: readonly Finding[];
  readonly references: readonly Finding[];
}

const errors = (findings: readonly Finding[]): readonly Finding[] =>
  findings.filter(({ severity }) => severity === 'error');

/** References of an object that fails its own checks are not looked at. */
export function findingsOf(name: string, object: Checked, existing: Lookups): Findings {
  const own = checkObject(name, object);
  return { own, references: errors(own).length > 0 ? [] : checkReferences(name, object, existing) };
}

export function sentences(findings: readonly Finding[]): string {
  return findings.map(({ message }) => message).join('; ');
}

/** Why the object cannot be used, if so. A mistake in itself is for its author; what is missing may come. */
export function faults({ own, references }: Findings): Verdict | undefined {
  const wrong = errors(own);
  if (wrong.length > 0) return stalled('InvalidSpec', sentences(wrong));
  const missing = errors(references);
  const [first] = missing;
  return first === undefined ? undefined : waiting(first.reason, sentences(missing));
}

/** The condition about what an object names. Nothing while the object itself is wrong: nobody has looked. */
export function resolved({ own, references }: Findings): readonly ConditionFinding[] {
  if (errors(own).length > 0) return [];
  const missing = errors(references);
  const told = missing.length > 0 ? missing : references;
  const [first] = told;
  return [
    {
      type: 'Resolved' satisfies ConditionType,
      status: missing.length > 0 ? 'False' : 'True',
      reason: first?.reason ?? ('Resolved' satisfies Reason),
      message: first === undefined ? 'Everything it names exists and fits.' : sentences(told),
    },
  ];
}

/** Nothing can be made in a namespace that is being removed. */
export const isNamespaceGoing = (namespace: string, caches: Caches): boolean =>
  caches.of(NAMESPACE).get({ name: namespace })?.metadata.deletionTimestamp !== undefined;

/** The objects of one namespace, as the checks ask for them. */
export function lookups(namespace: string, caches: Caches): Lookups {
  const specOf =
    <Spec>(resource: Resource) =>
    (name: string): Spec | undefined =>
      caches.of<Typed<Spec, unknown>>(resource).get({ namespace, name })?.spec;
  return {
    agent: specOf(AGENT),
    bundle: specOf(BUNDLE),
    tool: specOf(TOOL),
    model: specOf(MODEL),
    policy: specOf(ESCALATION_POLICY),
    workflow: specOf(WORKFLOW),
  };
}
