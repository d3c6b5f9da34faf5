// Owns: the status of a Pod, computed from its containers. Pure: the same containers and the same past give the same
// status, so nothing is written while nothing changes.
import type { ContainerStatus, Pod, PodCondition, PodStatus } from './pod-spec.ts';

export interface PodFacts {
  readonly podIP: string;
  readonly startTime: string;
  readonly containers: readonly ContainerStatus[];
  readonly initContainers: readonly ContainerStatus[];
  /** Every init container has ended well. */
  readonly initialized: boolean;
}

type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

function phaseOf(pod: Pod, facts: PodFacts): Phase {
  const codes = facts.containers.map(({ state }) => ('terminated' in state ? state.terminated.exitCode : undefined));
  const allEnded = codes.length > 0 && codes.every((code) => code !== undefined);
  const again = pod.spec.restartPolicy ?? 'Always';
  const endsForGood = again !== 'Always' || pod.metadata.deletionTimestamp !== undefined;
  if (allEnded && endsForGood) return codes.every((code) => code === 0) ? 'Succeeded' : 'Failed';
  const initFailed = facts.initContainers.some(
    ({ state }) => 'terminated' in state && state.terminated.exitCode !== 0 && again === 'Never',
  );
  if (initFailed) return 'Failed';
  const ran = ({ state, restartCount }: ContainerStatus): boolean => !('waiting' in state) || restartCount > 0;
  return facts.initialized && facts.containers.some(ran) ? 'Running' : 'Pending';
}

export function podStatus(pod: Pod, facts: PodFacts, now: string): PodStatus {
  const before = new Map((pod.status?.conditions ?? []).map((condition) => [condition.type, condition]));
  const phase = phaseOf(pod, facts);
  const unready = facts.containers.filter((container) => !container.ready).map((container) => container.name);
  const done = phase === 'Succeeded';
  const ready = unready.length === 0 && facts.initialized;
  const notReady = done
    ? { reason: 'PodCompleted' }
    : { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
  const notInitialized = { reason: 'ContainersNotInitialized', message: 'init containers have not all completed' };
  const conditions: readonly (Omit<PodCondition, 'lastTransitionTime' | 'status'> & { readonly holds: boolean })[] = [
    { type: 'PodScheduled', holds: true },
    { type: 'Initialized', holds: facts.initialized, ...(facts.initialized ? {} : notInitialized) },
    { type: 'ContainersReady', holds: ready, ...(ready ? {} : notReady) },
    { type: 'Ready', holds: ready, ...(ready ? {} : notReady) },
  ];
  return {
    phase,
    podIP: facts.podIP,
    startTime: facts.startTime,
    conditions: conditions.map(({ holds, ...condition }) => {
      const status = holds ? 'True' : 'False';
      const past = before.get(condition.type);
      return { ...condition, status, lastTransitionTime: past?.status === status ? past.lastTransitionTime : now };
    }),
    containerStatuses: facts.containers,
    ...(facts.initContainers.length > 0 ? { initContainerStatuses: facts.initContainers } : {}),
  };
}

/**
 * The end of a Pod whose processes were lost with an earlier run of the node and whose policy forbids another start.
 * Undefined when the Pod may (still) be started.
 */
export function lostStatus(pod: Pod, now: string): PodStatus | undefined {
  const before = pod.status?.containerStatuses ?? [];
  const ranOnce = before.some(({ state }) => !('waiting' in state));
  if (pod.spec.restartPolicy !== 'Never' || !ranOnce) return undefined;
  const message = 'its process was lost when the local node ended';
  const containers = before.map((status): ContainerStatus => {
    if ('terminated' in status.state) return status;
    const startedAt = 'running' in status.state ? status.state.running.startedAt : now;
    const terminated = { exitCode: 137, reason: 'NodeRestarted', message, startedAt, finishedAt: now };
    return { ...status, ready: false, started: false, state: { terminated } };
  });
  const { podIP = '', startTime = now } = pod.status ?? {};
  return podStatus(pod, { podIP, startTime, containers, initContainers: [], initialized: true }, now);
}
