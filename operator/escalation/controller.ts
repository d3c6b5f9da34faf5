// Owns: the bridge from the journal's escalations to objects. Either side may be there without the other.
import type { KubeObject } from '../../ports/kube.ts';
import { ESCALATION, keyOf } from '../../ports/resources.ts';
import { ESCALATION_RECORD, type EscalationEntry, type EscalationObject } from '../catalog/objects.ts';
import type { Controller } from '../controller/controller.ts';
import { planEscalation } from './plan.ts';

export const escalationController = (): Controller => ({
  name: 'escalation',
  root: ESCALATION,
  fenced: true,
  watches: [{ resource: ESCALATION_RECORD, map: (entry: KubeObject) => [keyOf(entry)] }],
  async reconcile(key, cycle) {
    const record = cycle.caches.of<EscalationEntry>(ESCALATION_RECORD).get(key)?.value;
    const object = cycle.caches.of<EscalationObject>(ESCALATION).get(key);
    const root = object ?? cycle.caches.of(ESCALATION_RECORD).get(key);
    if (root === undefined) return {};
    const nothing = (): Promise<void> => Promise.reject(new TypeError('an escalation has no command of its own'));
    return cycle.carryOut<never>(root, planEscalation({ record, object }, cycle.clock.now()), nothing);
  },
});
