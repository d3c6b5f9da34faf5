// Owns: a real HTTP server as a tool, with a log of what it truly did and faults on demand.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedCall {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** How a path answers. `effect` counts at the moment the tool really acts. */
export type Behaviour = (call: ReceivedCall, answer: Answering) => void | Promise<void>;

export interface Answering {
  /** The tool acts: what an effect log at a real sink would hold. */
  effect(key: string): void;
  json(status: number, body: unknown, headers?: Record<string, string>): void;
  raw(status: number, headers: Record<string, string>, body: string): void;
  /** Closes the connection with a reset. */
  reset(): void;
}

export interface FaultServer {
  readonly url: string;
  readonly calls: readonly ReceivedCall[];
  /** Effect key → how often the tool acted. */
  readonly effects: ReadonlyMap<string, number>;
  on(path: string, behaviour: Behaviour): void;
  clear(): void;
  stop(): Promise<void>;
}

export async function startFaultServer(): Promise<FaultServer> {
  const calls: ReceivedCall[] = [];
  const effects = new Map<string, number>();
  const behaviours = new Map<string, Behaviour>();
  const server = createServer((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? '/', 'http://tool.test');
      let body = '';
      for await (const chunk of request) body += String(chunk);
      const { method = '', headers } = request;
      const call = { method, path: url.pathname, query: url.searchParams, headers, body };
      calls.push(call);
      const behaviour = behaviours.get(url.pathname);
      if (behaviour === undefined) response.writeHead(404).end();
      else await behaviour(call, answering(request, response, effects));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    effects,
    on: (path, behaviour) => void behaviours.set(path, behaviour),
    clear: () => {
      calls.length = 0;
      effects.clear();
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answering(request: IncomingMessage, response: ServerResponse, effects: Map<string, number>): Answering {
  return {
    effect: (key) => void effects.set(key, (effects.get(key) ?? 0) + 1),
    json: (status, body, headers = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify(body));
    },
    raw: (status, headers, body) => {
      response.writeHead(status, headers);
      response.end(body);
    },
    reset: () => request.socket.resetAndDestroy(),
  };
}
