// Owns: reading the tools of an MCP server with the official SDK.
import type { JsonObject } from '../../api/messages/history.ts';
import { SignalboxError } from '../../api/errors.ts';
import type { Imported, ToolDraft } from './tool-draft.ts';

export interface McpSource {
  readonly url: string;
  /** What manifests carry instead of `url`. */
  readonly urlTemplate?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly version: string;
}

const PAGES_MAX = 100;

export async function importMcp(source: McpSource): Promise<Imported> {
  const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
  const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/sdk/client/streamableHttp.js');
  const client = new Client({ name: 'signalbox', version: source.version });
  const transport = new StreamableHTTPClientTransport(new URL(source.url), {
    requestInit: { headers: source.headers },
  });
  const tools: ToolDraft[] = [];
  try {
    // The SDK's own transport type is looser than its interface under exactOptionalPropertyTypes.
    await client.connect(transport as Parameters<typeof client.connect>[0], { timeout: source.timeoutMs });
    let cursor: string | undefined;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const answer = await client.listTools(cursor === undefined ? {} : { cursor }, { timeout: source.timeoutMs });
      tools.push(...answer.tools.map((tool) => draft(tool as McpTool, source)));
      cursor = answer.nextCursor;
      if (cursor === undefined) break;
    }
  } catch (cause) {
    throw new SignalboxError('TOOL_UNAVAILABLE', `${source.url} does not answer as an MCP server: ${words(cause)}`, {
      cause,
    });
  } finally {
    await client.close().catch(() => undefined);
  }
  return { tools, skipped: [] };
}

const words = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

interface McpTool {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly inputSchema: JsonObject;
  readonly outputSchema?: JsonObject;
  readonly annotations?: {
    readonly readOnlyHint?: boolean;
    readonly destructiveHint?: boolean;
    readonly idempotentHint?: boolean;
  };
}

function draft(tool: McpTool, source: McpSource): ToolDraft {
  return {
    original: tool.name,
    description: tool.description ?? tool.title ?? tool.name,
    mcp: { url: source.urlTemplate ?? source.url, tool: tool.name },
    input: tool.inputSchema,
    ...(tool.outputSchema === undefined ? {} : { output: tool.outputSchema }),
    hint: hintOf(tool),
  };
}

function hintOf({ annotations }: McpTool): string {
  const said = [
    annotations?.readOnlyHint === undefined ? '' : `readOnly ${annotations.readOnlyHint}`,
    annotations?.destructiveHint === undefined ? '' : `destructive ${annotations.destructiveHint}`,
    annotations?.idempotentHint === undefined ? '' : `idempotent ${annotations.idempotentHint}`,
  ].filter((part) => part !== '');
  return said.length === 0 ? '' : `the server says ${said.join(', ')} (not checked)`;
}
