// Owns: reading Escalations with the caller's own rights, and finding the one that a person means.
import type { EscalationSpec, EscalationStatus } from '../../api/v1alpha1/escalation.ts';
import type { Kube, KubeObject } from '../../ports/kube.ts';
import { ESCALATION } from '../../ports/resources.ts';
import { VerbError } from '../failure.ts';

export interface EscalationObject extends KubeObject {
  readonly spec: EscalationSpec;
  readonly status?: EscalationStatus;
}

export type EscalationState = NonNullable<EscalationStatus['state']>;

/** An Escalation nobody has looked at yet is open. */
export const stateOf = (escalation: EscalationObject): EscalationState => escalation.status?.state ?? 'Open';

/** Who is asked, and until when: a question that nobody answered may have moved to another queue. */
export const queueOf = ({ spec, status }: EscalationObject): string => status?.queue ?? spec.queue;
export const deadlineOf = ({ spec, status }: EscalationObject): number => Date.parse(status?.deadline ?? spec.deadline);

/** Open ones first, those that must be decided soonest before the others. */
export function inOrder(items: readonly EscalationObject[]): readonly EscalationObject[] {
  const rank = (item: EscalationObject): number => (stateOf(item) === 'Open' ? 0 : 1);
  return items.toSorted((a, b) => rank(a) - rank(b) || deadlineOf(a) - deadlineOf(b) || (named(a) < named(b) ? -1 : 1));
}

const named = (item: EscalationObject): string => item.metadata.name;

/** By its name, its id in the journal, or the run that waits for it. */
export async function findEscalation(kube: Kube, namespace: string, name: string): Promise<EscalationObject> {
  const bare = name.replace(/^escalations?(\.signalbox\.dev)?\//, '');
  const direct = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(bare)
    ? await kube.get<EscalationObject>(ESCALATION, { namespace, name: bare })
    : undefined;
  if (direct !== undefined) return direct;
  const { items } = await kube.list<EscalationObject>(ESCALATION, { namespace });
  const same = items.filter((item) => item.spec.id === bare || item.spec.run === bare);
  const open = same.filter((item) => stateOf(item) === 'Open');
  const [only, second] = open.length > 0 ? open : same;
  if (only !== undefined && second === undefined) return only;
  if (only !== undefined) {
    throw new VerbError('NOT_FOUND', `run ${bare} has ${same.length} escalations: ${same.map(named).join(', ')}`, {
      attempt: `one of them by name, such as signalbox escalation show ${named(only)} -n ${namespace}`,
    });
  }
  throw new VerbError('NOT_FOUND', `no escalation and no run with one is called "${bare}" in namespace ${namespace}`, {
    attempt: `signalbox escalations -n ${namespace} --all`,
  });
}
