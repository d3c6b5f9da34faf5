import { expect, test } from 'vitest';
import { readSettings } from './settings.ts';

const environment = {
  POD_IP: '10.0.0.1',
  POD_NAME: 'o-1',
  POD_NAMESPACE: 'signalbox-system',
  SIGNALBOX_NATS_URL: 'nats://nats:4222',
  SIGNALBOX_NATS_CONTROL_USER: 'operator',
  SIGNALBOX_NATS_CONTROL_PASSWORD: 'a',
  SIGNALBOX_NATS_WORK_USER: 'operator-work',
  SIGNALBOX_NATS_WORK_PASSWORD: 'b',
};

test('defaults', () => {
  expect(readSettings(environment)).toMatchObject({
    partitions: 4,
    image: 'signalbox',
    lease: { leaseMs: 15_000, renewMs: 10_000, retryMs: 2_000 },
    webhook: { kind: 'Service', namespace: 'signalbox-system' },
  });
  expect(readSettings(environment).callout).toBeUndefined();
});

test('pods that are processes are reached by address', () => {
  const url = { kind: 'Url', host: '10.0.0.1', port: 9443 };
  expect(readSettings({ ...environment, SIGNALBOX_ROOT: '/x' }).webhook).toEqual(url);
  expect(readSettings({ ...environment, SIGNALBOX_WEBHOOK_URL_HOST: '10.0.0.1' }).webhook).toEqual(url);
});

test.each([
  [{ POD_IP: '' }, 'POD_IP is not set'],
  [{ SIGNALBOX_PARTITIONS: '0' }, 'SIGNALBOX_PARTITIONS is "0"; allowed is a whole number from 1 to 256'],
  [{ SIGNALBOX_LEASE_SECONDS: 'soon' }, 'SIGNALBOX_LEASE_SECONDS is "soon"'],
  [{ SIGNALBOX_NATS_ISSUER_SEED: 'SA' }, 'SIGNALBOX_NATS_CALLOUT_USER is not set'],
])('%o is refused', (differing, message) => {
  expect(() => readSettings({ ...environment, ...differing })).toThrow(message);
});
