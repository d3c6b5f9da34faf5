// The auth callout on a real API server and a real nats-server: projected tokens in, allow-lists out.
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { natsAuthCallout } from '../../adapters/identity/callout.ts';
import { connectKube, type KubeConnection } from '../../adapters/kube/kube.ts';
import { kubeconfigConfig } from '../../adapters/kube/kubeconfig.ts';
import { connectNats } from '../../adapters/nats/nats.ts';
import { jsonLog } from '../../adapters/system/log.ts';
import { inboxPrefix, natsAudience } from '../../api/messages/subjects.ts';
import { startIdentity } from '../../operator/identity/review.ts';
import type { Subscription } from '../../ports/bus.ts';
import { startPlane, type TestPlane } from '../support/plane.ts';

let plane: TestPlane;
let kube: KubeConnection;
let identity: Subscription;
const open: NatsConnection[] = [];

beforeAll(async () => {
  plane = await startPlane();
  kube = connectKube({ access: await kubeconfigConfig(plane.kubeconfig), component: 'test' });
  const { user, password } = plane.nats.users.callout;
  const log = jsonLog({ name: 'test', level: 'silent' });
  const callout = natsAuthCallout({ url: plane.nats.natsUrl, user, password, issuerSeed: plane.nats.issuerSeed, log });
  identity = await startIdentity(kube, callout);
}, 60_000);

afterAll(async () => {
  await Promise.all(open.map((connection) => connection.close()));
  await identity?.stop();
  await kube?.close();
  await plane?.stop();
});

async function podToken(serviceAccount: string, pod: string, labels: Record<string, string>, audience = natsAudience) {
  const manifest = [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: serviceAccount, namespace: 'default' } },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: pod, namespace: 'default', labels },
      spec: {
        serviceAccountName: serviceAccount,
        automountServiceAccountToken: false,
        containers: [{ name: 'main', image: 'signalbox' }],
      },
    },
  ];
  for (const object of manifest) await plane.kubectl(['apply', '-f', '-'], JSON.stringify(object));
  const args = [
    'create',
    'token',
    serviceAccount,
    '--audience',
    audience,
    '--bound-object-kind',
    'Pod',
    '--bound-object-name',
    pod,
  ];
  return (await plane.kubectl(args)).trim();
}

async function dial(account: string, token: string, inbox: string): Promise<NatsConnection> {
  const connection = await connect({
    servers: plane.nats.natsUrl,
    user: account,
    pass: token,
    inboxPrefix: inbox,
    reconnect: false,
  });
  open.push(connection);
  return connection;
}

const billing = { 'signalbox.dev/agent': 'billing', 'signalbox.dev/bundle': '0123456789ab' };

describe('a worker that connects with its projected token', () => {
  test('asks below its own identity, and nowhere else', async () => {
    const token = await podToken('signalbox-agent-billing', 'billing-1', billing);
    const worker = await dial('WORK', token, inboxPrefix('default', 'billing-1'));
    const engine = await connect({
      servers: plane.nats.natsUrl,
      user: 'engine-work',
      pass: plane.nats.users['engine-work'].password,
    });
    open.push(engine);
    const seen: string[] = [];
    engine.subscribe('>', {
      callback: (_error, message) => {
        seen.push(message.subject);
        if (message.subject.startsWith('ask.')) message.respond('ok');
      },
    });
    await engine.flush();
    const reply = await worker.request('ask.default.billing.0123456789ab.engine.0.claim', '{}', { timeout: 2000 });
    expect(reply.string()).toBe('ok');

    const refused: string[] = [];
    void (async () => {
      for await (const status of worker.status()) if (status.type === 'error') refused.push(status.error.message);
    })();
    const forbidden = [
      'ask.default.sales.0123456789ab.engine.0.claim',
      'ask.default.sales.0123456789ab.engine.0._asks',
      'task.default.sales.0123456789ab',
      'start.default.pay',
      'event.default.x',
    ];
    for (const subject of forbidden) worker.publish(subject, '{}');
    await worker.flush();
    await expect.poll(() => refused.length, { timeout: 3000 }).toBe(forbidden.length);
    expect(seen.filter((subject) => !subject.startsWith('_INBOX') && !subject.startsWith('$'))).toEqual([
      'ask.default.billing.0123456789ab.engine.0.claim',
    ]);
  });

  test('is told at once that an ask below another identity goes nowhere', async () => {
    const token = await podToken('signalbox-agent-billing', 'billing-3', billing);
    const worker = await connectNats({
      url: plane.nats.natsUrl,
      user: 'WORK',
      token: () => token,
      name: 'billing-3',
      inboxPrefix: inboxPrefix('default', 'billing-3'),
    });
    const asked = ['claim', 'complete'].map((verb) =>
      worker.ask(`ask.default.sales.0123456789ab.engine.0.${verb}`, {}, 100_000).catch((error: unknown) => error),
    );
    for (const reply of await Promise.all(asked)) {
      expect(reply).toMatchObject({
        code: 'BUS_UNREACHABLE',
        message: expect.stringMatching(/permissions violation/i),
      });
    }
    await worker.close();
  });

  test('may not listen to what others are answered', async () => {
    const token = await podToken('signalbox-agent-billing', 'billing-2', billing);
    const worker = await dial('WORK', token, inboxPrefix('default', 'billing-2'));
    const denied = new Promise<string>((resolve) => {
      worker.subscribe('_INBOX.default.billing-1.>', {
        callback: (error) => {
          if (error) resolve(error.message);
        },
      });
    });
    expect(await denied).toMatch(/permission/i);
  });

  test.each([
    ['account CONTROL', 'CONTROL', 'signalbox-agent-billing', billing, natsAudience],
    ['a token for another audience', 'WORK', 'signalbox-agent-billing', billing, 'https://kubernetes.default.svc'],
    [
      'a label of another agent',
      'WORK',
      'signalbox-agent-billing',
      { ...billing, 'signalbox.dev/agent': 'sales' },
      natsAudience,
    ],
    ['an unrelated service account', 'WORK', 'somebody', billing, natsAudience],
  ] as const)('is refused with %s', async (_name, account, serviceAccount, labels, audience) => {
    const pod = `refused-${Math.random().toString(36).slice(2, 8)}`;
    const token = await podToken(serviceAccount, pod, labels, audience);
    await expect(dial(account, token, inboxPrefix('default', pod))).rejects.toThrow(/authorization/i);
  });

  test('is refused without a token, and with a static user name but a wrong password', async () => {
    await expect(dial('WORK', '', '_INBOX.x')).rejects.toThrow(/authorization/i);
    await expect(dial('engine', 'wrong', '_INBOX.x')).rejects.toThrow(/authorization/i);
  });
});
