// Owns: which adapter calls a Tool.
import type { Tools } from '../../ports/agent.ts';
import { callHttp } from './http.ts';
import { mcpTools } from './mcp.ts';

export function tools(): Tools & { readonly close: () => Promise<void> } {
  const mcp = mcpTools();
  return {
    call: (spec, credential, request) =>
      spec.mcp === undefined ? callHttp(spec, credential, request) : mcp.call(spec, credential, request),
    close: () => mcp.close(),
  };
}
