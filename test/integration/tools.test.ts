// What a tool's behaviour on the wire means: every fault, over HTTP and MCP, against real servers.
import { createServer as createTcpServer } from 'node:net';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { tools } from '../../adapters/tools/tools.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import type { ToolReply, ToolRequest } from '../../ports/agent.ts';
import { type FaultServer, startFaultServer } from '../support/fault-server.ts';

const secret = 'planted-secret-4711';
type Fault = 'none' | 'reset' | 'cut' | '500' | '429';

const adapter = tools();
let server: FaultServer;
let other: FaultServer;

beforeAll(async () => {
  server = await startFaultServer();
  other = await startFaultServer();
});
afterAll(async () => {
  await adapter.close();
  await server.stop();
  await other.stop();
});
beforeEach(() => {
  server.clear();
  other.clear();
});

const request = (more: Partial<ToolRequest> = {}): ToolRequest => ({
  args: { a: 1 },
  fields: { run: { id: 'r1', namespace: 'ns', workflow: 'wf' }, input: { id: 'x' } },
  idempotencyKey: 'key-1',
  timeoutMs: 400,
  maxResultBytes: 1_000,
  ...more,
});
const spec = (url: string, more: Partial<ToolSpec> = {}): ToolSpec => ({
  description: 'x',
  http: { url },
  input: { type: 'object' },
  effect: 'write',
  ...more,
});
const call = (path: string, more: Partial<ToolSpec> = {}, asked: Partial<ToolRequest> = {}): Promise<ToolReply> =>
  adapter.call(spec(`${server.url}${path}`, more), secret, request(asked));

async function closedPort(): Promise<number> {
  const probe = createTcpServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

describe('tools over HTTP', () => {
  it.each<[string, string, Parameters<FaultServer['on']>[1], Partial<ToolReply>]>([
    ['JSON', '/json', (_c, a) => a.json(200, { id: 1 }), { kind: 'Done', result: { id: 1 } }],
    ['text', '/text', (_c, a) => a.raw(200, { 'content-type': 'text/plain' }, 'hi'), { kind: 'Done', result: 'hi' }],
    ['nothing', '/none', (_c, a) => a.raw(204, {}, ''), { kind: 'Done', result: null }],
    ['a 422', '/no', (_c, a) => a.json(422, { error: 'no' }), { kind: 'Refused', status: 422 }],
    ['a 404', '/gone', (_c, a) => a.json(404, {}), { kind: 'Refused', status: 404 }],
    ['a 401', '/who', (_c, a) => a.json(401, {}), { kind: 'Refused', status: 401 }],
    [
      'a 429',
      '/slow-down',
      (_c, a) => a.json(429, {}, { 'retry-after': '2' }),
      { kind: 'Unreached', retryAfterMs: 2_000 },
    ],
    ['a 503', '/closed', (_c, a) => a.json(503, {}), { kind: 'Unreached' }],
    ['a 500', '/broken', (_c, a) => a.json(500, {}), { kind: 'Unknown' }],
    ['a 502', '/proxy', (_c, a) => a.json(502, {}), { kind: 'Unknown' }],
    ['a reset', '/reset', (_c, a) => a.reset(), { kind: 'Unknown' }],
    ['silence', '/silence', () => undefined, { kind: 'Unknown', error: 'no answer within 400 ms' }],
    [
      'half a JSON',
      '/half',
      (_c, a) => a.raw(200, { 'content-type': 'application/json' }, '{"id": 1, "na'),
      { kind: 'Unknown' },
    ],
    ['a cut body', '/cut', (_c, a) => a.raw(200, { 'content-length': '999' }, '{"id":'), { kind: 'Unknown' }],
    [
      'a huge body',
      '/huge',
      (_c, a) => a.json(200, 'x'.repeat(5_000)),
      { kind: 'Done', result: null, truncatedBytes: 5_002 },
    ],
  ])('%s', async (_words, path, behaviour, expected) => {
    server.on(path, behaviour);
    expect(await call(path)).toMatchObject(expected);
  });

  it('a refused connection and an unknown host were certainly never reached', async () => {
    const port = await closedPort();
    const refused = await adapter.call(spec(`http://127.0.0.1:${port}/x`), undefined, request());
    expect(refused).toMatchObject({ kind: 'Unreached', error: expect.stringContaining('ECONNREFUSED') });
    const unknown = await adapter.call(spec('http://no-such-host.invalid/x'), undefined, request({ timeoutMs: 5_000 }));
    expect(unknown.kind).toBe('Unreached');
  });

  it('fills in the URL percent-encoded, and refuses what would leave its place', async () => {
    server.on('/s/r%201/x', (received, answer) => answer.json(200, received.path));
    const fields = (id: string) => ({ fields: { run: { id: 'r 1' }, input: { id } } });
    expect(await call('/s/{run.id}/{input.id}', {}, fields('x'))).toEqual({ kind: 'Done', result: '/s/r%201/x' });
    server.on('/s/r%201/a%2Fb%3Fc', (received, answer) => answer.json(200, received.path));
    expect(await call('/s/{run.id}/{input.id}', {}, fields('a/b?c'))).toMatchObject({ result: '/s/r%201/a%2Fb%3Fc' });
    for (const id of ['..', '.', '']) {
      expect(await call('/s/{run.id}/{input.id}', {}, fields(id))).toMatchObject({ kind: 'Refused' });
    }
    expect(await call('/s/{input.missing}')).toMatchObject({
      kind: 'Refused',
      error: expect.stringContaining('missing'),
    });
    expect(await call('/s/{input.constructor}')).toMatchObject({ kind: 'Refused' });
  });

  it('sends arguments as body or query, the key where the tool wants it, the credential as a header', async () => {
    server.on('/a', (_received, answer) => answer.json(200, {}));
    const credential = { secretRef: { name: 's', key: 'k' } };
    await call('/a', { idempotency: { header: 'Idempotency-Key', argument: 'requestId' }, credential });
    expect(server.calls[0]).toMatchObject({
      method: 'POST',
      body: '{"a":1,"requestId":"key-1"}',
      headers: { 'idempotency-key': 'key-1', authorization: `Bearer ${secret}` },
    });
    const http = { url: `${server.url}/a`, method: 'GET' as const };
    await call('/a', { http, credential: { ...credential, header: 'X-Key' } }, { args: { q: 'a b', list: [1, 2] } });
    expect(server.calls[1]?.query.toString()).toBe('q=a+b&list=1&list=2');
    expect(server.calls[1]?.headers).toMatchObject({ 'x-key': secret });
    expect(server.calls[1]?.headers['authorization']).toBeUndefined();
  });

  it('follows no redirect to another origin, so a credential never goes there', async () => {
    server.on('/away', (_received, answer) => answer.raw(307, { location: `${other.url}/steal` }, ''));
    server.on('/near', (_received, answer) => answer.raw(302, { location: '/json' }, ''));
    server.on('/json', (_received, answer) => answer.json(200, { id: 1 }));
    const credential = { secretRef: { name: 's', key: 'k' } };
    expect(await call('/away', { credential })).toMatchObject({ kind: 'Refused' });
    const away = { url: `${server.url}/away`, method: 'GET' as const };
    expect(await call('/away', { credential, http: away })).toMatchObject({ kind: 'Refused' });
    expect(other.calls).toHaveLength(0);
    const near = { url: `${server.url}/near`, method: 'GET' as const };
    expect(await call('/near', { http: near })).toMatchObject({ kind: 'Done', result: { id: 1 } });
  });
});

describe('tools over MCP, against the official server', () => {
  let http: Server;
  let url: string;
  let sessions = 0;
  const seen: { key?: unknown; authorization?: string | undefined }[] = [];
  let fault = 'none' as Fault;

  beforeAll(async () => {
    const build = (): McpServer => {
      const mcp = new McpServer({ name: 'peer', version: '1' });
      mcp.registerTool('add', { inputSchema: { a: z.number() } }, ({ a }, extra) => {
        seen.push({ key: extra._meta?.['idempotencyKey'] });
        return { content: [{ type: 'text', text: JSON.stringify({ sum: a + 1 }) }], structuredContent: { sum: a + 1 } };
      });
      mcp.registerTool('plain', { inputSchema: {} }, () => ({ content: [{ type: 'text', text: 'hello' }] }));
      mcp.registerTool('no', { inputSchema: {} }, () => ({
        isError: true,
        content: [{ type: 'text', text: 'not today' }],
      }));
      mcp.registerTool('huge', { inputSchema: {} }, () => ({ content: [{ type: 'text', text: 'x'.repeat(5_000) }] }));
      mcp.registerTool('hang', { inputSchema: {} }, () => new Promise(() => undefined));
      return mcp;
    };
    http = createServer((incoming, outgoing) => {
      void (async () => {
        if (incoming.method !== 'POST') {
          outgoing.writeHead(405).end();
          return;
        }
        let text = '';
        for await (const chunk of incoming) text += String(chunk);
        const body = JSON.parse(text) as { method: string };
        if (body.method === 'initialize') sessions += 1;
        if (body.method === 'tools/call' && fault !== 'none') {
          if (fault === 'reset') incoming.socket.resetAndDestroy();
          else if (fault === 'cut')
            outgoing.writeHead(200, { 'content-type': 'application/json' }).end('{"jsonrpc":"2.');
          else outgoing.writeHead(Number(fault)).end('failed');
          return;
        }
        seen.push({ authorization: incoming.headers.authorization });
        const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true } as ConstructorParameters<
          typeof StreamableHTTPServerTransport
        >[0]);
        await build().connect(transport as Parameters<McpServer['connect']>[0]);
        await transport.handleRequest(incoming, outgoing, body);
      })();
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp/{run.id}`;
  });
  afterAll(async () => {
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  });
  const mcpCall = (
    tool: string,
    more: Partial<ToolSpec> = {},
    asked: Partial<ToolRequest> = {},
  ): Promise<ToolReply> => {
    const { http: _http, ...rest } = spec('http://unused.test', more);
    return adapter.call({ ...rest, mcp: { url, tool } }, secret, request({ timeoutMs: 1_500, ...asked }));
  };

  it.each<[string, string, Fault, Partial<ToolReply>]>([
    ['structured content', 'add', 'none', { kind: 'Done', result: { sum: 2 } }],
    ['text', 'plain', 'none', { kind: 'Done', result: 'hello' }],
    ['isError', 'no', 'none', { kind: 'Refused', error: 'not today' }],
    ['a tool it does not have', 'nothing', 'none', { kind: 'Refused' }],
    ['a huge result', 'huge', 'none', { kind: 'Done', result: null, truncatedBytes: 5_002 }],
    ['silence', 'hang', 'none', { kind: 'Unknown' }],
    ['a reset', 'add', 'reset', { kind: 'Unknown' }],
    ['half an answer', 'add', 'cut', { kind: 'Unknown' }],
    ['a 500', 'add', '500', { kind: 'Unknown' }],
    ['a 429', 'add', '429', { kind: 'Unreached' }],
  ])('%s', async (_words, tool, given, expected) => {
    fault = given;
    const reply = await mcpCall(tool);
    fault = 'none';
    expect(reply).toMatchObject(expected);
  });

  it('carries the key as _meta and the credential as a header, and keeps one client per URL', async () => {
    seen.length = 0;
    const asked = { fields: { run: { id: 'pooled' }, input: {} } };
    const before = sessions;
    const more = { idempotency: { meta: 'idempotencyKey' }, credential: { secretRef: { name: 's', key: 'k' } } };
    for (let count = 0; count < 5; count += 1) await mcpCall('add', more, asked);
    expect(sessions - before).toBe(1);
    expect(seen.filter((entry) => entry.key === 'key-1')).toHaveLength(5);
    expect(
      seen.filter((entry) => entry.key === undefined).every((entry) => entry.authorization === `Bearer ${secret}`),
    ).toBe(true);
  });

  it('a server that is away was certainly not reached', async () => {
    const { http: _http, ...rest } = spec('http://unused.test');
    const away = { ...rest, mcp: { url: `http://127.0.0.1:${await closedPort()}/mcp`, tool: 'add' } };
    expect(await adapter.call(away, undefined, request())).toMatchObject({ kind: 'Unreached' });
  });
});
