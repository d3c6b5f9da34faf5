// Owns: what a RolloutCommand's plan looks at.
import type { KubeObject } from '../../ports/kube.ts';
import { BUNDLE_ROLLOUT, keyOf, ROLLOUT_COMMAND } from '../../ports/resources.ts';
import type { RolloutCommandObject, RolloutObject } from '../catalog/objects.ts';
import { type Controller, planned } from '../controller/controller.ts';
import { type CommandObserved, planCommand } from './plan.ts';

export const rolloutCommandController = (): Controller =>
  planned<CommandObserved>({
    name: 'rolloutcommand',
    root: ROLLOUT_COMMAND,
    fenced: true,
    watches: [
      {
        resource: BUNDLE_ROLLOUT,
        map: ({ metadata }: KubeObject, caches) =>
          caches.of(ROLLOUT_COMMAND).indexed('rollout', `${metadata.namespace}/${metadata.name}`).map(keyOf),
      },
    ],
    observe(root, caches) {
      const command = root as RolloutCommandObject;
      const { namespace = '' } = command.metadata;
      const key = { namespace, name: command.spec.rolloutRef.name };
      return { root: command, rollout: caches.of<RolloutObject>(BUNDLE_ROLLOUT).get(key) };
    },
    plan: planCommand,
  });
