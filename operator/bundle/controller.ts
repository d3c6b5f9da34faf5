// Owns: what a Bundle's plan looks at.
import type { AgentSnapshot } from '../../api/messages/catalog.ts';
import { catalogKeys } from '../../api/messages/subjects.ts';
import { modelNames, queriesOf } from '../../core/bundle/resolve.ts';
import { type SignatureVerdict, signatureVerdict } from '../../core/bundle/signature.ts';
import { isUnderWay } from '../../core/rollout/route.ts';
import type { KubeObject, ObjectKey, Resource } from '../../ports/kube.ts';
import { AGENT, BUNDLE, BUNDLE_ROLLOUT, CONFIG_MAP, keyOf, MODEL, NAMESPACE, TOOL } from '../../ports/resources.ts';
import type { BusCommand } from '../catalog/commands.ts';
import { isDeleting } from '../catalog/labels.ts';
import { findingsOf, isNamespaceGoing, lookups } from '../catalog/findings.ts';
import {
  type AgentObject,
  type BundleObject,
  CATALOG_ENTRY,
  type CatalogEntry,
  type ConfigMapObject,
  type ModelObject,
  type RolloutObject,
  type ToolObject,
} from '../catalog/objects.ts';
import { untoldText, type VersionLook } from '../catalog/versions.ts';
import { type Caches, type Controller, planned } from '../controller/controller.ts';
import { conditionOf } from '../controller/status.ts';
import { askersOf, toolQueryIndex } from '../tool/askers.ts';
import { verifyEd25519 } from './ed25519.ts';
import { type BundleObserved, configMapName, planBundle } from './plan.ts';

const inNamespace = ({ metadata }: KubeObject, name: string): string => `${metadata.namespace}/${name}`;

export function bundleController(versions: VersionLook, perform: (command: BusCommand) => Promise<void>): Controller {
  const bundlesOf = (index: string, part: KubeObject, caches: Caches): readonly ObjectKey[] =>
    caches.of(BUNDLE).indexed(index, inNamespace(part, part.metadata.name)).map(keyOf);
  const byPart = (resource: Resource, index: string) => ({
    resource,
    map: (part: KubeObject, caches: Caches) => bundlesOf(index, part, caches),
  });
  return planned<BundleObserved, BusCommand>({
    name: 'bundle',
    root: BUNDLE,
    fenced: true,
    owns: [CONFIG_MAP],
    indexes: [
      toolQueryIndex,
      {
        resource: BUNDLE,
        name: 'tool',
        values: (bundle: BundleObject) => bundle.spec.tools.map((name) => inNamespace(bundle, name)),
      },
      {
        resource: BUNDLE,
        name: 'model',
        values: (bundle: BundleObject) => modelNames(bundle.spec).map((name) => inNamespace(bundle, name)),
      },
      {
        resource: BUNDLE,
        name: 'digest',
        values: ({ status }: BundleObject) => (status?.digest === undefined ? [] : [status.digest]),
      },
      { resource: BUNDLE, name: 'agent', values: (bundle: BundleObject) => [inNamespace(bundle, bundle.spec.agent)] },
    ],
    watches: [
      {
        resource: TOOL,
        map: (tool: ToolObject, caches: Caches) =>
          [tool, ...askersOf(tool, caches)].flatMap((part) => bundlesOf('tool', part, caches)),
      },
      byPart(MODEL, 'model'),
      byPart(AGENT, 'agent'),
      { resource: BUNDLE_ROLLOUT, map: bundlesOfRollout },
      { resource: CONFIG_MAP, map: ({ metadata }: KubeObject) => bundleOfConfigMap(metadata) },
      { resource: NAMESPACE, map: unpublishedOf },
      {
        resource: CATALOG_ENTRY,
        map: ({ metadata }: KubeObject, caches: Caches) =>
          metadata.name.startsWith('bundle.')
            ? caches
                .of(BUNDLE)
                .indexed('digest', `sha256:${metadata.name.slice('bundle.'.length)}`)
                .map(keyOf)
            : [],
      },
    ],
    observe: (root, caches) => observe(root as BundleObject, caches, versions),
    plan: planBundle,
    perform,
  });
}

/** Keys of a namespace may have changed; what is published is not asked for them again. */
function unpublishedOf({ metadata }: KubeObject, caches: Caches): readonly ObjectKey[] {
  const bundles = caches.of<BundleObject>(BUNDLE).list(metadata.name);
  return bundles.filter(({ status }) => status?.digest === undefined).map(keyOf);
}

function bundleOfConfigMap({ namespace = '', name }: KubeObject['metadata']): readonly ObjectKey[] {
  return name.startsWith('bundle-') ? [{ namespace, name: name.slice('bundle-'.length) }] : [];
}

function observe(root: BundleObject, caches: Caches, versions: VersionLook): BundleObserved | undefined {
  const { namespace = '', name } = root.metadata;
  if (!isDeleting(root) && isNamespaceGoing(namespace, caches)) return undefined;
  const toolOf = (tool: string): ToolObject | undefined => caches.of<ToolObject>(TOOL).get({ namespace, name: tool });
  const names = [...root.spec.tools, ...queriesOf(root.spec.tools, toolOf).map(({ asked }) => asked)];
  const tools = Object.fromEntries(names.map((tool) => [tool, toolOf(tool)]));
  const models = Object.fromEntries(
    modelNames(root.spec).map((model) => [model, caches.of<ModelObject>(MODEL).get({ namespace, name: model })]),
  );
  const entryOf = (digest: string): CatalogEntry | undefined =>
    caches.of<CatalogEntry>(CATALOG_ENTRY).get({ name: catalogKeys.bundle(digest) });
  const digest = root.status?.digest;
  return {
    root,
    findings: findingsOf(name, { kind: 'Bundle', spec: root.spec }, lookups(namespace, caches)),
    parts: { tools, models },
    unsound: unsound([...Object.values(tools), ...Object.values(models)]),
    configMap: caches.of<ConfigMapObject>(CONFIG_MAP).get({ namespace, name: configMapName(name) }),
    published: digest === undefined ? undefined : entryOf(digest),
    signature: digest === undefined ? signature(root, caches) : undefined,
    shared: digest !== undefined && caches.of(BUNDLE).indexed('digest', digest).length > 1,
    neededBy: neededBy(root, caches, versions),
    entryOf,
  };
}

function signature({ metadata, spec }: BundleObject, caches: Caches): SignatureVerdict | undefined {
  const namespace = caches.of(NAMESPACE).get({ name: metadata.namespace ?? '' });
  if (namespace === undefined) return { ok: false, why: 'whether it demands one is not known yet' };
  return signatureVerdict(namespace.metadata.annotations, metadata.annotations, spec, verifyEd25519);
}

function unsound(parts: readonly (KubeObject | undefined)[]): readonly string[] {
  return parts
    .filter((part) => part !== undefined)
    .filter((part) => conditionOf(part, 'Accepted')?.status === 'False')
    .map((part) => `${part.kind} ${part.metadata.name}`);
}

const bundlesOfRollout = ({ metadata, spec }: RolloutObject): readonly ObjectKey[] =>
  [spec.from?.bundle, spec.to.bundle]
    .filter((name) => name !== undefined)
    .map((name) => ({ namespace: metadata.namespace ?? '', name }));

function underWay({ namespace, name }: ObjectKey, agent: string, caches: Caches): string | undefined {
  const rollouts = caches.of<RolloutObject>(BUNDLE_ROLLOUT).indexed('agent', `${namespace}/${agent}`);
  const found = rollouts.find(
    ({ spec, status = {} }) => isUnderWay({ status }) && (spec.from?.bundle === name || spec.to.bundle === name),
  );
  return found?.metadata.name;
}

/** Without its agent nothing can use a bundle any more, so that a namespace can always be removed. */
function neededBy(bundle: BundleObject, caches: Caches, look: VersionLook): string | undefined {
  const { namespace = '' } = bundle.metadata;
  const agent = caches.of<AgentObject>(AGENT).get({ namespace, name: bundle.spec.agent });
  if (agent === undefined || agent.metadata.deletionTimestamp !== undefined) return undefined;
  return wishOf(bundle, agent, caches) ?? runsOf(bundle, caches, look);
}

function wishOf({ metadata, spec }: BundleObject, agent: AgentObject, caches: Caches): string | undefined {
  const { namespace, name } = metadata;
  if (agent.spec.bundleRef.name === name) return `Agent ${spec.agent} names it in spec.bundleRef`;
  const rollout = underWay({ namespace: namespace ?? '', name }, spec.agent, caches);
  return rollout === undefined ? undefined : `BundleRollout ${rollout} is under way with it`;
}

function runsOf({ metadata, spec, status }: BundleObject, caches: Caches, look: VersionLook): string | undefined {
  const { namespace = '' } = metadata;
  const digest = status?.digest;
  if (digest === undefined) return undefined;
  const current = caches.of<CatalogEntry>(CATALOG_ENTRY).get({ name: catalogKeys.agent(namespace, spec.agent) });
  if ((current?.value as AgentSnapshot | undefined)?.bundleDigest === digest) {
    return `Agent ${spec.agent} still offers it to new runs`;
  }
  const { open, untold } = look.bundles({ namespace, name: spec.agent, current }, caches);
  const runs = open.get(digest) ?? 0;
  if (runs > 0) return `${runs} open run${runs === 1 ? '' : 's'} pinned to it`;
  if (untold.length === 0) return undefined;
  return `open runs may be pinned to it: ${untoldText(untold)}`;
}
