// Owns: Tool manifests as text. `effect` is left empty, which the API server refuses: a person must say what a tool does.
import type { ToolDraft } from './tool-draft.ts';
import { functionName, namer } from './names.ts';
import { oneLine } from '../output/style.ts';

const DESCRIPTION_MAX = 2048;

export interface ManifestOptions {
  readonly prefix?: string;
  readonly namespace?: string;
  /** Where the tools come from, for the comment at the top. */
  readonly from: string;
}

export async function manifests(tools: readonly ToolDraft[], options: ManifestOptions): Promise<string> {
  const { Document } = await import('../output/yaml.ts');
  const name = namer(options.prefix);
  const texts = tools.map((tool) => {
    const document = new Document(manifest(tool, name(tool.original), options.namespace), {
      aliasDuplicateObjects: false,
    });
    return document.toString({ lineWidth: 0 }).replace(/^( +effect: ""|effect: "")$/m, (line) => line + hintFor(tool));
  });
  return `${preamble(options.from)}${texts.join('---\n')}`;
}

const preamble = (from: string): string =>
  [
    `# Tools of ${oneLine(from)}`,
    '# Fill in effect of each tool before you apply this: what does a call do to the world?',
    '#   read             nothing',
    '#   idempotentWrite  changes something; the same call again changes nothing (say how the tool recognises it: idempotency)',
    '#   write            changes something, each time it is called',
    '#   irreversible     changes something that cannot be taken back: money, messages',
    '',
  ].join('\n');

const hintFor = (tool: ToolDraft): string =>
  `  # read | idempotentWrite | write | irreversible${tool.hint === '' ? '' : `: ${oneLine(tool.hint)}`}`;

function manifest(tool: ToolDraft, name: string, namespace: string | undefined): object {
  const shown = functionName(tool.original, name);
  return {
    apiVersion: 'signalbox.dev/v1alpha1',
    kind: 'Tool',
    metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
    spec: {
      description: (tool.description.trim() || tool.original).slice(0, DESCRIPTION_MAX),
      ...(shown === undefined ? {} : { function: shown }),
      ...(tool.http === undefined ? {} : { http: tool.http }),
      ...(tool.mcp === undefined ? {} : { mcp: tool.mcp }),
      effect: '',
      input: tool.input,
      ...(tool.output === undefined ? {} : { output: tool.output }),
    },
  };
}
