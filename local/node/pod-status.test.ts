import { expect, test } from 'vitest';
import type { ContainerState, ContainerStatus, Pod } from './pod-spec.ts';
import { lostStatus, podStatus, type PodFacts } from './pod-status.ts';

const at = '2026-01-01T00:00:00Z';
const running: ContainerState = { running: { startedAt: at } };
const ended = (exitCode: number): ContainerState => ({
  terminated: { exitCode, reason: 'x', startedAt: at, finishedAt: at },
});
const crashing: ContainerState = { waiting: { reason: 'CrashLoopBackOff' } };
const container = (state: ContainerState, more: Partial<ContainerStatus> = {}): ContainerStatus => ({
  name: 'main',
  image: 'signalbox',
  imageID: '',
  ready: false,
  started: true,
  restartCount: 0,
  state,
  lastState: {},
  ...more,
});
const pod = (restartPolicy: 'Always' | 'Never', more: Partial<Pod['metadata']> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'n', uid: 'u', ...more },
  spec: { restartPolicy, containers: [] },
});
const facts = (...containers: readonly ContainerStatus[]): PodFacts => ({
  podIP: '127.20.1.1',
  startTime: at,
  containers,
  initContainers: [],
  initialized: true,
});

test.each([
  ['a running container makes a running Pod', pod('Always'), container(running), 'Running'],
  ['a crash loop is still a running Pod', pod('Always'), container(crashing, { restartCount: 2 }), 'Running'],
  ['a container that never ran leaves it pending', pod('Always'), container(crashing), 'Pending'],
  ['an end with 0 and no restart is success', pod('Never'), container(ended(0)), 'Succeeded'],
  ['an end with 1 and no restart is failure', pod('Never'), container(ended(1)), 'Failed'],
  ['an end before a restart is still running', pod('Always'), container(ended(1)), 'Running'],
  ['a deleted Pod ends', pod('Always', { deletionTimestamp: at }), container(ended(0)), 'Succeeded'],
])('%s', (_, given, status, phase) => {
  expect(podStatus(given, facts(status), at).phase).toBe(phase);
});

test('ready needs every container, and the transition time moves only with the status', () => {
  const first = podStatus(pod('Always'), facts(container(running, { ready: true }), container(running)), at);
  const ready = (status: typeof first) => status.conditions?.find((condition) => condition.type === 'Ready');
  expect(ready(first)).toMatchObject({ status: 'False', reason: 'ContainersNotReady', lastTransitionTime: at });
  const later = '2026-01-01T00:01:00Z';
  const again = podStatus({ ...pod('Always'), status: first }, facts(container(running)), later);
  expect(ready(again)?.lastTransitionTime).toBe(at);
  const now = podStatus({ ...pod('Always'), status: first }, facts(container(running, { ready: true })), later);
  expect(ready(now)).toEqual({ type: 'Ready', status: 'True', lastTransitionTime: later });
});

test('a Pod that may not start again and lost its process has failed; others may start', () => {
  const was = (restartPolicy: 'Always' | 'Never', state: ContainerState): Pod => ({
    ...pod(restartPolicy),
    status: { containerStatuses: [container(state, { ready: true })] },
  });
  expect(lostStatus(was('Always', running), at)).toBeUndefined();
  expect(lostStatus(was('Never', crashing), at)).toBeUndefined();
  expect(lostStatus(was('Never', running), at)).toMatchObject({
    phase: 'Failed',
    containerStatuses: [{ ready: false, state: { terminated: { exitCode: 137, reason: 'NodeRestarted' } } }],
  });
});
