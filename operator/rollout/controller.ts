// Owns: the controller of rollouts: when one is looked at, and with what.
import { catalogKeys } from '../../api/messages/subjects.ts';
import type { RolloutAct } from '../../core/rollout/seen.ts';
import type { KubeObject, ObjectKey } from '../../ports/kube.ts';
import { AGENT, BUNDLE, BUNDLE_ROLLOUT, DEPLOYMENT, keyOf, ROLLOUT_COMMAND } from '../../ports/resources.ts';
import { label } from '../catalog/labels.ts';
import {
  type BundleObject,
  CATALOG_ENTRY,
  type RolloutCommandObject,
  type RolloutObject,
  TASK_CONSUMER,
  type TaskConsumerObject,
} from '../catalog/objects.ts';
import type { VersionLook } from '../catalog/versions.ts';
import { type Caches, type Controller, planned } from '../controller/controller.ts';
import { observeRollout, type RolloutObserved, type SeenEvidence } from './observe.ts';
import { planRollout } from './plan.ts';

export interface RolloutEyes {
  readonly versions: VersionLook;
  readonly evidence: (root: RolloutObject) => Promise<SeenEvidence>;
}

export function rolloutController({ versions, evidence }: RolloutEyes): Controller {
  return planned<RolloutObserved, RolloutAct>({
    name: 'rollout',
    root: BUNDLE_ROLLOUT,
    fenced: true,
    indexes: [
      {
        resource: ROLLOUT_COMMAND,
        name: 'rollout',
        values: ({ metadata, spec }: RolloutCommandObject) => [`${metadata.namespace}/${spec.rolloutRef.name}`],
      },
    ],
    watches: [
      {
        resource: AGENT,
        map: ({ metadata }: KubeObject, caches: Caches) => rolloutsOf(metadata.namespace, metadata.name, caches),
      },
      {
        resource: BUNDLE,
        map: ({ metadata, spec }: BundleObject, caches: Caches) => rolloutsOf(metadata.namespace, spec.agent, caches),
      },
      {
        resource: DEPLOYMENT,
        map: ({ metadata }: KubeObject, caches: Caches) =>
          rolloutsOf(metadata.namespace, metadata.labels?.[label.agent] ?? '', caches),
      },
      {
        resource: TASK_CONSUMER,
        map: ({ namespace, agent }: TaskConsumerObject, caches: Caches) => rolloutsOf(namespace, agent, caches),
      },
      {
        resource: CATALOG_ENTRY,
        map: ({ metadata }: KubeObject, caches: Caches) =>
          caches
            .of<RolloutObject>(BUNDLE_ROLLOUT)
            .list()
            .filter((one) => catalogKeys.agent(one.metadata.namespace ?? '', one.spec.agent) === metadata.name)
            .map(keyOf),
      },
      {
        resource: ROLLOUT_COMMAND,
        map: ({ metadata, spec }: RolloutCommandObject) => [
          { namespace: metadata.namespace ?? '', name: spec.rolloutRef.name },
        ],
      },
      {
        resource: BUNDLE_ROLLOUT,
        map: ({ metadata, spec }: RolloutObject, caches: Caches) => rolloutsOf(metadata.namespace, spec.agent, caches),
      },
    ],
    observe: async (root, caches) =>
      observeRollout(root as RolloutObject, caches, { versions, evidence: await evidence(root as RolloutObject) }),
    plan: planRollout,
    perform: ({ kind }) => Promise.reject(new TypeError(`a rollout of this version has no ${kind}`)),
  });
}

const rolloutsOf = (namespace: string | undefined, agent: string, caches: Caches): readonly ObjectKey[] =>
  caches.of(BUNDLE_ROLLOUT).indexed('agent', `${namespace}/${agent}`).map(keyOf);
