// Owns: the life of an Agent: what is published about it and which workers run for it.
//   I1: a consumer exists before the workers that pull from it.
//   I2: workers of every live bundle run: the current one and each that an open run still pins. A bundle nobody needs is
//       seen unused twice, ten seconds apart, before its workers and its consumer go.
//   I3: the ceiling takes effect at once, even while the rest of the declaration cannot be accepted; bundle and policy stay
//       what was accepted last.
//   I4: with spec.release nobody gets another bundle but by a rollout; its offer is in the snapshot, also while the declaration
//       cannot be accepted: a way back never waits for a person to repair something.
import type { AgentSnapshot, ResolvedBundle } from '../../api/messages/catalog.ts';
import { bundleToken, catalogKeys, taskConsumer, taskSubject } from '../../api/messages/subjects.ts';
import { agentEntry } from '../../core/catalog/entries.ts';
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
  RolloutObject,
  TaskConsumerObject,
} from '../catalog/objects.ts';
import { accepted, notAccepted, ready, reconciling, stalled, told, type Verdict, waiting } from '../catalog/verdict.ts';
import type { Command, Plan } from '../controller/plan.ts';
import type { Finding } from '../controller/status.ts';
import { refusedBy, type Released, releaseOf, type Version } from './release.ts';
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
  /** Of this Agent, in the order in which they were made. */
  readonly rollouts: readonly RolloutObject[];
  /** What a published bundle resolved to. */
  readonly content: (digest: string) => ResolvedBundle | undefined;
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
  const released = root.spec.release === undefined ? undefined : releaseOf(releaseObserved(observed, refused), now);
  const snapshot = offered(observed, refused, released);
  const { live, leaving, again } = liveBundles(observed, wantedBundles(snapshot, released), now);
  const more = [
    refused ? notAccepted(refused) : accepted('Bundle and policy exist.'),
    ...resolved(observed.findings),
    ...findingsOf(released),
  ];
  const isIdle = live.length === 0 || (snapshot === undefined && released === undefined);
  return {
    commands: [...(isIdle ? [] : runCommands(observed, snapshot, { live, leaving })), ...(released?.commands ?? [])],
    ...told(
      root,
      { verdict: refused ?? health(observed, snapshot), more, fields: fields(observed, snapshot, released) },
      now,
    ),
    ...nextLook(again, released),
  };
}

const findingsOf = (released: Released | undefined): readonly Finding[] =>
  released === undefined ? [] : [released.finding];

function nextLook(again: boolean, released: Released | undefined): { readonly requeueAfterMs?: number } {
  const requeueAfterMs = Math.min(again ? unusedForMs : Infinity, released?.again ?? Infinity);
  return requeueAfterMs === Infinity ? {} : { requeueAfterMs };
}

/** What engines go by from now on. Undefined: nothing was ever accepted, or the first bundle is on its way. */
function offered(
  observed: AgentObserved,
  refused: Verdict | undefined,
  released: Released | undefined,
): AgentSnapshot | undefined {
  const previous = observed.snapshot?.value as AgentSnapshot | undefined;
  const declared = refused === undefined ? snapshotOf(observed) : narrowed(observed.root, previous);
  return declared && (released === undefined ? withoutOffer(declared) : releasedSnapshot(declared, released));
}

function runCommands(
  observed: AgentObserved,
  snapshot: AgentSnapshot | undefined,
  { live, leaving }: Pick<Lives, 'live' | 'leaving'>,
): readonly (Command | BusCommand)[] {
  const { root } = observed;
  return [
    { kind: 'apply', resource: SERVICE_ACCOUNT, object: serviceAccountOf(root) },
    ...live.flatMap((bundle) => consumerOf(observed, bundle.digest)),
    ...(snapshot === undefined
      ? []
      : publish(catalogKeys.agent(snapshot.namespace, snapshot.name), snapshot, observed.snapshot)),
    ...live.map((bundle): Command => ({
      kind: 'apply',
      resource: DEPLOYMENT,
      object: deploymentOf(root, bundle, observed.settings),
      exact: true,
    })),
    ...leaving.flatMap((deployment) => removeWorkers(deployment)),
    ...strayConsumers(observed, live),
  ];
}

function releaseObserved(observed: AgentObserved, refused: Verdict | undefined): Parameters<typeof releaseOf>[0] {
  const { root, rollouts, content, bundle, snapshot, deployments } = observed;
  const digest = refused === undefined ? bundle?.status?.digest : undefined;
  const wanted = digest === undefined ? undefined : { bundle: root.spec.bundleRef.name, digest };
  const workers = deployments.find((deployment) => digest !== undefined && isWorkersOf(root, digest, deployment));
  const previous = snapshot?.value as AgentSnapshot | undefined;
  return { root, rollouts, previous, wanted, isWarm: readyOf(workers) > 0, resolved: content };
}

function withoutOffer(declared: AgentSnapshot): AgentSnapshot {
  const { rollout: _before, ...rest } = declared;
  return rest;
}

/** What the rollouts say of the bundle comes before what the declaration says. Nothing before there is a first bundle. */
function releasedSnapshot(declared: AgentSnapshot, { stable, offer }: Released): AgentSnapshot | undefined {
  if (stable === undefined) return undefined;
  return {
    ...withoutOffer(declared),
    bundle: stable.bundle,
    bundleDigest: stable.digest,
    ...(offer === undefined ? {} : { rollout: offer }),
  };
}

const wantedBundles = (snapshot: AgentSnapshot | undefined, released: Released | undefined): readonly Version[] => [
  ...(snapshot === undefined ? [] : [{ bundle: snapshot.bundle, digest: snapshot.bundleDigest }]),
  ...(released?.kept ?? []),
];

/** Why the declaration as it stands cannot be put in force. */
function refusal({ root, findings, bundle, rollouts }: AgentObserved): Verdict | undefined {
  const fault = faults(findings);
  if (fault !== undefined) return fault;
  if (bundle?.status?.digest !== undefined) return rolledBack(root, rollouts, bundle.status.digest);
  return waiting('BundleNotReady', `Bundle ${root.spec.bundleRef.name} is not published yet; see its conditions.`);
}

/** Without a strategy a bundle is taken at once, but none that a rollout has refused. */
function rolledBack(root: AgentObject, rollouts: readonly RolloutObject[], wanted: string): Verdict | undefined {
  const refused = root.spec.release === undefined ? refusedBy(rollouts, wanted) : undefined;
  if (refused === undefined) return undefined;
  const { bundleRef } = root.spec;
  const why = `BundleRollout ${refused.name} ended with ${refused.status.quarantined === undefined ? refused.status.phase : 'a quarantine'}`;
  return stalled(
    'RolledBack',
    `Bundle ${bundleRef.name} is not taken: ${why}. Name another bundle, or tell that rollout to release it and to retry.`,
  );
}

function snapshotOf({ root, bundle, policy }: AgentObserved): AgentSnapshot {
  const { spec, metadata } = root;
  const { name, namespace = '', generation = 0 } = metadata;
  return agentEntry(
    { namespace, name, spec, generation },
    { name: spec.bundleRef.name, digest: bundle?.status?.digest ?? '' },
    policy && { name: policy.metadata.name, spec: policy.spec },
  );
}

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

function liveBundles(observed: AgentObserved, wanted: readonly Version[], now: Instant): Lives {
  const live = new Map(wanted.map(({ bundle, digest }): [string, LiveBundle] => [digest, { digest, name: bundle }]));
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

function health(observed: AgentObserved, snapshot: AgentSnapshot | undefined): Verdict {
  const { root, deployments, gateway } = observed;
  if (snapshot === undefined) {
    return reconciling('Progressing', 'The first bundle is on its way; condition Released says which BundleRollout.');
  }
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

function fields(observed: AgentObserved, snapshot: AgentSnapshot | undefined, released: Released | undefined) {
  const rollout = released?.rollout === undefined ? {} : { rollout: released.rollout };
  if (snapshot === undefined) return rollout;
  const { root, deployments } = observed;
  const workers = deployments.find((deployment) => isWorkersOf(root, snapshot.bundleDigest, deployment));
  return {
    ...rollout,
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
