import { Command } from 'commander';
import type { Host } from '../host.ts';
import { withExamples } from '../options.ts';
import { toolsImportVerb } from './tools-import.ts';

export function toolsVerb(host: Host): Command {
  const command = new Command('tools')
    .summary('import tools')
    .description('Makes Tool manifests from what a server says about itself.')
    .addCommand(toolsImportVerb(host));
  return withExamples(command, {
    line: 'signalbox tools import http://localhost:8081/mcp --out tools.yaml',
    says: 'from an MCP server',
  });
}
