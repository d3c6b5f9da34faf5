// Owns: the network of the sandbox: whatever address a Tool has, its calls reach one server here, over the real protocol and by
// the real adapter. What the wire carries is the adapter's matter; which call it is, the path says.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Json } from '../../api/messages/history.ts';
import type { Fault } from '../../api/v1alpha1/scenario.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import type { WorldAnswer } from '../../core/evaluation/world.ts';
import { durationMs } from '../../core/routing/duration.ts';
import type { ToolReply, Tools } from '../../ports/agent.ts';
import { type ComingCall, type TrialWorld, worldOf, type Worlds } from './trial-world.ts';

export interface SimulatedTools extends Tools {
  close(): Promise<void>;
}

/** Name of a Tool by its spec; undefined when none, or two, have it. */
export type NameOf<Spec> = (spec: Spec) => string | undefined;

interface Expected {
  readonly world: TrialWorld;
  readonly call: ComingCall;
}

/** Bytes of a request that are read; the adapters send less. */
const bodyBytesMax = 1_048_576;

export async function simulatedTools(real: Tools, worlds: Worlds, nameOf: NameOf<ToolSpec>): Promise<SimulatedTools> {
  const expected = new Map<string, Expected>();
  let calls = 0;
  const server = createServer((request, response) => {
    const coming = expected.get(request.url?.split('?')[0]?.slice(1) ?? '');
    if (coming === undefined) response.writeHead(404).end();
    else answer(coming, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    async call(spec, credential, request): Promise<ToolReply> {
      const world = worldOf(worlds, request.fields.run);
      const tool = nameOf(spec);
      if (world === undefined) return { kind: 'Unreached', error: 'no trial is played there' };
      if (tool === undefined) {
        const error =
          'two Tools have the same spec, and nobody knows which one is called; make their descriptions differ';
        world.trouble(error);
        return { kind: 'Unreached', error };
      }
      const fault = world.meet({ tool });
      const call = { tool, spec, args: request.args, key: request.idempotencyKey, ...(fault && { fault }) };
      const path = String((calls += 1));
      expected.set(path, { world, call });
      try {
        return await real.call(redirected(spec, `http://127.0.0.1:${port}/${path}`), credential, request);
      } finally {
        expected.delete(path);
      }
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Arguments that stood in the URL travel with the others. */
function redirected(spec: ToolSpec, url: string): ToolSpec {
  const { http, mcp, ...rest } = spec;
  if (mcp !== undefined) return { ...rest, mcp: { ...mcp, url } };
  return { ...rest, http: { ...http, url } };
}

async function answer(coming: Expected, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await bodyOf(request);
  const { spec } = coming.call;
  if (spec.mcp === undefined) return answerCall(coming, response, (done) => respond(response, done));
  if (request.method !== 'POST') return void response.writeHead(405).end();
  const { id, method, params } = JSON.parse(body) as Rpc;
  if (id === undefined) return void response.writeHead(202).end();
  const reply = (result: Json): void => json(response, 200, JSON.stringify({ jsonrpc: '2.0', id, result }));
  if (method === 'initialize') return reply(greeting(params?.protocolVersion));
  return answerCall(coming, response, (done) => reply(toolResult(done)));
}

interface Rpc {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: { readonly protocolVersion?: string };
}

const greeting = (protocolVersion = '2025-06-18'): Json => ({
  protocolVersion,
  capabilities: { tools: {} },
  serverInfo: { name: 'sandbox', version: '1' },
});

const toolResult = (done: WorldAnswer): Json =>
  done.kind === 'Refused'
    ? { isError: true, content: [{ type: 'text', text: done.message }] }
    : { content: [{ type: 'text', text: JSON.stringify(done.result) }] };

function respond(response: ServerResponse, done: WorldAnswer): void {
  if (done.kind === 'Refused') json(response, done.status, JSON.stringify({ error: done.message }));
  else json(response, 200, JSON.stringify(done.result));
}

function json(response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
}

/** With its fault, if it meets one. */
async function answerCall(
  { world, call }: Expected,
  response: ServerResponse,
  send: (done: WorldAnswer) => void,
): Promise<void> {
  const { fault } = call;
  switch (fault?.type) {
    case undefined:
      return send(world.act(call));
    case 'timeoutBeforeCommit':
      return void response.destroy();
    case 'timeoutAfterCommit':
      world.act(call);
      return void response.destroy();
    case 'malformedResult':
      world.act(call);
      return json(response, 200, '{"result": ');
    case 'error':
      return json(response, fault.status ?? 503, '{"error":"the tool is out of order"}');
    case 'rateLimit':
      return json(response, 429, '{"error":"too many calls"}', retryAfter(fault));
    case 'slow':
      await new Promise((resolve) => setTimeout(resolve, durationMs(fault.delay, 1_000)));
      return send(world.act(call));
  }
}

function retryAfter({ retryAfter: span }: Fault): Record<string, string> {
  return span === undefined ? {} : { 'retry-after': String(Math.ceil(durationMs(span, 0) / 1_000)) };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > bodyBytesMax) throw new Error(`a request of ${length} bytes`);
  return text(request);
}
