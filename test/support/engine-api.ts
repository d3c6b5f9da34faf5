// Owns: the engine's HTTP API under test, with a real API server that says who may do what: `starter` may everything in
// namespace clinic, `reader` may look.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connectKube } from '../../adapters/kube/kube.ts';
import { kubeCallers } from '../../runtime/engine/http/access.ts';
import type { Engine } from '../../runtime/engine/engine.ts';
import { engineApi } from '../../runtime/engine/http/api.ts';
import { EngineStage } from './engine-stage.ts';
import { startPlane, type TestPlane } from './plane.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: { code?: string; message?: string } & Record<string, unknown>;
}

export interface CallOptions {
  readonly as?: string;
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TestApi {
  readonly plane: TestPlane;
  readonly stage: EngineStage;
  /** Of the namespaces' routes. */
  readonly base: string;
  readonly tokens: Readonly<Record<string, string>>;
  /** `path` below `/v1/namespaces/`. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** The engine that answers. */
  readonly engine: Engine;
  /** Another engine instead of that one. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startApi(): Promise<TestApi> {
  const [plane, stage] = await Promise.all([startPlane(), EngineStage.start()]);
  const tokens = await people(plane);
  let running = await stage.engine();
  const { server: url, caPem: ca } = plane.kube;
  const callers = kubeCallers(
    (token) =>
      connectKube({
        component: 'engine',
        access: { server: url, ca, namespace: 'default', credentials: () => Promise.resolve({ token }) },
      }),
    Date.now,
  );
  let answers = engineApi({ ...running, callers });
  const server = createServer((request, response) => answers(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/namespaces/`;
  return {
    plane,
    stage,
    base,
    tokens,
    get engine() {
      return running.engine;
    },
    async restart() {
      await running.engine.stop();
      running = await stage.engine('another');
      answers = engineApi({ ...running, callers });
    },
    async call(method, path, options = {}) {
      const token = options.token ?? tokens[options.as ?? 'starter'];
      const authorization = token === '' ? {} : { authorization: `Bearer ${token}` };
      const answer = await fetch(base + path, {
        method,
        headers: { 'content-type': 'application/json', ...authorization, ...options.headers },
        ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      });
      return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Answer['body'] };
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await Promise.all([stage.stop(), plane.stop()]);
    },
  };
}

async function people(plane: TestPlane): Promise<Readonly<Record<string, string>>> {
  const tokens: Record<string, string> = {};
  await plane.kubectl(['create', 'namespace', 'clinic']);
  for (const [name, verbs] of [
    ['starter', ['create', 'get', 'list', 'update']],
    ['reader', ['get', 'list']],
  ] as const) {
    await plane.kubectl(['-n', 'clinic', 'create', 'serviceaccount', name]);
    tokens[name] = (await plane.kubectl(['-n', 'clinic', 'create', 'token', name])).trim();
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name, namespace: 'clinic' },
      rules: [{ apiGroups: ['signalbox.dev'], resources: ['workflowruns'], verbs }],
    };
    await plane.kubectl(['apply', '-f', '-'], JSON.stringify(role));
    const binding = ['rolebinding', name, `--role=${name}`, `--serviceaccount=clinic:${name}`];
    await plane.kubectl(['-n', 'clinic', 'create', ...binding]);
  }
  return tokens;
}
