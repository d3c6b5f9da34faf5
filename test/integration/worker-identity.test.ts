// Gateway and worker with what they have in a cluster: a projected token and the grants of the auth callout, nothing else.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { natsAuthCallout } from '../../adapters/identity/callout.ts';
import { connectKube, type KubeConnection } from '../../adapters/kube/kube.ts';
import { kubeconfigConfig } from '../../adapters/kube/kubeconfig.ts';
import { jsonLog } from '../../adapters/system/log.ts';
import { agentServiceAccount, bundleToken, gatewayServiceAccount, natsAudience } from '../../api/messages/subjects.ts';
import { startIdentity } from '../../operator/identity/review.ts';
import type { Subscription } from '../../ports/bus.ts';
import { type FaultServer, startFaultServer } from '../support/fault-server.ts';
import { type GatewayProcess, stageAgent, stageNamespace } from '../support/gateway-stage.ts';
import { startPlane, type TestPlane } from '../support/plane.ts';
import { type RunStage, startRunStage } from '../support/run-stage.ts';

let plane: TestPlane;
let kube: KubeConnection;
let identity: Subscription;
let server: FaultServer;
let stage: RunStage;
const folders: string[] = [];
const processes: GatewayProcess[] = [];

async function tokenOf(serviceAccount: string, pod: string, labels: Record<string, string>): Promise<string> {
  const metadata = (name: string) => ({ name, namespace: stageNamespace });
  const spec = {
    serviceAccountName: serviceAccount,
    automountServiceAccountToken: false,
    containers: [{ name: 'main', image: 'signalbox' }],
  };
  const objects = [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata(serviceAccount) },
    { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata(pod), labels }, spec },
  ];
  for (const object of objects) await plane.kubectl(['apply', '-f', '-'], JSON.stringify(object));
  const bound = ['--bound-object-kind', 'Pod', '--bound-object-name', pod];
  const args = ['create', 'token', serviceAccount, '-n', stageNamespace, '--audience', natsAudience, ...bound];
  return (await plane.kubectl(args)).trim();
}

beforeAll(async () => {
  server = await startFaultServer();
  plane = await startPlane();
  await plane.kubectl(['create', 'namespace', stageNamespace]);
  kube = connectKube({ access: await kubeconfigConfig(plane.kubeconfig), component: 'test' });
  const { natsUrl, users, issuerSeed } = plane.nats;
  const log = jsonLog({ name: 'test', level: 'silent' });
  identity = await startIdentity(kube, natsAuthCallout({ url: natsUrl, ...users.callout, issuerSeed, log }));
  const never = () => Promise.reject(new Error('the plane owns this server'));
  stage = await startRunStage(
    {
      tools: {
        pay: {
          description: 'Pays.',
          http: { url: `${server.url}/pay` },
          input: { type: 'object' },
          effect: 'idempotentWrite',
          idempotency: { header: 'Idempotency-Key' },
        },
      },
      models: {
        script: {
          scripted: {
            replies: [
              { when: 'size(calls) == 0', calls: [{ tool: 'pay', args: { amount: 1 } }] },
              { text: 'Paid.', confidence: '0.9' },
            ],
          },
          prices: { currency: 'USD', inputPerMillion: 1_000_000, outputPerMillion: 1_000_000 },
        },
      },
      spec: { verifier: { rules: [{ name: 'paid', cel: "calls.exists(c, c.tool == 'pay' && c.outcome == 'ok')" }] } },
      permissions: [{ tool: 'pay', mode: 'write' }],
      budget: { perDayMicros: 1_000_000 },
    },
    {
      pay: {
        input: { type: 'object' },
        start: 'work',
        states: {
          work: {
            type: 'task',
            agent: stageAgent,
            goal: 'Pay.',
            timeout: '30s',
            backup: 'none',
            exits: { error: 'failed', timeout: 'failed' },
          },
          ok: { type: 'terminal', outcome: 'success' },
          failed: { type: 'terminal', outcome: 'failed' },
        },
        transitions: [{ from: 'work', to: 'ok' }],
      },
    },
    {
      nats: {
        url: natsUrl,
        monitorUrl: '',
        store: '',
        control: users.engine,
        work: users['engine-work'],
        pid: () => undefined,
        crash: never,
        kill: never,
        start: never,
        stop: () => Promise.resolve(),
      },
      identity: async (role, pod, bundle) => {
        const folder = await mkdtemp(join(tmpdir(), 'signalbox-identity-'));
        folders.push(folder);
        const labels = { 'signalbox.dev/agent': stageAgent, 'signalbox.dev/bundle': bundleToken(bundle.digest) };
        const account = role === 'gateway' ? gatewayServiceAccount : agentServiceAccount(stageAgent);
        const token = await tokenOf(account, pod, role === 'gateway' ? {} : labels);
        for (const [path, text] of [
          ['var/run/secrets/signalbox/nats/token', token],
          ['etc/signalbox/bundle.json', JSON.stringify(bundle)],
        ] as const) {
          await mkdir(join(folder, path, '..'), { recursive: true });
          await writeFile(join(folder, path), text);
        }
        return { SIGNALBOX_ROOT: folder, SIGNALBOX_NATS_URL: natsUrl };
      },
    },
  );
}, 90_000);
afterAll(async () => {
  await stage?.stop();
  await identity?.stop();
  await kube?.close();
  await plane?.stop();
  await server?.stop();
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
}, 60_000);

it('a run with an effect and a daily budget needs no more than the grants', async () => {
  server.on('/pay', (call, answer) => {
    answer.effect(String(call.headers['idempotency-key']));
    answer.json(200, { paid: true });
  });
  processes.push(await stage.startEngine(), await stage.startGateway(), await stage.startWorker('worker-0'));
  await stage.start('Run1', 'pay', {});
  const summary = await stage.until('Run1', (seen) => seen.status === 'Closed');
  expect(summary, processes.map((one) => one.log()).join('\n')).toMatchObject({ outcome: 'success', effects: 1 });
  expect([...server.effects.values()]).toEqual([1]);
  const logs = processes.map((one) => one.log()).join('\n');
  expect(logs).not.toMatch(/permissions violation/i);
  expect(logs).not.toContain('could not be counted');
}, 60_000);
