// Owns: what releases mean for an Agent: the bundle that new keys get, what is offered beside it, whose workers are kept, and the
// next rollout. Pure.
//   L1: at most one rollout is under way; the next is made when it has ended, from what is stable then.
//   L2: a bundle that was rolled back or rejected is not tried again unless a person says `retry`: applying a manifest again
//       starts nothing.
//   L3: no rollout: what new keys get stays as it is.
import type { AgentSnapshot, ResolvedBundle } from '../../api/messages/catalog.ts';
import type { RolloutOffer } from '../../api/messages/rollout.ts';
import type { ConditionType, Reason } from '../../api/conditions.ts';
import type { RolloutSpec } from '../../api/v1alpha1/rollout.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { phaseOf, since } from '../../core/rollout/move.ts';
import { riskOf } from '../../core/rollout/risk.ts';
import { type Attempt, isUnderWay, needsWorkers, offerOf, stableOf } from '../../core/rollout/route.ts';
import { withApproval } from '../../core/rollout/stages.ts';
import { durationMs } from '../../core/routing/duration.ts';
import { BUNDLE_ROLLOUT } from '../../ports/resources.ts';
import type { Instant } from '../../ports/system.ts';
import { label, managed, ownerOf } from '../catalog/labels.ts';
import type { AgentObject, RolloutObject } from '../catalog/objects.ts';
import type { Command, Intent } from '../controller/plan.ts';
import type { Finding } from '../controller/status.ts';

export interface Version {
  readonly bundle: string;
  readonly digest: string;
}

export interface ReleaseObserved {
  readonly root: AgentObject;
  /** Of the Agent, in the order in which they were made. */
  readonly rollouts: readonly RolloutObject[];
  readonly previous: AgentSnapshot | undefined;
  /** What the Agent wants, where that is published and accepted. */
  readonly wanted: Version | undefined;
  /** The workers of that bundle are ready. */
  readonly isWarm: boolean;
  readonly resolved: (digest: string) => ResolvedBundle | undefined;
}

export interface Released {
  /** What new keys get; undefined: the first bundle is on its way. */
  readonly stable: Version | undefined;
  readonly offer: RolloutOffer | undefined;
  /** Bundles beside stable whose workers run although no run may keep to them. */
  readonly kept: readonly Version[];
  readonly commands: readonly Command[];
  readonly finding: Finding;
  /** Name of the rollout that is under way, or of the last one. */
  readonly rollout: string | undefined;
  /** Until when workers are kept warm. */
  readonly again: number | undefined;
}

const keepWarmMs = 24 * 3_600_000;

export const attemptOf = ({ metadata, spec, status = {} }: RolloutObject): Attempt => ({
  name: metadata.name,
  uid: metadata.uid ?? '',
  spec,
  status,
});

export function releaseOf(observed: ReleaseObserved, now: Instant): Released {
  const attempts = observed.rollouts.map(attemptOf);
  const current = attempts.findLast(isUnderWay);
  return current === undefined ? atRest(observed, attempts, now) : underWay(observed, current);
}

function underWay(observed: ReleaseObserved, current: Attempt): Released {
  const { from, to } = current.spec;
  const stable = stableOf(current);
  const beside = [...(from === undefined ? [] : [from]), ...(needsWorkers(current) ? [to] : [])];
  const { name, status } = current;
  const waits =
    observed.wanted?.digest !== to.digest && observed.wanted !== undefined ? waitsText(observed.wanted) : '';
  return {
    stable,
    offer: offerOf(current),
    kept: beside.filter((one) => one.digest !== stable?.digest),
    commands: [],
    finding: released('False', 'RollingOut', `BundleRollout ${name}: ${status.message ?? 'it begins.'}${waits}`),
    rollout: name,
    again: undefined,
  };
}

const waitsText = ({ bundle }: Version): string => ` Bundle ${bundle} waits for its end.`;

function atRest(observed: ReleaseObserved, attempts: readonly Attempt[], now: Instant): Released {
  const last = attempts.at(-1);
  const stable = lastStable(observed);
  const next = nextRollout(observed, stable, attempts);
  const warm = warmOf(last, now);
  return {
    stable,
    offer: undefined,
    kept: warm === undefined || warm.version.digest === stable?.digest ? [] : [warm.version],
    commands: next === undefined ? [] : [{ kind: 'apply', resource: BUNDLE_ROLLOUT, object: next }],
    finding: restFinding(observed, stable, next === undefined ? last : undefined),
    rollout: next?.metadata.name ?? last?.name,
    again: warm?.again,
  };
}

/** The catalog says it; where that was lost, the status does. */
function lastStable({ previous, root }: ReleaseObserved): Version | undefined {
  if (previous !== undefined) return { bundle: previous.bundle, digest: previous.bundleDigest };
  const { bundle, bundleDigest } = root.status ?? {};
  return bundle === undefined || bundleDigest === undefined ? undefined : { bundle, digest: bundleDigest };
}

function nextRollout(
  observed: ReleaseObserved,
  stable: Version | undefined,
  attempts: readonly Attempt[],
): Intent | undefined {
  const { root, wanted } = observed;
  if (root.spec.release === undefined || wanted === undefined || wanted.digest === stable?.digest) return undefined;
  const latest = attempts.findLast(({ spec }) => spec.to.digest === wanted.digest);
  if (latest !== undefined && isRefused(latest)) return undefined;
  const attempt = (latest?.spec.attempt ?? 0) + 1;
  return rolloutObject(root, {
    agent: root.metadata.name,
    attempt,
    ordinal: (attempts.at(-1)?.spec.ordinal ?? 0) + 1,
    to: wanted,
    salt: saltOf([root.metadata.uid, wanted.digest, attempt]),
    ...strategy(observed, { release: root.spec.release, stable, wanted, attempts }),
  });
}

interface Change {
  readonly release: RolloutSpec['release'];
  readonly stable: Version | undefined;
  readonly wanted: Version;
  readonly attempts: readonly Attempt[];
}

function strategy(
  observed: ReleaseObserved,
  { release, stable, wanted, attempts }: Change,
): Pick<RolloutSpec, 'from' | 'fast' | 'highRisk' | 'release'> {
  if (stable === undefined) return { release };
  const isFast = observed.isWarm && attempts.some((one) => wasStable(one, wanted.digest));
  if (isFast) return { from: stable, fast: true, release };
  const highRisk = risks(observed, stable, wanted);
  return {
    from: stable,
    ...(highRisk.length === 0 ? {} : { highRisk: [...highRisk] }),
    release: withApproval(release, highRisk),
  };
}

/** New for each attempt, and the same for whoever makes it. */
const saltOf = (identity: readonly unknown[]): string =>
  digest(identity).slice('sha256:'.length, 'sha256:'.length + 32);

/** Of the bundle that is wanted, where its last attempt ended badly: no other way leads around that. */
export function refusedBy(rollouts: readonly RolloutObject[], wanted: string): Attempt | undefined {
  const latest = rollouts.map(attemptOf).findLast(({ spec }) => spec.to.digest === wanted);
  return latest !== undefined && (isRefused(latest) || latest.status.quarantined !== undefined) ? latest : undefined;
}

/** It had its chance. */
function isRefused({ status }: Attempt): boolean {
  const phase = phaseOf(status);
  return (phase === 'RolledBack' || phase === 'Rejected') && status.retried !== true;
}

const wasStable = ({ spec, status }: Attempt, wanted: string): boolean =>
  (status.promoted === true && spec.to.digest === wanted && status.quarantined === undefined) ||
  spec.from?.digest === wanted;

/** What cannot be compared is high-risk: an error denies. */
function risks({ resolved, previous, root }: ReleaseObserved, stable: Version, wanted: Version): readonly string[] {
  const [before, after] = [resolved(stable.digest), resolved(wanted.digest)];
  if (before === undefined || after === undefined) {
    return [
      `the content of Bundle ${before === undefined ? stable.bundle : wanted.bundle} is gone, so they cannot be compared`,
    ];
  }
  const { permissions } = root.spec;
  return riskOf(before, after, { before: previous?.permissions ?? permissions, after: permissions });
}

const nameMax = 63;

function rolloutObject(root: AgentObject, spec: RolloutSpec): Intent {
  const tail = `-${spec.to.digest.slice('sha256:'.length, 'sha256:'.length + 8)}-${spec.attempt}`;
  return {
    apiVersion: root.apiVersion,
    kind: BUNDLE_ROLLOUT.kind,
    metadata: {
      name: `${root.metadata.name.slice(0, nameMax - tail.length)}${tail}`,
      namespace: root.metadata.namespace ?? '',
      labels: { ...managed, [label.agent]: root.metadata.name },
      ownerReferences: [ownerOf(root)],
    },
    spec,
  };
}

/** After a promotion the bundle before keeps its workers for a while, so that a way back takes no time. */
function warmOf(
  last: Attempt | undefined,
  now: Instant,
): { readonly version: Version; readonly again: number } | undefined {
  if (last?.spec.from === undefined || phaseOf(last.status) !== 'Completed') return undefined;
  const left = durationMs(last.spec.release.rollback?.keepWarm, keepWarmMs) - since(last.status.phaseSince, now);
  return left <= 0 ? undefined : { version: last.spec.from, again: left };
}

function restFinding(
  { wanted, root }: ReleaseObserved,
  stable: Version | undefined,
  last: Attempt | undefined,
): Finding {
  if (wanted !== undefined && wanted.digest === stable?.digest) {
    return released('True', 'Released', `New runs get Bundle ${stable.bundle}.`);
  }
  const kept = stable === undefined ? 'There is no bundle for new runs.' : `New runs get Bundle ${stable.bundle}.`;
  if (wanted !== undefined && last?.spec.to.digest === wanted.digest) {
    return released('False', 'RolledBack', `${kept} BundleRollout ${last.name}: ${last.status.message ?? ''}`);
  }
  return released('False', 'RollingOut', `${kept} Bundle ${root.spec.bundleRef.name} is on its way.`);
}

const released = (status: Finding['status'], reason: Reason, message: string): Finding => ({
  type: 'Released' satisfies ConditionType,
  status,
  reason,
  message,
});
