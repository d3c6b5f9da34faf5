// Owns: what a Decision's plan looks at, and how it asks the engine.
import type { KubeObject } from '../../ports/kube.ts';
import { DECISION, ESCALATION, keyOf } from '../../ports/resources.ts';
import type { EngineDesk } from '../catalog/engine.ts';
import type { DecisionObject, EscalationObject } from '../catalog/objects.ts';
import { type Controller, planned } from '../controller/controller.ts';
import { type DecideCommand, type DecisionObserved, planDecision } from './plan.ts';

export const decisionController = (desk: EngineDesk): Controller =>
  planned<DecisionObserved, DecideCommand>({
    name: 'decision',
    root: DECISION,
    fenced: true,
    indexes: [
      { resource: DECISION, name: 'escalation', values: (decision: DecisionObject) => [escalationOf(decision)] },
    ],
    watches: [
      {
        resource: ESCALATION,
        map: ({ metadata }: KubeObject, caches) =>
          caches.of(DECISION).indexed('escalation', `${metadata.namespace}/${metadata.name}`).map(keyOf),
      },
    ],
    observe(root, caches) {
      const decision = root as DecisionObject;
      const { namespace = '', uid = '' } = decision.metadata;
      return {
        root: decision,
        escalation: caches.of<EscalationObject>(ESCALATION).get({ namespace, name: decision.spec.escalationRef.name }),
        answer: desk.answer(uid),
      };
    },
    plan: planDecision,
    perform: ({ uid, request }) => desk.ask(uid, request.run, 'decide', request),
  });

const escalationOf = ({ metadata, spec }: DecisionObject): string => `${metadata.namespace}/${spec.escalationRef.name}`;
