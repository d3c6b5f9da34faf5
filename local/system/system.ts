// Owns: what `up` puts into a fresh API server, and waiting until it works: the system namespace, our kinds, the Secret
// with NATS credentials, then the Deployments of `deploy/`.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignalboxError } from '../../api/errors.ts';
import type { Kube, KubeObject } from '../../ports/kube.ts';
import { CUSTOM_RESOURCE_DEFINITION, DEPLOYMENT, NAMESPACE, SECRET } from '../../ports/resources.ts';
import type { PlaneConnection, PodStatusLine, Progress } from '../contract.ts';
import { natsUsers } from '../plane/record.ts';
import { applyAll, fieldManager, readManifests } from './manifests.ts';

export const systemNamespace = 'signalbox-system';
const establishTimeoutMs = 30_000;
const pollMs = 200;
const lastLogLines = 20;
/** A Pod of ours that ended this often without becoming Ready will not: with the back-off that is about 16 s. */
const restartsMax = 5;

/** Namespace, kinds and Secret: what has to be there before controllers start. Returns the number of kinds. */
export async function applyFoundation(kube: Kube, nats: PlaneConnection, kindsFolder?: string): Promise<number> {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: systemNamespace } };
  await kube.apply(NAMESPACE, namespace, { fieldManager, force: true });
  await kube.apply(SECRET, natsSecret(nats), { fieldManager, force: true });
  const kinds = kindsFolder === undefined ? [] : await readManifests(kindsFolder);
  await Promise.all(kinds.map((kind) => kube.apply(CUSTOM_RESOURCE_DEFINITION, kind, { fieldManager, force: true })));
  for (const kind of kinds) await established(kube, kind.metadata.name);
  return kinds.length;
}

/** Key `<user>-password` per NATS user that lives in Pods, plus how to reach the server and the callout's issuer. */
export function natsSecret(nats: PlaneConnection): KubeObject {
  const users = natsUsers.filter((user) => user !== 'system');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'signalbox-nats', namespace: systemNamespace },
    type: 'Opaque',
    data: Object.fromEntries(
      [
        ['url', nats.natsUrl],
        ['monitor-url', nats.monitorUrl],
        ['issuer-seed', nats.issuerSeed],
        ['issuer-public', nats.issuerPublic],
        ...users.map((user) => [`${user}-password`, nats.users[user].password]),
      ].map(([key, value]) => [key, Buffer.from(value as string).toString('base64')]),
    ),
  };
}

interface Conditioned extends KubeObject {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

async function established(kube: Kube, name: string): Promise<void> {
  const deadline = Date.now() + establishTimeoutMs;
  for (;;) {
    const kind = await kube.get<Conditioned>(CUSTOM_RESOURCE_DEFINITION, { name });
    if (kind?.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True')) return;
    if (Date.now() > deadline) {
      throw new SignalboxError(
        'PLANE_FAILED',
        `The kind ${name} was not established within ${establishTimeoutMs / 1000} s.`,
      );
    }
    await sleep(pollMs);
  }
}

interface Deployment extends KubeObject {
  readonly spec: { readonly replicas?: number; readonly selector: { readonly matchLabels?: Record<string, string> } };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
    readonly replicas?: number;
  };
}

export interface Rollout {
  readonly kube: Kube;
  readonly projectRoot: string;
  readonly timeoutMs: number;
  readonly progress: Progress;
  readonly pods: () => readonly PodStatusLine[];
  /** Last lines of a Pod's log. */
  readonly tail: (pod: PodStatusLine, lines: number) => Promise<readonly string[]>;
}

/** Applies `deploy/` and waits until each Deployment in it is available. Returns their names. */
export async function rollOut(rollout: Rollout): Promise<readonly string[]> {
  const manifests = await readManifests(join(rollout.projectRoot, 'deploy'));
  const objects = await applyAll(rollout.kube, manifests, systemNamespace);
  const deployments = objects.filter((object) => object.kind === 'Deployment');
  const deadline = Date.now() + rollout.timeoutMs;
  const startedAt = Date.now();
  await Promise.all(
    deployments.map(async (deployment) => {
      await available(rollout, deployment, deadline);
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
      rollout.progress(`${deployment.metadata.name} is ready after ${seconds} s`);
    }),
  );
  return deployments.map((deployment) => deployment.metadata.name);
}

async function available({ kube, ...rollout }: Rollout, { metadata }: KubeObject, deadline: number): Promise<void> {
  const namespace = metadata.namespace ?? systemNamespace;
  const startedAt = Date.now();
  const mine = (): readonly PodStatusLine[] =>
    rollout
      .pods()
      .filter((pod) => pod.namespace === namespace && !pod.ready && pod.name.startsWith(`${metadata.name}-`));
  // Restarts of an earlier `up`, and the one by this `up`, do not count.
  const seen = new Map<string, number>();
  const earlier = (pod: PodStatusLine): number => {
    if (!seen.has(pod.name)) seen.set(pod.name, pod.restarts);
    return seen.get(pod.name) as number;
  };
  for (;;) {
    const found = await kube.get<Deployment>(DEPLOYMENT, { namespace, name: metadata.name });
    if (found !== undefined && isAvailable(found)) return;
    const hopeless = mine().some((pod) => pod.restarts - earlier(pod) >= restartsMax);
    if (Date.now() > deadline || hopeless) break;
    await sleep(pollMs);
  }
  const stories = await Promise.all(mine().map(async (pod) => story(pod, await rollout.tail(pod, lastLogLines))));
  throw new SignalboxError(
    'PLANE_FAILED',
    [
      `Deployment ${namespace}/${metadata.name} is not ready after ${Math.round((Date.now() - startedAt) / 1000)} s.`,
      ...(stories.length > 0 ? stories : ['It has no Pod on the local node: is kube-controller-manager running?']),
    ].join('\n'),
  );
}

function story(pod: PodStatusLine, lines: readonly string[]): string {
  const head = `Pod ${pod.name}: ${pod.phase}, ${pod.restarts} restarts${pod.reason === undefined ? '' : `, ${pod.reason}`}`;
  return lines.length === 0 ? `${head}; it has logged nothing` : `${head}; its last lines:\n  ${lines.join('\n  ')}`;
}

function isAvailable({ metadata, spec, status }: Deployment): boolean {
  const wanted = spec.replicas ?? 1;
  return (
    (status?.observedGeneration ?? 0) >= (metadata.generation ?? 1) &&
    status?.updatedReplicas === wanted &&
    status.availableReplicas === wanted &&
    status.replicas === wanted
  );
}
