import { expect, test } from 'vitest';
import type { LocalStatus } from '../local-plane.ts';
import { statusText } from './status.ts';
import { widthOf } from './width.ts';
import { partitionStatus } from '../../test/support/objects.ts';

const pod = (name: string, role: string, over = {}) => ({
  namespace: role === 'worker' ? 'clinic' : 'signalbox-system',
  name,
  role,
  phase: 'Running',
  ready: true,
  restarts: 0,
  ip: '127.31.0.4',
  pid: 41_234,
  rssMiB: 88.4,
  ...over,
});
const server = (name: string, version: string, port: number, over = {}) => ({
  name,
  version,
  pid: 40_000 + (port % 100),
  port,
  restarts: 0,
  rssMiB: 41.2,
  state: 'running',
  ...over,
});

const running: LocalStatus = {
  instance: 'default',
  stateDir: '/home/maria/.local/state/signalbox/default',
  running: true,
  supervisorPid: 4711,
  supervisorRssMiB: 61.7,
  uptimeSeconds: 192,
  kubeServer: 'https://127.0.0.1:25927',
  natsUrl: 'nats://127.0.0.1:26115',
  servers: [
    server('etcd', '3.7.3', 24_951),
    server('kube-apiserver', '1.36.3', 25_927, { rssMiB: 281.9 }),
    server('kube-controller-manager', '1.36.3', 25_928),
    server('nats-server', '2.15.2', 26_115, { restarts: 1 }),
  ],
  pods: [
    pod('signalbox-operator-6c5d8f7b9-x2x4q', 'operator'),
    pod('signalbox-engine-7f9c6d5b8-k8x2p', 'engine'),
    pod('signalbox-gateway-5d8f7c9b6-q9z4m', 'gateway'),
    pod('clinician-onboarding-1a2b3c4d5e6f-7f9c6d5b8-k8x2p', 'worker'),
  ],
  nats: { version: '2.15.2', jetstream: true, syncAlways: true },
};

test('status at 80 columns', async () => {
  const text = `${statusText(running, { columns: 80 })}\n`;
  for (const line of text.split('\n')) expect(widthOf(line), line).toBeLessThanOrEqual(80);
  await expect(text).toMatchFileSnapshot('../golden/status.80.txt');
});

test('status of what is not well says where to look', async () => {
  const ill: LocalStatus = {
    ...running,
    instance: 'try',
    nats: { version: '2.15.2', jetstream: true, syncAlways: false },
    pods: [
      pod('billing-1a2b3c-7f9c6-k8x2p', 'worker', { ready: false, reason: 'CrashLoopBackOff: exit 1', restarts: 7 }),
    ],
  };
  const text = `${statusText(ill, { columns: 80 })}\n`;
  expect(text).toContain('NOT durable');
  expect(text).toContain('next: signalbox logs billing-1a2b3c-7f9c6-k8x2p -n clinic --name try --tail 20');
  await expect(text).toMatchFileSnapshot('../golden/status.ill.txt');
});

test('status of a stopped instance says how to start it', () => {
  const text = statusText({ ...running, running: false, servers: [], pods: [] }, { columns: 80 });
  expect(text).toContain('not running');
  expect(text).toContain('next: signalbox up');
});

const partition = (number: number, engine: string, over = {}) =>
  partitionStatus(number, {
    engine,
    runs: { Running: 2, Waiting: 5, Frozen: 1, Closed: 40 },
    tasks: { waiting: 3, claimed: 2 },
    fullness: 0.124,
    ...over,
  });

test('status of the work at 80 columns: who serves what, and what is wrong in sentences', async () => {
  const work = {
    partitions: [
      partition(0, 'signalbox-engine-7f9c6d5b8-k8x2p'),
      partition(1, 'signalbox-engine-7f9c6d5b8-zz9zz', { parked: 2, fullness: 0.83 }),
      { partition: 2, code: 'JOURNAL_NEWER', message: 'JOURNAL_2 record 9 has version 2' },
    ],
    deadLetters: [{ namespace: 'clinic', reason: 'poison', open: 2 }],
    limits: [],
    says: [
      'Partition 2 is not served: JOURNAL_2 record 9 has version 2.',
      '2 dead letters wait for a person in namespace clinic (2 poison); see signalbox deadletters list -n clinic.',
    ],
  };
  const text = `${statusText(running, { columns: 80 }, work)}\n`;
  for (const line of text.split('\n')) expect(widthOf(line), line).toBeLessThanOrEqual(80);
  await expect(text).toMatchFileSnapshot('../golden/status.work.80.txt');
  const moving = statusText(running, { columns: 80 }, { ...work, says: ['Partition 2 is not served: \u001B[2Jgone.'] });
  expect(moving).not.toContain('\u001B');
  const silent = statusText(running, { columns: 80 }, { problem: 'no ready pod' });
  expect(silent).toContain('The engine says nothing: no ready pod');
});
