// Owns: the clinic's tools as an MCP server (streamable HTTP, stateless: one server object per request).
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import type { Request, Response } from 'express';
import { clinicTools } from './clinic.ts';

export type McpCall = (tool: string, args: unknown, key: string | undefined) => Promise<McpAnswer>;
export type McpAnswer = { readonly result: Readonly<Record<string, unknown>> } | { readonly error: string };

/** Where a caller puts the idempotency key in `_meta`. */
export const keyMeta = 'idempotencyKey';

export async function answerMcp(request: Request, response: Response, call: McpCall): Promise<void> {
  const server = new Server({ name: 'clinic', version: '1.0.0' }, { capabilities: { tools: {} } });
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: clinicTools.map(({ name, description, input }) => ({
      name,
      description,
      inputSchema: input as { type: 'object' },
    })),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
    const key = params._meta?.[keyMeta];
    const answer = await call(params.name, params.arguments ?? {}, typeof key === 'string' ? key : undefined);
    if ('error' in answer) return { content: [{ type: 'text', text: answer.error }], isError: true };
    return { content: [{ type: 'text', text: JSON.stringify(answer.result) }], structuredContent: answer.result };
  });
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
  response.on('close', () => {
    void transport.close();
    void server.close();
  });
  await server.connect(transport as unknown as Transport);
  await transport.handleRequest(request, response, request.body);
}
