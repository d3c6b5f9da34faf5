// Owns: what the plan of a namespace's gateway looks at. The Namespace is the root: it is there before the first Agent and
// after the last.
import { catalogKeys, gatewayServiceAccount } from '../../api/messages/subjects.ts';
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import type { KubeObject, ObjectKey } from '../../ports/kube.ts';
import { AGENT, BUNDLE, DEPLOYMENT, MODEL, NAMESPACE, SERVICE_ACCOUNT, TOOL } from '../../ports/resources.ts';
import type { PodSettings } from '../agent/workers.ts';
import {
  type BundleObject,
  CATALOG_ENTRY,
  type CatalogEntry,
  type ModelObject,
  type ToolObject,
} from '../catalog/objects.ts';
import { type Caches, type Controller, planned } from '../controller/controller.ts';
import { type GatewayObserved, planGateway, secretNames } from './plan.ts';

const namespaceOf = ({ metadata }: KubeObject): readonly ObjectKey[] => [{ name: metadata.namespace ?? '' }];
const ofGateway = (object: KubeObject): readonly ObjectKey[] =>
  object.metadata.name === gatewayServiceAccount ? namespaceOf(object) : [];

export function gatewayController(settings: PodSettings): Controller {
  return planned<GatewayObserved>({
    name: 'gateway',
    root: NAMESPACE,
    watches: [
      { resource: AGENT, map: namespaceOf },
      { resource: TOOL, map: namespaceOf },
      { resource: MODEL, map: namespaceOf },
      { resource: BUNDLE, map: namespaceOf },
      { resource: DEPLOYMENT, map: ofGateway },
      { resource: SERVICE_ACCOUNT, map: ofGateway },
    ],
    observe(root, caches) {
      const namespace = root.metadata.name;
      const key = { namespace, name: gatewayServiceAccount };
      return {
        root,
        agents: caches.of(AGENT).list(namespace).length,
        secrets: secretNames(
          caches.of<ToolObject>(TOOL).list(namespace),
          caches.of<ModelObject>(MODEL).list(namespace),
          published(namespace, caches),
        ),
        deployment: caches.of(DEPLOYMENT).get(key),
        serviceAccount: caches.of(SERVICE_ACCOUNT).get(key),
        settings,
      };
    },
    plan: planGateway,
  });
}

/** What bundles were made of, which may differ from what their tools and models say by now. */
function published(namespace: string, caches: Caches): readonly ResolvedBundle[] {
  return caches
    .of<BundleObject>(BUNDLE)
    .list(namespace)
    .map(({ status }) => status?.digest)
    .filter((digest) => digest !== undefined)
    .map((digest) => caches.of<CatalogEntry>(CATALOG_ENTRY).get({ name: catalogKeys.bundle(digest) }))
    .filter((entry) => entry !== undefined)
    .map(({ value }) => value as ResolvedBundle);
}
