// Owns: tools of MCP servers over streamable HTTP, by the official client. One client per URL and credential, at most
// `clientsMax`, closed when idle. Sessions and event streams are optional at the server.
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { Json, JsonObject } from '../../api/messages/history.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import type { ToolReply, ToolRequest } from '../../ports/agent.ts';
import { credentialHeaders } from './headers.ts';
import { networkReply, statusReply } from './network.ts';
import { fillUrl } from './url.ts';

const clientsMax = 64;
const idleMs = 30_000;
/** Bytes of one HTTP answer of a server, whatever the tool's own bound. */
const answerMax = 4 * 1_048_576;

interface Pooled {
  readonly client: Promise<Client>;
  busy: number;
  idle?: NodeJS.Timeout;
}

export interface McpTools {
  /** Never rejects: every outcome is a reply. */
  call(spec: ToolSpec, credential: string | undefined, request: ToolRequest): Promise<ToolReply>;
  close(): Promise<void>;
}

export function mcpTools(): McpTools {
  const pool = new Map<string, Pooled>();
  // A client leaves the pool at once but is closed only when its last call has ended: closing cuts calls off.
  const drop = (key: string, pooled: Pooled): void => {
    if (pool.get(key) === pooled) pool.delete(key);
    clearTimeout(pooled.idle);
    if (pooled.busy === 0) void closeClient(pooled.client);
  };
  const take = (key: string, connect: () => Promise<Client>): Pooled => {
    const pooled = pool.get(key) ?? { client: connect(), busy: 0 };
    clearTimeout(pooled.idle);
    pooled.busy += 1;
    pool.delete(key);
    pool.set(key, pooled);
    for (const [other, candidate] of pool) {
      if (pool.size <= clientsMax) break;
      if (candidate.busy === 0) drop(other, candidate);
    }
    return pooled;
  };
  const give = (key: string, pooled: Pooled): void => {
    pooled.busy -= 1;
    if (pooled.busy > 0) return;
    if (pool.get(key) === pooled) pooled.idle = setTimeout(() => drop(key, pooled), idleMs).unref();
    else void closeClient(pooled.client);
  };

  const callOnce = async (spec: ToolSpec, credential: string | undefined, request: ToolRequest): Promise<ToolReply> => {
    const filled = fillUrl(spec.mcp?.url ?? '', request.fields);
    if (!filled.ok) return { kind: 'Refused', error: filled.error };
    const headers = credentialHeaders(spec, credential);
    const key = JSON.stringify([filled.url.href, headers]);
    const pooled = take(key, () => connectClient(filled.url, headers, request.timeoutMs));
    try {
      let client: Client;
      try {
        client = await pooled.client;
      } catch (error) {
        drop(key, pooled);
        return await connectFailure(error, request.timeoutMs);
      }
      const reply = await callTool(client, spec, request);
      if (reply.kind !== 'Done' && reply.kind !== 'Refused') drop(key, pooled);
      return reply;
    } finally {
      give(key, pooled);
    }
  };

  return {
    async call(spec, credential, request) {
      const reply = await callOnce(spec, credential, request);
      // 404 to a known session means that the server forgot it: nothing ran, a new client opens a new session.
      return reply.kind === 'Unreached' && reply.error === sessionGone ? callOnce(spec, credential, request) : reply;
    },
    async close() {
      const all = [...pool];
      pool.clear();
      for (const [, pooled] of all) clearTimeout(pooled.idle);
      await Promise.all(all.map(([, pooled]) => closeClient(pooled.client)));
    },
  };
}

/** Ends the session at the server where there is one; a server may not support that. */
async function closeClient(connecting: Promise<Client>): Promise<void> {
  try {
    const client = await connecting;
    const transport = client.transport as { readonly terminateSession?: () => Promise<void> } | undefined;
    await transport?.terminateSession?.().catch(() => undefined);
    await client.close();
  } catch {
    // It never connected, or is closed already.
  }
}

const sessionGone = 'the server forgot the session';

async function connectClient(url: URL, headers: Record<string, string>, timeoutMs: number): Promise<Client> {
  const [{ Client }, { StreamableHTTPClientTransport }] = await Promise.all([
    import('@modelcontextprotocol/sdk/client/index.js'),
    import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
  ]);
  const client = new Client({ name: 'signalbox', version: '0.1.0' });
  const transport = new StreamableHTTPClientTransport(url, {
    requestInit: { headers },
    fetch: boundedFetch,
    reconnectionOptions: {
      maxReconnectionDelay: 5_000,
      initialReconnectionDelay: 500,
      reconnectionDelayGrowFactor: 2,
      maxRetries: 1,
    },
  });
  // The optional members of the SDK's transport are not declared as possibly undefined.
  await client.connect(transport as Parameters<Client['connect']>[0], { timeout: timeoutMs });
  return client;
}

/** Answers larger than `answerMax` are cut: the client then fails to read them. Event streams are not bounded as a whole. */
async function boundedFetch(url: string | URL, init?: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (response.body === null || !response.ok) return response;
  if (!/[/+]json\b/i.test(response.headers.get('content-type') ?? '')) return response;
  let size = 0;
  const bound = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      size += chunk.byteLength;
      if (size > answerMax) controller.error(new Error(`the answer is larger than ${answerMax} bytes`));
      else controller.enqueue(chunk);
    },
  });
  const { status, statusText, headers } = response;
  return new Response(response.body.pipeThrough(bound), { status, statusText, headers });
}

/** While connecting no tool was called: what is not a plain no is "never begun". */
async function connectFailure(error: unknown, timeoutMs: number): Promise<ToolReply> {
  const reply = await errorReply(error, timeoutMs);
  if (reply.kind === 'Unreached' && reply.error === sessionGone) {
    return { kind: 'Refused', error: 'answered 404: there is no MCP server at this URL' };
  }
  return reply.kind === 'Unknown' ? { kind: 'Unreached', error: `while connecting: ${reply.error}` } : reply;
}

async function callTool(client: Client, spec: ToolSpec, request: ToolRequest): Promise<ToolReply> {
  const { meta, argument } = spec.idempotency ?? {};
  const args = argument === undefined ? request.args : { ...request.args, [argument]: request.idempotencyKey };
  try {
    const result = await client.callTool(
      {
        name: spec.mcp?.tool ?? '',
        arguments: args,
        ...(meta === undefined ? {} : { _meta: { [meta]: request.idempotencyKey } }),
      },
      undefined,
      { timeout: request.timeoutMs, maxTotalTimeout: request.timeoutMs },
    );
    return readResult(result as McpResult, request.maxResultBytes);
  } catch (error) {
    return errorReply(error, request.timeoutMs);
  }
}

interface McpResult {
  readonly isError?: boolean;
  readonly structuredContent?: JsonObject;
  readonly content?: readonly { readonly type: string; readonly text?: string }[];
}

/** Structured content is preferred; one text stands for itself (as JSON when it is), more content is a list. */
function readResult(result: McpResult, maxBytes: number): ToolReply {
  const texts = (result.content ?? []).flatMap((item) => (item.type === 'text' ? [item.text ?? ''] : []));
  if (result.isError === true) return { kind: 'Refused', error: texts.join('\n').slice(0, 2_000) || 'the tool failed' };
  const value = result.structuredContent ?? contentValue(result.content ?? [], texts);
  const size = Buffer.byteLength(JSON.stringify(value));
  return size > maxBytes ? { kind: 'Done', result: null, truncatedBytes: size } : { kind: 'Done', result: value };
}

function contentValue(content: NonNullable<McpResult['content']>, texts: readonly string[]): Json {
  if (content.length !== texts.length) return content as unknown as Json;
  if (texts.length === 0) return null;
  if (texts.length > 1) return texts;
  const [text = ''] = texts;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** JSON-RPC codes that mean "not run": parse error, invalid request, method not found, invalid params. */
const notRun = new Set([-32700, -32600, -32601, -32602]);
const requestTimeout = -32001;

async function errorReply(error: unknown, timeoutMs: number): Promise<ToolReply> {
  const [{ McpError }, { StreamableHTTPError }] = await Promise.all([
    import('@modelcontextprotocol/sdk/types.js'),
    import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
  ]);
  if (error instanceof McpError) {
    if (error.code === requestTimeout) return { kind: 'Unknown', error: `no answer within ${timeoutMs} ms` };
    const text = error.message.slice(0, 2_000);
    return notRun.has(error.code) ? { kind: 'Refused', error: text } : { kind: 'Unknown', error: text };
  }
  if (error instanceof StreamableHTTPError && error.code !== undefined && error.code > 0) {
    if (error.code === 404) return { kind: 'Unreached', error: sessionGone };
    const reply = statusReply(error.code, new Headers(), '');
    return reply ?? { kind: 'Unknown', error: 'the answer could not be read' };
  }
  if (error instanceof SyntaxError) return { kind: 'Unknown', error: 'the answer is cut off or no valid JSON' };
  return networkReply(error, timeoutMs);
}
