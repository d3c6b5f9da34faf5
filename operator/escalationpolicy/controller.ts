// Owns: EscalationPolicy. Sound, all it names exists, and one sentence that says what it does.
import { summary } from '../../core/escalation/summary.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { AGENT, ESCALATION_POLICY, keyOf, WORKFLOW } from '../../ports/resources.ts';
import type { Instant } from '../../ports/system.ts';
import { faults, type Findings, findingsOf, lookups, resolved } from '../catalog/findings.ts';
import type { EscalationPolicyObject } from '../catalog/objects.ts';
import { accepted, notAccepted, ready, told } from '../catalog/verdict.ts';
import { type Caches, type Controller, planned } from '../controller/controller.ts';
import type { Plan } from '../controller/plan.ts';

export interface PolicyObserved {
  readonly root: EscalationPolicyObject;
  readonly findings: Findings;
}

export function planPolicy({ root, findings }: PolicyObserved, now: Instant): Plan {
  const fault = faults(findings);
  const fields = { summary: summary(root.spec) };
  if (fault !== undefined) {
    return {
      commands: [],
      ...told(root, { verdict: fault, more: [notAccepted(fault), ...resolved(findings)], fields }, now),
    };
  }
  const verdict = ready('Accepted', 'In force for the agents and workflows that name it.');
  const more = [accepted('The policy is sound.'), ...resolved(findings)];
  return { commands: [], ...told(root, { verdict, more, fields }, now) };
}

export function escalationPolicyController(): Controller {
  const namedBy = (index: string) => (object: KubeObject, caches: Caches) =>
    caches.of(ESCALATION_POLICY).indexed(index, inNamespace(object, object.metadata.name)).map(keyOf);
  return planned<PolicyObserved>({
    name: 'escalationpolicy',
    root: ESCALATION_POLICY,
    fenced: true,
    indexes: [
      { resource: ESCALATION_POLICY, name: 'agent', values: (policy: EscalationPolicyObject) => agents(policy) },
      { resource: ESCALATION_POLICY, name: 'workflow', values: (policy: EscalationPolicyObject) => workflows(policy) },
    ],
    watches: [
      { resource: AGENT, map: namedBy('agent') },
      { resource: WORKFLOW, map: namedBy('workflow') },
    ],
    observe(root, caches) {
      const policy = root as EscalationPolicyObject;
      const { name, namespace = '' } = policy.metadata;
      const checked = { kind: 'EscalationPolicy', spec: policy.spec } as const;
      return { root: policy, findings: findingsOf(name, checked, lookups(namespace, caches)) };
    },
    plan: planPolicy,
  });
}

const inNamespace = ({ metadata }: KubeObject, name: string): string => `${metadata.namespace}/${name}`;

const agents = (policy: EscalationPolicyObject): readonly string[] =>
  policy.spec.rules.flatMap(({ agent }) => (agent === undefined ? [] : [inNamespace(policy, agent)]));

const workflows = (policy: EscalationPolicyObject): readonly string[] =>
  [
    ...policy.spec.rules.map(({ workflow }) => workflow),
    ...policy.spec.queues.map(({ onExpiry }) => onExpiry?.fallbackWorkflow),
  ]
    .filter((name) => name !== undefined)
    .map((name) => inNamespace(policy, name));
