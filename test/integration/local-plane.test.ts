// The local control plane as a user has it: real servers, real Pods as processes, real faults.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@nats-io/transport-node';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { request, ProxyAgent } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { down, killProcess, logs, natsConnection, serviceUrl, status, up } from '../../local/api.ts';
import type { KillRole } from '../../local/api.ts';
import { marked } from '../../local/plane/launch.ts';
import { startInstance, type TestInstance } from '../support/plane.ts';

const server = `
const http = require('node:http'), fs = require('node:fs');
const root = process.env.SIGNALBOX_ROOT;
const read = (path) => fs.readFileSync(root + path, 'utf8');
console.log('listening on', process.env.IP);
http.createServer((query, answer) => {
  if (query.url === '/die') process.exit(3);
  answer.end(JSON.stringify({
    pid: process.pid, pod: process.env.POD, password: process.env.PASSWORD, level: process.env.CM_level,
    file: read('/etc/settings/level'), account: read('/var/run/secrets/kubernetes.io/serviceaccount/namespace'),
    token: read('/var/run/secrets/gateway/token'), proxy: process.env.HTTP_PROXY, host: process.env.SSH_CLIENT ?? null,
  }));
}).listen(8080, process.env.IP);
process.on('SIGTERM', () => { console.log('asked to stop'); setTimeout(() => process.exit(0), 100); });
`;

const manifests = [
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { level: 'debug' } },
  { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys' }, stringData: { password: 's3cret' } },
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'echo' } },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'echo' },
    spec: { selector: { app: 'echo' }, ports: [{ port: 80, targetPort: 'http' }] },
  },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'echo' },
    spec: {
      selector: { matchLabels: { app: 'echo' } },
      template: {
        metadata: { labels: { app: 'echo', 'app.kubernetes.io/component': 'worker' } },
        spec: {
          serviceAccountName: 'echo',
          terminationGracePeriodSeconds: 5,
          containers: [
            {
              name: 'main',
              image: 'signalbox:test',
              command: ['node', '-e'],
              args: [server],
              env: [
                { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
                { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
                { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'keys', key: 'password' } } },
              ],
              envFrom: [{ prefix: 'CM_', configMapRef: { name: 'settings' } }],
              ports: [{ name: 'http', containerPort: 8080 }],
              readinessProbe: { httpGet: { path: '/', port: 'http' } },
              volumeMounts: [
                { name: 'settings', mountPath: '/etc/settings' },
                { name: 'gateway', mountPath: '/var/run/secrets/gateway' },
              ],
            },
          ],
          volumes: [
            { name: 'settings', configMap: { name: 'settings' } },
            {
              name: 'gateway',
              projected: {
                sources: [
                  { serviceAccountToken: { audience: 'signalbox-gateway', expirationSeconds: 600, path: 'token' } },
                ],
              },
            },
          ],
        },
      },
    },
  },
];

interface Answer {
  readonly pid: number;
  readonly pod: string;
  readonly token: string;
  readonly [field: string]: unknown;
}

let plane: TestInstance;
const list = (items: readonly unknown[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
const apply = (...items: readonly unknown[]) => plane.kubectl(['apply', '-f', '-'], list(items));

async function eventually<T>(what: string, ask: () => Promise<T | undefined>, timeoutMs = 20_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    const found = await ask().catch((error: unknown) => void (last = error));
    if (found !== undefined) return found as T;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`, { cause: last });
    await sleep(100);
  }
}

async function ask(): Promise<Answer> {
  const url = await serviceUrl({ ...plane.options, namespace: 'default', service: 'echo' });
  const answer = await request(url, { headersTimeout: 2_000 });
  return (await answer.body.json()) as Answer;
}

const available = () => plane.kubectl(['wait', '--for=condition=available', 'deploy/echo', '--timeout=20s']);

beforeAll(async () => {
  plane = await startInstance('test');
});
afterAll(async () => {
  await plane?.stop();
});

describe('a Pod of our image', () => {
  test('becomes Ready as a process with its env, files and a namespace of its own', async () => {
    await apply(...manifests);
    await available();
    const answer = await ask();
    expect(answer).toMatchObject({ password: 's3cret', level: 'debug', file: 'debug', account: 'default', host: null });
    expect(answer.pod).toMatch(/^echo-/);
    expect(await plane.kubectl(['get', 'nodes', '-o', 'name'])).toBe('node/local\n');
  });

  test('carries a real token, bound to it, for the audience it asked for', async () => {
    const { token, pod } = await ask();
    const review = (audience: string) => ({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: [audience] },
    });
    const create = async (audience: string) =>
      JSON.parse(await plane.kubectl(['create', '-o', 'json', '-f', '-'], JSON.stringify(review(audience)))).status;
    expect(await create('signalbox-gateway')).toMatchObject({
      authenticated: true,
      user: {
        username: 'system:serviceaccount:default:echo',
        extra: { 'authentication.kubernetes.io/pod-name': [pod] },
      },
    });
    expect((await create('https://kubernetes.default.svc.cluster.local')).authenticated).not.toBe(true);
  });

  test('sees a changed ConfigMap without a restart', async () => {
    const { pid } = await ask();
    await apply({ ...manifests[0], data: { level: 'warn' } });
    const answer = await eventually('new file', async () => {
      const now = await ask();
      return now['file'] === 'warn' ? now : undefined;
    });
    expect(answer.pid).toBe(pid);
  });

  test('is restarted by its policy when it is killed or ends', async () => {
    const { pid } = await ask();
    const killed = await killProcess(plane.options, 'worker');
    expect(killed).toMatchObject({ pid });
    const next = await eventually('a new process', async () => {
      const answer = await ask();
      return answer.pid === pid ? undefined : answer;
    });
    expect(next.pid).not.toBe(pid);
    const pod = await plane.kubectl([
      'get',
      'pods',
      '-l',
      'app=echo',
      '-o',
      'jsonpath={.items[0].status.containerStatuses[0]}',
    ]);
    expect(JSON.parse(pod)).toMatchObject({
      restartCount: 1,
      ready: true,
      lastState: { terminated: { exitCode: 137 } },
    });
  });

  test('has logs, whole and followed', async () => {
    const { pod } = await ask();
    const ending = new AbortController();
    const seen: string[] = [];
    for await (const line of logs({
      ...plane.options,
      namespace: 'default',
      pod,
      follow: true,
      signal: ending.signal,
    })) {
      seen.push(line);
      if (seen.length === 2) ending.abort();
    }
    expect(seen).toEqual([expect.stringMatching(/^listening on 127\./), expect.stringMatching(/^listening on 127\./)]);
    expect(await plane.kubectl(['logs', pod, '--tail=1'])).toMatch(/^listening on 127\./);
  });

  test('is reached by its Service name through the proxy, and a Service without Pods says so', async () => {
    const { proxyUrl = '' } = await status(plane.options);
    const dispatcher = new ProxyAgent({ uri: proxyUrl.replace('//', '//default:pod@') });
    for (const host of ['echo', 'echo.default', 'echo.default.svc', 'echo.default.svc.cluster.local']) {
      const answer = await request(`http://${host}/`, { dispatcher });
      expect(((await answer.body.json()) as Answer).pod).toMatch(/^echo-/);
    }
    const elsewhere = new ProxyAgent({ uri: proxyUrl.replace('//', '//kube-system:pod@') });
    const refused = await request('http://echo.kube-system.svc/', { dispatcher: elsewhere });
    expect(refused.statusCode).toBe(502);
    expect(await refused.body.text()).toBe('signalbox local node: there is no Service kube-system/echo\n');
    const unknown = await request('http://echo/', { dispatcher: elsewhere });
    expect(unknown.statusCode).toBe(502);
    await unknown.body.dump();
    await dispatcher.close();
    await elsewhere.close();
  });

  test('reaches Services with plain fetch, short names meaning its own namespace', async () => {
    const script = `
      const namespace = new URL(process.env.HTTP_PROXY).username;
      for (const url of ['http://echo.default', 'http://echo', 'http://' + namespace + '.invalid']) {
        await fetch(url).then(
          async (answer) => console.log(answer.status, (await answer.text()).slice(0, 200)),
          (error) => console.log('no connection:', error.cause.cause.message),
        );
      }`;
    const container = { name: 'main', image: 'signalbox', command: ['node', '--input-type=module', '-e', script] };
    await apply(
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'clinic' } },
      { ...manifests[3], metadata: { name: 'echo', namespace: 'clinic' } },
    );
    const client = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'client', namespace: 'clinic' } };
    // A new namespace gets its default service account a moment later.
    await eventually('the Pod', () => apply({ ...client, spec: { restartPolicy: 'Never', containers: [container] } }));
    const succeeded = '--for=jsonpath={.status.phase}=Succeeded';
    await plane.kubectl(['wait', '-n', 'clinic', succeeded, 'pod/client', '--timeout=20s']);
    const said: string[] = [];
    for await (const line of logs({ ...plane.options, namespace: 'clinic', pod: 'client' })) said.push(line);
    expect(said[0]).toMatch(/^200 .*"pod":"echo-/);
    // Nobody of the Service is ready: no connection, so a caller knows that nothing has happened.
    expect(said.slice(1)).toEqual(Array(2).fill('no connection: Proxy response (502) !== 200 when HTTP Tunneling'));
    await plane.kubectl(['delete', 'namespace', 'clinic']);
  });

  test('of another image waits and says what is allowed', async () => {
    const spec = { containers: [{ name: 'main', image: 'nginx:1' }] };
    await apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'foreign' }, spec });
    const path = 'jsonpath={.status.containerStatuses[0].state.waiting}';
    const waiting = await eventually('a reason', async () => {
      const text = await plane.kubectl(['get', 'pod', 'foreign', '-o', path]);
      return text === '' ? undefined : (JSON.parse(text) as { reason: string; message: string });
    });
    expect(waiting).toEqual({
      reason: 'ImageNotAvailable',
      message: 'the local node has no image "nginx:1"; it runs signalbox (any tag) as processes of this project',
    });
    await plane.kubectl(['delete', 'pod', 'foreign']);
  });

  test('is restarted when its liveness probe fails', async () => {
    const container = {
      name: 'main',
      image: 'signalbox',
      command: ['node', '-e', 'setInterval(() => undefined, 1000)'],
      livenessProbe: { exec: { command: ['false'] }, periodSeconds: 1, failureThreshold: 1 },
    };
    await apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'sick' }, spec: { containers: [container] } });
    const path =
      'jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].lastState.terminated.message}';
    const text = await eventually('a restart', async () => {
      const found = await plane.kubectl(['get', 'pod', 'sick', '-o', path]);
      return found.startsWith('0') || found === ' ' ? undefined : found;
    });
    expect(text).toContain('Liveness probe failed: false ended with 1');
    await plane.kubectl(['delete', 'pod', 'sick']);
  });
});

describe('faults', () => {
  test.each(['apiserver', 'nats-server', 'etcd', 'kcm'] as const)(
    '%s comes back after SIGKILL',
    async (role: KillRole) => {
      await killProcess(plane.options, role);
      await eventually(`${role} runs again`, async () => {
        const { servers } = await status(plane.options);
        return servers.every(({ state }) => state === 'running') ? true : undefined;
      });
      await eventually('the API server answers', () => plane.kubectl(['get', 'pods', '-o', 'name']));
    },
  );

  test('afterwards everything works: a changed Deployment rolls out, messages are kept', async () => {
    const { natsUrl, users } = await natsConnection(plane.options);
    const connection = await connect({ servers: natsUrl, user: users.engine.user, pass: users.engine.password });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: 'kept', subjects: ['kept.>'] });
    await jetstream(connection).publish('kept.one', 'first');
    await killProcess(plane.options, 'nats-server');
    const held = await eventually('the stream', async () => (await manager.streams.info('kept')).state.messages);
    expect(held).toBe(1);
    await connection.close();
    const before = (await ask()).pod;
    await plane.kubectl(['rollout', 'restart', 'deploy/echo']);
    await plane.kubectl(['rollout', 'status', 'deploy/echo', '--timeout=20s']);
    expect((await ask()).pod).not.toBe(before);
    expect((await status(plane.options)).servers.map(({ restarts }) => restarts > 0)).toEqual([true, true, true, true]);
  });

  test('deletion gives a Pod its grace, then it is gone with its files', async () => {
    const { pod, pid } = await ask();
    const follow = logs({ ...plane.options, namespace: 'default', pod, follow: true });
    const seen: string[] = [];
    const reading = (async () => {
      for await (const line of follow) seen.push(line);
    })();
    await plane.kubectl(['delete', 'deploy', 'echo']);
    await plane.kubectl(['wait', '--for=delete', `pod/${pod}`, '--timeout=20s']);
    await reading;
    expect(seen.at(-1)).toBe('asked to stop');
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  test('SIGKILL of the supervising process leaves nothing running, and the next up goes on from there', async () => {
    await apply(...manifests);
    await available();
    expect(marked(plane.options.stateDir).length).toBeGreaterThan(4);
    await killProcess(plane.options, 'supervisor');
    await eventually('all gone', async () => (marked(plane.options.stateDir).length === 0 ? true : undefined), 10_000);
    expect((await status(plane.options)).running).toBe(false);
    await up({ ...plane.options, system: false }, () => undefined);
    await available();
    await eventually('an answer', async () => ask());
  });
});

describe('instances', () => {
  test('two live side by side, and down leaves neither process nor file', async () => {
    const other = await startInstance('other');
    try {
      const both = await Promise.all([status(plane.options), status(other.options)]);
      const ports = both.flatMap(({ servers }) => servers.map(({ port }) => port));
      expect(new Set(ports).size).toBe(8);
      expect(both[0].proxyUrl).not.toBe(both[1].proxyUrl);
      expect(await other.kubectl(['get', 'deploy', '-o', 'name'])).toBe('');
      const again = await up({ ...other.options, system: false }, () => undefined);
      expect(again.started).toBe(false);
    } finally {
      await other.stop();
    }
    expect(marked(other.options.stateDir)).toEqual([]);
    expect([other.options.stateDir, `${other.options.stateDir}.lock`].filter((path) => existsSync(path))).toEqual([]);
    expect(await down(other.options, () => undefined)).toEqual({ existed: false });
  });

  test('what a stopped instance kept is there again, and no secret is on a command line', async () => {
    await down({ ...plane.options, keepData: true }, () => undefined);
    expect(marked(plane.options.stateDir)).toEqual([]);
    await up({ ...plane.options, system: false }, () => undefined);
    await available();
    const secrets = JSON.parse(await readFile(`${plane.options.stateDir}/keys/secrets.json`, 'utf8'));
    const { stdout } = await promisify(execFile)('ps', ['-eww', '-o', 'args'], { maxBuffer: 16 * 1024 * 1024 });
    for (const secret of [secrets.kubeToken, secrets.issuerSeed, ...Object.values(secrets.natsPasswords)]) {
      expect(stdout.includes(String(secret))).toBe(false);
    }
  });
});
