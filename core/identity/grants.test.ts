import { describe, expect, test } from 'vitest';
import { grantFor, type PodIdentity } from './grants.ts';

const worker: PodIdentity = {
  namespace: 'clinic',
  serviceAccount: 'signalbox-agent-billing',
  pod: 'billing-abc-1',
  labels: { 'signalbox.dev/agent': 'billing', 'signalbox.dev/bundle': '0123456789ab' },
};
const gateway: PodIdentity = { namespace: 'clinic', serviceAccount: 'signalbox-gateway', pod: 'gw-1', labels: {} };

describe('grantFor', () => {
  test('I1: a worker publishes only below its own namespace, agent and bundle, and to its own consumer', () => {
    const decision = grantFor(worker, 'WORK');
    if (decision.kind !== 'Granted') throw new Error(decision.message);
    expect(decision.grant.publish).toEqual([
      'ask.clinic.billing.0123456789ab.>',
      '$JS.API.CONSUMER.INFO.TASKS.clinic_billing_0123456789ab',
      '$JS.API.CONSUMER.MSG.NEXT.TASKS.clinic_billing_0123456789ab',
      '$JS.ACK.TASKS.clinic_billing_0123456789ab.>',
    ]);
    expect(decision.grant.subscribe).toEqual(['_INBOX.clinic.billing-abc-1.>']);
  });

  test.each([
    ['I2: a worker may not use CONTROL', worker, 'CONTROL', 'a worker may use account WORK, not CONTROL'],
    [
      'I1: a label of another agent is refused',
      { ...worker, labels: { ...worker.labels, 'signalbox.dev/agent': 'sales' } },
      'WORK',
      'pod billing-abc-1 is labelled for agent sales, its service account for billing',
    ],
    [
      'I1: a bundle label must be a bundle token, never a wildcard',
      { ...worker, labels: { ...worker.labels, 'signalbox.dev/bundle': '>' } },
      'WORK',
      'pod billing-abc-1 has no label signalbox.dev/bundle with 12 hex digits',
    ],
    [
      'I3: any other service account gets nothing',
      { ...worker, serviceAccount: 'default' },
      'WORK',
      'service account clinic/default is neither signalbox-gateway nor signalbox-agent-<agent>',
    ],
    [
      'a gateway must say which account',
      gateway,
      undefined,
      'a gateway must ask for account CONTROL or WORK, not (none)',
    ],
  ])('%s', (_name, pod, account, message) => {
    expect(grantFor(pod, account)).toEqual({ kind: 'Refused', message });
  });

  test('a gateway writes only the ledger, the shared limits and the spending of its namespace and serves only its asks', () => {
    const control = grantFor(gateway, 'CONTROL');
    const work = grantFor(gateway, 'WORK');
    if (control.kind !== 'Granted' || work.kind !== 'Granted') throw new Error('refused');
    expect(control.grant.publish.filter((subject) => subject.startsWith('ledger'))).toEqual(['ledger.clinic.>']);
    expect(control.grant.publish.filter((subject) => subject.startsWith('$KV.limits'))).toEqual([
      '$KV.limits.clinic.>',
    ]);
    expect(control.grant.publish.filter((subject) => subject.startsWith('$KV.spend'))).toEqual(['$KV.spend.clinic.>']);
    expect(control.grant.publish.some((subject) => subject.startsWith('journal') || subject === '>')).toBe(false);
    expect(work.grant.subscribe).toContain('ask.clinic.*.*.gateway.*');
  });
});
