// Owns: what the state machine of a rollout sees: the Agent, the catalog and who goes by it, workers, people, evidence.
import type { AgentSnapshot } from '../../api/messages/catalog.ts';
import { bundleToken, catalogKeys, taskConsumer } from '../../api/messages/subjects.ts';
import type { Gate, RolloutSeen, SeenRoute, WaitingCommand } from '../../core/rollout/seen.ts';
import { AGENT, BUNDLE, BUNDLE_ROLLOUT, DEPLOYMENT, ROLLOUT_COMMAND } from '../../ports/resources.ts';
import { defaultReplicas, workersName } from '../agent/workers.ts';
import { annotation, isDeleting, label } from '../catalog/labels.ts';
import {
  type AgentObject,
  type BundleObject,
  CATALOG_ENTRY,
  type CatalogEntry,
  type DeploymentObject,
  type RolloutCommandObject,
  type RolloutObject,
  TASK_CONSUMER,
} from '../catalog/objects.ts';
import type { VersionLook } from '../catalog/versions.ts';
import type { Caches } from '../controller/controller.ts';
import { conditionOf } from '../controller/status.ts';

export interface RolloutObserved {
  readonly root: RolloutObject;
  readonly seen: RolloutSeen;
}

/** What is known of how its runs fare. */
export type SeenEvidence = Pick<RolloutSeen, 'judgement' | 'runs'>;

export function observeRollout(
  root: RolloutObject,
  caches: Caches,
  { versions, evidence }: { readonly versions: VersionLook; readonly evidence: SeenEvidence },
): RolloutObserved {
  const { spec, status = {}, metadata } = root;
  const { namespace = '', uid = '' } = metadata;
  const agent = caches.of<AgentObject>(AGENT).get({ namespace, name: spec.agent });
  const others = siblings(root, caches);
  const gone = agent === undefined || isDeleting(agent) || agent.spec.release === undefined;
  return {
    root,
    seen: {
      uid,
      spec,
      status,
      agentGone: gone,
      suspended: agent?.spec.release?.suspend === true,
      bundle: gateOf(root, caches),
      gates: {},
      ...wantedBy(agent, caches),
      ...workersOf(root, agent, caches),
      ...routeOf(root, caches, versions),
      ...quarantine(root, others),
      ...newerOf(root, others),
      commands: commandsOf(root, caches),
      ...evidence,
    },
  };
}

const siblings = ({ metadata, spec }: RolloutObject, caches: Caches): readonly RolloutObject[] =>
  caches
    .of<RolloutObject>(BUNDLE_ROLLOUT)
    .indexed('agent', `${metadata.namespace}/${spec.agent}`)
    .filter((other) => other.metadata.uid !== metadata.uid);

function wantedBy(agent: AgentObject | undefined, caches: Caches): Pick<RolloutSeen, 'wanted' | 'changedBy'> {
  if (agent === undefined) return {};
  const { namespace = '', name, annotations } = agent.metadata;
  const bundle = caches.of<BundleObject>(BUNDLE).get({ namespace, name: agent.spec.bundleRef.name });
  const wanted = bundle?.spec.agent === name ? bundle.status?.digest : undefined;
  const changedBy = annotations?.[annotation.changedBy];
  return { ...(wanted === undefined ? {} : { wanted }), ...(changedBy === undefined ? {} : { changedBy }) };
}

function gateOf({ metadata, spec }: RolloutObject, caches: Caches): Gate {
  const bundle = caches.of<BundleObject>(BUNDLE).get({ namespace: metadata.namespace ?? '', name: spec.to.bundle });
  const name = `Bundle ${spec.to.bundle}`;
  if (bundle === undefined) return { verdict: 'Running', why: `${name} does not exist` };
  if (bundle.status?.digest !== spec.to.digest) {
    return {
      verdict: 'Fail',
      why: `${name} is another one now: its digest is ${bundle.status?.digest ?? 'not known'}`,
    };
  }
  const accepted = conditionOf(bundle, 'Accepted');
  if (accepted?.status === 'False') return { verdict: 'Fail', why: withoutStop(accepted.message) };
  return { verdict: 'Pass', why: 'it is published' };
}

const withoutStop = (text: string): string => text.replace(/\.$/, '');

function workersOf(
  { metadata, spec }: RolloutObject,
  agent: AgentObject | undefined,
  caches: Caches,
): Pick<RolloutSeen, 'workers' | 'liveBundles' | 'consumerBound'> {
  const { namespace = '' } = metadata;
  const deployments = caches.of<DeploymentObject>(DEPLOYMENT).indexed('agent', `${namespace}/${spec.agent}`);
  const own = deployments.find((one) => one.metadata.name === workersName(spec.agent, spec.to.digest));
  const live = new Set(deployments.map((one) => one.metadata.labels?.[label.bundle]));
  live.delete(bundleToken(spec.to.digest));
  const name = taskConsumer(namespace, spec.agent, spec.to.digest);
  return {
    // Before there is a Deployment nothing is ready, whatever is wanted.
    workers: own === undefined ? { ready: 0, wanted: 1 } : podsOf(own, agent),
    liveBundles: live.size,
    consumerBound: caches.of(TASK_CONSUMER).get({ name }) !== undefined,
  };
}

function podsOf({ status }: DeploymentObject, agent: AgentObject | undefined): RolloutSeen['workers'] {
  const stuck = status?.conditions?.find((one) => one.type === 'Progressing' && one.status === 'False');
  return {
    ready: status?.readyReplicas ?? 0,
    wanted: agent?.spec.scaling?.replicas ?? defaultReplicas,
    ...(stuck === undefined ? {} : { failing: withoutStop(stuck.message ?? stuck.reason ?? 'no progress') }),
  };
}

function routeOf({ metadata, spec }: RolloutObject, caches: Caches, versions: VersionLook): { route?: SeenRoute } {
  const { namespace = '', uid } = metadata;
  const current = caches.of<CatalogEntry>(CATALOG_ENTRY).get({ name: catalogKeys.agent(namespace, spec.agent) });
  if (current === undefined) return {};
  const { bundleDigest, rollout } = current.value as AgentSnapshot;
  const { untold } = versions.bundles({ namespace, name: spec.agent, current }, caches);
  const canaryBps = rollout !== undefined && rollout.uid === uid ? rollout.weightBps : 0;
  return { route: { stable: bundleDigest, canaryBps, told: untold.length === 0 } };
}

/** The last of the others that says something of the bundle. */
function quarantine({ spec }: RolloutObject, others: readonly RolloutObject[]): Pick<RolloutSeen, 'quarantinedBy'> {
  const found = others.find((one) => one.spec.to.digest === spec.to.digest && one.status?.quarantined !== undefined);
  return found === undefined ? {} : { quarantinedBy: found.metadata.name };
}

function newerOf({ spec }: RolloutObject, others: readonly RolloutObject[]): Pick<RolloutSeen, 'newer'> {
  const found = others.find((one) => one.spec.ordinal > spec.ordinal);
  return found === undefined ? {} : { newer: found.metadata.name };
}

function commandsOf({ metadata }: RolloutObject, caches: Caches): readonly WaitingCommand[] {
  return caches
    .of<RolloutCommandObject>(ROLLOUT_COMMAND)
    .indexed('rollout', `${metadata.namespace}/${metadata.name}`)
    .filter(({ spec, status }) => spec.rolloutRef.uid === metadata.uid && status?.state === undefined)
    .toSorted((left, right) => (orderOf(left) < orderOf(right) ? -1 : 1))
    .map(({ metadata: { uid = '' }, spec: { verb, commandedBy, reason, scope, stage } }) => ({
      uid,
      verb,
      by: commandedBy,
      reason,
      ...(scope === undefined ? {} : { scope }),
      ...(stage === undefined ? {} : { stage }),
    }));
}

const orderOf = ({ metadata }: RolloutCommandObject): string => `${metadata.creationTimestamp} ${metadata.name}`;
