import { describe, expect, test } from 'vitest';
import type { Pod } from './pod-spec.ts';
import { backendOf, parseServiceHost, type Service } from './services.ts';

describe('Service names', () => {
  test.each([
    ['engine', { service: 'engine', namespace: 'clinic', certain: false }],
    ['engine.other', { service: 'engine', namespace: 'other', certain: false }],
    ['engine.other.svc', { service: 'engine', namespace: 'other', certain: true }],
    ['engine.other.svc.cluster.local', { service: 'engine', namespace: 'other', certain: true }],
    ['models.example.com', undefined],
    ['10.0.0.1', undefined],
    ['localhost', undefined],
  ])('%s', (host, expected) => {
    expect(parseServiceHost(host, 'clinic')).toEqual(expected);
  });
});

const service: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'engine', namespace: 'clinic' },
  spec: { selector: { app: 'engine' }, ports: [{ name: 'http', port: 80, targetPort: 'api' }] },
};
const pod = (name: string, ready: 'True' | 'False', more: Partial<Pod['metadata']> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'clinic', uid: name, labels: { app: 'engine' }, ...more },
  spec: { containers: [{ name: 'main', image: 'signalbox', ports: [{ name: 'api', containerPort: 8080 }] }] },
  status: { podIP: `127.20.1.${name}`, conditions: [{ type: 'Ready', status: ready, lastTransitionTime: '' }] },
});

test('calls take turns over ready Pods, on the container port the Service names', () => {
  const pods = [pod('1', 'True'), pod('2', 'False'), pod('3', 'True'), pod('4', 'True', { deletionTimestamp: 'x' })];
  expect([0, 1, 2].map((turn) => backendOf(service, pods, 80, turn))).toEqual([
    { host: '127.20.1.1', port: 8080 },
    { host: '127.20.1.3', port: 8080 },
    { host: '127.20.1.1', port: 8080 },
  ]);
});

test('a refusal says what is missing', () => {
  expect(backendOf(service, [pod('2', 'False')], 'http', 0)).toEqual({
    refusal: 'Service clinic/engine has no ready Pod (1 match its selector, none is Ready)',
  });
  expect(backendOf(service, [], 81, 0)).toEqual({ refusal: 'Service clinic/engine has no port 81; it has 80' });
});
