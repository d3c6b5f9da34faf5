// Owns: the life of an Agent: what is published about it and which workers run for it.
//   I1: a consumer exists before the workers that pull from it.
//   I2: workers of every live bundle run: the current one and each that an open run still pins. A bundle nobody needs is
//       seen unused twice, ten seconds apart, before its workers and its consumer go.
//   I3: the ceiling takes effect at once, even while the rest of the declaration cannot be accepted; bundle and policy stay
//       what was accepted last.
import type { AgentSnapshot, ResolvedPolicy } from '../../api/messages/catalog.ts';
import { bundleToken, catalogKeys, taskConsumer, taskSubject } from '../../api/messages/subjects.ts';
import { AGENT, DEPLOYMENT, keyOf, SERVICE_ACCOUNT } from '../../ports/resources.ts';
import type { Instant } from '../../ports/system.ts';
import { type BusCommand, publish, withdraw } from '../catalog/commands.ts';
import { faults, type Findings, resolved } from '../catalog/findings.ts';
import { annotation, hasFinalizer, isDeleting, label } from '../catalog/labels.ts';
import type {
  AgentObject,
  BundleObject,
  CatalogEntry,
  DeploymentObject,
  EscalationPolicyObject,
  TaskConsumerObject,
} from '../catalog/objects.ts';
import { accepted, notAccepted, ready, reconciling, stalled, told, type Verdict, waiting } from '../catalog/verdict.ts';
import type { Command, Plan } from '../controller/plan.ts';
import { summaryOf } from './summary.ts';
import {
  defaultReplicas,
  deploymentOf,
  type LiveBundle,
  type PodSettings,
  serviceAccountOf,
  workersName,
} from './workers.ts';

export interface AgentObserved {
  readonly root: AgentObject;
  readonly findings: Findings;
  readonly bundle?: BundleObject | undefined;
  /** Undefined: none is named, or it does not exist. */
  readonly policy?: EscalationPolicyObject | undefined;
  readonly snapshot?: CatalogEntry | undefined;
  /** Worker Deployments of this Agent. */
  readonly deployments: readonly DeploymentObject[];
  readonly gateway?: DeploymentObject | undefined;
  readonly consumers: readonly TaskConsumerObject[];
  /** Digests that open runs pin, each with its Bundle where that still exists. */
  readonly pinned: ReadonlyMap<string, BundleObject | undefined>;
  /** Not every partition has told what its open runs pin since the Agent offers what it does: nothing is drained. */
  readonly pinsUnknown: boolean;
  readonly settings: PodSettings;
}

type AgentPlan = Plan<BusCommand>;

/** Between the two sightings of an unused bundle. */
export const unusedForMs = 10_000;

export function planAgent(observed: AgentObserved, now: Instant): AgentPlan {
  const { root } = observed;
  if (isDeleting(root)) return planRemoval(observed);
  if (!hasFinalizer(root)) return { commands: [finalizer(root, true)] };
  const refused = refusal(observed);
  const previous = observed.snapshot?.value as AgentSnapshot | undefined;
  const snapshot = refused === undefined ? snapshotOf(observed) : narrowed(root, previous);
  if (snapshot === undefined) {
    const verdict = refused as Verdict;
    return {
      commands: [],
      ...told(root, { verdict, more: [notAccepted(verdict), ...resolved(observed.findings)] }, now),
    };
  }
  const { live, leaving, again } = liveBundles(observed, snapshot, now);
  const verdict = refused ?? health(observed, snapshot);
  return {
    commands: [
      { kind: 'apply', resource: SERVICE_ACCOUNT, object: serviceAccountOf(root) },
      ...live.flatMap((bundle) => consumerOf(observed, bundle.digest)),
      ...publish(catalogKeys.agent(snapshot.namespace, snapshot.name), snapshot, observed.snapshot),
      ...live.map((bundle): Command => ({
        kind: 'apply',
        resource: DEPLOYMENT,
        object: deploymentOf(root, bundle, observed.settings),
        exact: true,
      })),
      ...leaving.flatMap((deployment) => removeWorkers(deployment)),
      ...strayConsumers(observed, live),
    ],
    ...told(
      root,
      {
        verdict,
        more: [refused ? notAccepted(refused) : accepted('Bundle and policy exist.'), ...resolved(observed.findings)],
        fields: fields(observed, snapshot),
      },
      now,
    ),
    ...(again ? { requeueAfterMs: unusedForMs } : {}),
  };
}

/** Why the declaration as it stands cannot be put in force. */
function refusal({ root, findings, bundle }: AgentObserved): Verdict | undefined {
  const fault = faults(findings);
  if (fault !== undefined) return fault;
  if (bundle?.status?.digest !== undefined) return undefined;
  return waiting('BundleNotReady', `Bundle ${root.spec.bundleRef.name} is not published yet; see its conditions.`);
}

function snapshotOf({ root, bundle, policy }: AgentObserved): AgentSnapshot {
  const { spec, metadata } = root;
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    role: spec.role,
    generation: metadata.generation ?? 0,
    permissions: spec.permissions,
    bundle: spec.bundleRef.name,
    bundleDigest: bundle?.status?.digest ?? '',
    ...(policy === undefined ? {} : { policy: policyOf(policy) }),
    ...(spec.budget === undefined ? {} : { budget: spec.budget }),
  };
}

const policyOf = ({ metadata, spec }: EscalationPolicyObject): ResolvedPolicy => ({ name: metadata.name, spec });

/** What was accepted before, under the ceiling and budget of now. */
function narrowed({ spec, metadata }: AgentObject, previous: AgentSnapshot | undefined): AgentSnapshot | undefined {
  if (previous === undefined) return undefined;
  const copy: { -readonly [K in keyof AgentSnapshot]: AgentSnapshot[K] } = { ...previous };
  delete copy.budget;
  return {
    ...copy,
    generation: metadata.generation ?? 0,
    permissions: spec.permissions,
    ...(spec.budget === undefined ? {} : { budget: spec.budget }),
  };
}

interface Lives {
  readonly live: readonly LiveBundle[];
  readonly leaving: readonly DeploymentObject[];
  readonly again: boolean;
}

function liveBundles(observed: AgentObserved, snapshot: AgentSnapshot, now: Instant): Lives {
  const current = snapshot.bundleDigest;
  const live = new Map<string, LiveBundle>([[current, { digest: current, name: snapshot.bundle }]]);
  for (const [digest, bundle] of observed.pinned) {
    if (bundle !== undefined && !live.has(digest)) live.set(digest, { digest, name: bundle.metadata.name });
  }
  const leaving: DeploymentObject[] = [];
  const draining: LiveBundle[] = [];
  for (const deployment of observed.deployments) {
    const bundle = bundleOf(observed.root, deployment, [...live.values()]);
    if (bundle === undefined) leaving.push(deployment);
    if (bundle === undefined || live.has(bundle.digest)) continue;
    const unusedSince = isNeeded(observed, bundle.digest) ? undefined : (sinceOf(deployment) ?? now);
    if (unusedSince !== undefined && now - unusedSince >= unusedForMs) leaving.push(deployment);
    else draining.push({ ...bundle, unusedSince });
  }
  return { live: [...live.values(), ...draining], leaving, again: draining.length > 0 };
}

/** Whose workers a Deployment runs. Its annotations say so; where somebody removed them, its name does for live bundles. */
function bundleOf(
  root: AgentObject,
  deployment: DeploymentObject,
  live: readonly LiveBundle[],
): LiveBundle | undefined {
  const { [annotation.bundleDigest]: digest, [annotation.bundleName]: name } = deployment.metadata.annotations ?? {};
  if (digest !== undefined && name !== undefined) return { digest, name };
  return live.find((bundle) => isWorkersOf(root, bundle.digest, deployment));
}

const isWorkersOf = (root: AgentObject, digest: string, deployment: DeploymentObject): boolean =>
  deployment.metadata.name === workersName(root.metadata.name, digest);

function isNeeded({ pinned, pinsUnknown, consumers }: AgentObserved, digest: string): boolean {
  const busy = consumers.some((consumer) => consumer.bundle === bundleToken(digest) && consumer.busy);
  return pinsUnknown || busy || pinned.has(digest);
}

function sinceOf({ metadata }: DeploymentObject): number | undefined {
  const since = Number(metadata.annotations?.[annotation.unusedSince]);
  return Number.isFinite(since) ? since : undefined;
}

function consumerOf({ root, consumers }: AgentObserved, digest: string): readonly BusCommand[] {
  const { name: agent, namespace = '' } = root.metadata;
  const name = taskConsumer(namespace, agent, digest);
  if (consumers.some(({ metadata }) => metadata.name === name)) return [];
  return [{ kind: 'ensureConsumer', name, subject: taskSubject(namespace, agent, digest) }];
}

function removeWorkers({ metadata }: DeploymentObject): readonly Command[] {
  const { uid = '' } = metadata;
  return [{ kind: 'delete', resource: DEPLOYMENT, key: keyOf({ metadata } as DeploymentObject), uid }];
}

/** Consumers whose workers are gone: a bundle that was drained, also when we stopped half way. */
function strayConsumers(
  { root, consumers, deployments }: AgentObserved,
  live: readonly LiveBundle[],
): readonly BusCommand[] {
  const { name: agent, namespace = '' } = root.metadata;
  const wanted = new Set(live.map(({ digest }) => taskConsumer(namespace, agent, digest)));
  const running = new Set(deployments.map(({ metadata }) => metadata.labels?.[label.bundle]));
  return consumers
    .filter(({ metadata, bundle, busy }) => !wanted.has(metadata.name) && !busy && !running.has(bundle))
    .map(({ metadata }) => ({ kind: 'deleteConsumer', name: metadata.name }));
}

function planRemoval({ root, snapshot, consumers }: AgentObserved): AgentPlan {
  if (!hasFinalizer(root)) return { commands: [] };
  const { namespace = '', name } = root.metadata;
  return {
    commands: [
      ...withdraw(catalogKeys.agent(namespace, name), snapshot),
      ...consumers.map(({ metadata }): BusCommand => ({ kind: 'deleteConsumer', name: metadata.name })),
      finalizer(root, false),
    ],
  };
}

function health(observed: AgentObserved, snapshot: AgentSnapshot): Verdict {
  const { root, deployments, gateway } = observed;
  const wanted = root.spec.scaling?.replicas ?? defaultReplicas;
  if (wanted === 0) {
    return ready('ScaledToZero', 'Declared with no workers: runs wait until spec.scaling.replicas is at least 1.');
  }
  const name = workersName(root.metadata.name, snapshot.bundleDigest);
  const workers = deployments.find((deployment) => isWorkersOf(root, snapshot.bundleDigest, deployment));
  const failing = failureOf(workers);
  if (failing !== undefined) {
    const message = `Deployment ${name} does not get ready: ${failing} See the logs of its pods.`;
    return stalled('WorkersUnavailable', message);
  }
  const up = readyOf(workers);
  if (up < wanted) return reconciling('Progressing', `${up} of ${wanted} worker pods of Deployment ${name} are ready.`);
  if (readyOf(gateway) === 0) {
    const message = `Workers are ready; the gateway of namespace ${snapshot.namespace} is not yet.`;
    return reconciling('GatewayUnavailable', message);
  }
  return ready('Available', `${up} of ${wanted} workers serve bundle ${snapshot.bundle}.`);
}

const readyOf = (deployment: DeploymentObject | undefined): number => deployment?.status?.readyReplicas ?? 0;

function failureOf(deployment: DeploymentObject | undefined): string | undefined {
  const conditions = deployment?.status?.conditions ?? [];
  const progressing = conditions.find(({ type, status }) => type === 'Progressing' && status === 'False');
  return progressing && (progressing.message ?? progressing.reason ?? 'no progress.');
}

function fields(observed: AgentObserved, snapshot: AgentSnapshot) {
  const { root, deployments } = observed;
  const workers = deployments.find((deployment) => isWorkersOf(root, snapshot.bundleDigest, deployment));
  return {
    bundle: snapshot.bundle,
    bundleDigest: snapshot.bundleDigest,
    replicas: root.spec.scaling?.replicas ?? defaultReplicas,
    readyReplicas: readyOf(workers),
    summary: summaryOf(snapshot),
  };
}

const finalizer = (object: AgentObject, present: boolean): Command => ({
  kind: 'finalizer',
  resource: AGENT,
  object,
  present,
});
