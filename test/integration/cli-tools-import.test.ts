// `signalbox tools import` against a server made with the official MCP SDK, an OpenAPI document over HTTP, and a server
// nobody here wrote; what it writes is refused by a real API server until a person has filled in the effects.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import express from 'express';
import { parseAllDocuments } from 'yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { run } from '../../cli/program.ts';
import { testHost } from '../support/cli-host.ts';
import { startPlane, type TestPlane } from '../support/plane.ts';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec: Readonly<Record<string, unknown>> & { readonly effect: string };
}

const retail = join(import.meta.dirname, '../../../shared/workloads/retail/tool-server.mjs');

let plane: TestPlane;
let server: Server;
let base: string;
let folder: string;

function mcpServer(): McpServer {
  const mcp = new McpServer({ name: 'shop', version: '1' });
  const schema = { order_id: z.string().describe('Such as #W1.') };
  mcp.registerTool(
    'getOrder',
    {
      description: 'Shows an order.',
      inputSchema: schema,
      outputSchema: { total: z.number() },
      annotations: { readOnlyHint: true },
    },
    () => ({ content: [], structuredContent: { total: 1 } }),
  );
  mcp.registerTool(
    'get_order',
    { description: 'The older one.', inputSchema: schema, annotations: { destructiveHint: true } },
    () => ({ content: [] }),
  );
  mcp.registerTool('ping', { description: 'Answers.' }, () => ({ content: [] }));
  return mcp;
}

const openapi = {
  openapi: '3.1.0',
  info: { title: 'Shop', version: '1' },
  servers: [{ url: '/v1' }],
  paths: {
    '/orders/{orderId}': {
      get: {
        operationId: 'getOrder',
        summary: 'Shows an order.',
        parameters: [{ name: 'orderId', in: 'path', required: true, schema: { type: 'string' } }],
      },
    },
    '/files': { post: { operationId: 'upload', requestBody: { required: true, content: { 'text/csv': {} } } } },
  },
};

beforeAll(async () => {
  const app = express();
  app.use(express.json());
  app.post('/mcp', async (request, response) => {
    if (request.headers.authorization !== 'Bearer open')
      return void response.status(401).json({ error: 'who are you' });
    const mcp = mcpServer();
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined } as never);
    await mcp.connect(transport as Transport);
    await transport.handleRequest(request, response, request.body);
  });
  app.get('/openapi.json', (_request, response) => void response.json(openapi));
  app.get('/swagger.json', (_request, response) => void response.json({ swagger: '2.0' }));
  server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  folder = await mkdtemp(join(tmpdir(), 'signalbox-import-'));
  plane = await startPlane({ crds: true });
});
afterAll(async () => {
  server?.close();
  await rm(folder, { recursive: true, force: true });
  await plane?.stop();
});

async function typed(...words: readonly string[]) {
  const { host, out, error } = testHost();
  const code = await run(host, ['tools', 'import', ...words]);
  return { code, out: out(), error: error() };
}
const read = (text: string): readonly Manifest[] => parseAllDocuments(text).map((one) => one.toJS() as Manifest);
const apply = (text: string): Promise<string> => plane.kubectl(['apply', '--dry-run=server', '-f', '-'], text);
const refusal = (text: string): Promise<string> =>
  apply(text).then(
    () => 'accepted',
    (error: unknown) => String((error as { stderr?: string }).stderr ?? error),
  );

describe('from an MCP server', () => {
  const auth = ['--header', 'Authorization: Bearer open'];

  test('each tool becomes a manifest; names do not collide; the hint is a comment', async () => {
    const { code, out, error } = await typed(`${base}/mcp`, ...auth);
    expect([code, error]).toEqual([
      0,
      '3 tools read; effect is left for you to fill in\nnext: fill in each effect, then kubectl apply -f FILE\n',
    ]);
    const tools = read(out);
    expect(tools.map(({ metadata, spec }) => [metadata.name, spec['function'], spec['mcp'], spec.effect])).toEqual([
      ['get-order', 'getOrder', { url: `${base}/mcp`, tool: 'getOrder' }, ''],
      ['get-order-2', 'get_order', { url: `${base}/mcp`, tool: 'get_order' }, ''],
      ['ping', undefined, { url: `${base}/mcp`, tool: 'ping' }, ''],
    ]);
    expect(out).toContain(
      '  effect: ""  # read | idempotentWrite | write | irreversible: the server says readOnly true (not checked)\n',
    );
    expect(tools[0]?.spec['input']).toMatchObject({ type: 'object', required: ['order_id'] });
    expect(tools[0]?.spec['output']).toMatchObject({ properties: { total: { type: 'number' } } });
  });

  test('the API server refuses it until the effects are filled in', async () => {
    const { out } = await typed(
      `${base}/mcp`,
      ...auth,
      '--url-template',
      'http://shop/s/{run.id}/mcp',
      '-n',
      'default',
      '--prefix',
      'shop-',
    );
    expect(await refusal(out)).toContain(
      'spec.effect: Unsupported value: "": supported values: "read", "idempotentWrite", "write", "irreversible"',
    );
    const applied = await apply(out.replaceAll('effect: ""', 'effect: read'));
    expect(applied).toContain('tool.signalbox.dev/shop-get-order-2 created');
    expect(read(out)[0]?.spec['mcp']).toEqual({ url: 'http://shop/s/{run.id}/mcp', tool: 'getOrder' });
  });

  test('what is no MCP server is said to be none', async () => {
    const { code, out, error } = await typed(`${base}/mcp`);
    expect([code, out]).toEqual([1, '']);
    expect(error).toContain(`error: ${base}/mcp does not answer as an MCP server`);
  });
});

describe('from an OpenAPI document', () => {
  test('is recognised by itself, written to a file, and says what is skipped', async () => {
    const file = join(folder, 'shop.yaml');
    const { code, out, error } = await typed(`${base}/openapi.json`, '--out', file);
    expect([code, out]).toEqual([0, '']);
    expect(error).toBe(
      `skipped POST /files: its body is not JSON\n1 tool written to ${file}; effect is left for you to fill in\n` +
        `next: fill in each effect, then kubectl apply -f ${file}\n`,
    );
    const text = await readFile(file, 'utf8');
    expect(read(text)[0]?.spec['http']).toEqual({ url: `${base}/v1/orders/{args.orderId}`, method: 'GET' });
    expect(await refusal(text)).toContain('spec.effect: Unsupported value: ""');
    expect(await apply(text.replaceAll('effect: ""', 'effect: read'))).toContain(
      'tool.signalbox.dev/get-order created',
    );
  });

  test('version 2 is refused with what to do', async () => {
    const { code, error } = await typed(`${base}/swagger.json`, '--from', 'openapi');
    expect([code, error.replaceAll(/\s+/g, ' ')]).toEqual([
      2,
      `error: ${base}/swagger.json is no OpenAPI 3 document: it has no member openapi: 3.… try: an OpenAPI 3 document; version 2 (Swagger) must be converted first `,
    ]);
  });
});

test('from a server nobody here wrote, all tools are imported and accepted once they have an effect', async (context) => {
  if (!existsSync(retail)) return context.skip(`${retail} is not there`);
  const child = spawn(process.execPath, [retail, '--port', '0'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const line = (await new Promise<Buffer>((resolve) => child.stdout.once('data', resolve))).toString();
    const { url } = JSON.parse(line) as { url: string };
    const { code, out } = await typed(
      `${url}/s/import/mcp`,
      '--url-template',
      `${url}/s/{run.id}/mcp`,
      '-n',
      'default',
    );
    expect(code).toBe(0);
    const tools = read(out);
    expect(tools).toHaveLength(16);
    const find = tools.find(({ metadata }) => metadata.name === 'find-user-id-by-email');
    expect(find?.spec['function']).toBe('find_user_id_by_email');
    const created = await apply(out.replaceAll('effect: ""', 'effect: write'));
    expect(created).toMatch(/(tool\.signalbox\.dev\/\S+ created \(server dry run\)\n){16}/);
  } finally {
    child.kill();
  }
});
