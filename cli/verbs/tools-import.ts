import { Command, Option } from 'commander';
import { SignalboxError } from '../../api/errors.ts';
import { VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import { manifests } from '../import/manifest.ts';
import { importMcp } from '../import/mcp.ts';
import { importOpenApi, isOpenApi } from '../import/openapi.ts';
import type { Imported } from '../import/tool-draft.ts';
import { spanArgument, withExamples } from '../options.ts';
import { parseDocument } from '../output/document.ts';
import { oneLine } from '../output/style.ts';
import { wrap } from '../output/width.ts';

interface Options {
  readonly from: 'mcp' | 'openapi' | 'auto';
  readonly prefix?: string;
  readonly out?: string;
  readonly namespace?: string;
  readonly urlTemplate?: string;
  readonly header: Readonly<Record<string, string>>;
  readonly requestTimeout: number;
}

const DOCUMENT_BYTES_MAX = 16 * 1024 * 1024;

export function toolsImportVerb(host: Host): Command {
  const command = new Command('import')
    .summary('Tool manifests from an MCP server or an OpenAPI document')
    .description(
      'Writes a Tool manifest for each tool of an MCP server, or each operation of an OpenAPI 3 document (JSON or YAML, ' +
        'by URL or file). What a call does to the world is left empty for a person to fill in: until then kubectl apply ' +
        'refuses the manifest. What a server says about it is shown as a comment only.',
    )
    .argument('<source>', 'URL of an MCP server or of an OpenAPI document, or a file')
    .addOption(new Option('--from <kind>', 'what the source is').choices(['mcp', 'openapi', 'auto']).default('auto'))
    .option('--prefix <prefix>', 'put before the name of each Tool')
    .option('--out <file>', 'write to a file instead of standard output')
    .option('-n, --namespace <namespace>', 'namespace to write into the manifests')
    .option('--url-template <url>', 'URL in the manifests instead of the server; may carry {run.id} or {input.FIELD}')
    .addOption(
      new Option('--header <header>', 'sent with each request, as "Name: value"; may be repeated')
        .argParser(header)
        .default({}, 'none'),
    )
    .addOption(
      new Option('--request-timeout <duration>', 'how long one request may take')
        .argParser(spanArgument)
        .default(30_000, '30s'),
    );
  withExamples(
    command,
    { line: 'signalbox tools import http://localhost:8081/mcp --out tools.yaml', says: 'from an MCP server' },
    {
      line: 'signalbox tools import https://shop.example.com/openapi.json --prefix shop- --out shop.yaml',
      says: 'from an OpenAPI document',
    },
    {
      line: "signalbox tools import http://localhost:8081/s/x/mcp --url-template 'http://host/s/{run.id}/mcp'",
      says: 'with a session of its own for each run',
    },
  );
  return command.action((source: string, options: Options) => importTools(host, source, options));
}

function header(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const match = /^([A-Za-z0-9-]+):\s*(.+)$/.exec(text);
  const [, name, value] = match ?? [];
  if (name === undefined || value === undefined) {
    throw new SignalboxError('CONFIG_INVALID', `--header must look like "Name: value", found "${text}"`);
  }
  return { ...before, [name]: value };
}

async function importTools(host: Host, source: string, options: Options): Promise<void> {
  checkTemplate(options.urlTemplate);
  const imported = await readSource(host, source, options);
  const { screen } = host;
  for (const { what, why } of imported.skipped) {
    screen.note(wrap(`skipped ${oneLine(what)}: ${oneLine(why)}`, screen.columns).join('\n  '));
  }
  if (imported.tools.length === 0) {
    throw new VerbError('NOT_FOUND', `${source} has no tool that could be imported`, {
      attempt: 'another URL, or --from mcp or --from openapi',
    });
  }
  const text = await manifests(imported.tools, {
    from: source,
    ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
    ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
  });
  const count = `${imported.tools.length} tool${imported.tools.length === 1 ? '' : 's'}`;
  if (options.out === undefined) screen.raw(text);
  else {
    const { writeFile } = await import('node:fs/promises');
    await writeFile(options.out, text);
  }
  const where = options.out ?? 'FILE';
  screen.note(
    `${count} ${options.out === undefined ? 'read' : `written to ${where}`}; effect is left for you to fill in`,
  );
  screen.note(`next: fill in each effect, then kubectl apply -f ${where}`);
}

function checkTemplate(template: string | undefined): void {
  if (template === undefined || /^https?:\/\/./.test(template)) return;
  throw new VerbError('CONFIG_INVALID', `--url-template must be an http or https URL, found "${template}"`);
}

async function readSource(host: Host, source: string, options: Options): Promise<Imported> {
  const isUrl = /^https?:\/\//.test(source);
  if (
    options.from === 'mcp' ||
    (options.from === 'auto' && isUrl && !(await looksLikeDocument(host, source, options)))
  ) {
    if (!isUrl)
      throw new VerbError('CONFIG_INVALID', `an MCP server is named by an http or https URL, found "${source}"`);
    return importMcp({
      url: source,
      headers: options.header,
      timeoutMs: options.requestTimeout,
      version: host.version,
      ...(options.urlTemplate === undefined ? {} : { urlTemplate: options.urlTemplate }),
    });
  }
  const root = await parseDocument(await readText(host, source, options), source);
  if (!isOpenApi(root)) {
    throw new VerbError('INVALID_INPUT', `${source} is no OpenAPI 3 document: it has no member openapi: 3.…`, {
      attempt: 'an OpenAPI 3 document; version 2 (Swagger) must be converted first',
    });
  }
  return importOpenApi(root, {
    from: source,
    ...(options.urlTemplate === undefined ? {} : { urlTemplate: options.urlTemplate }),
  });
}

/** An MCP server answers a plain GET with an error or a stream; a document is text that says `openapi`. */
async function looksLikeDocument(host: Host, source: string, options: Options): Promise<boolean> {
  try {
    return isOpenApi(await parseDocument(await readText(host, source, options), source));
  } catch {
    return /\.(json|ya?ml)$/.test(new URL(source).pathname);
  }
}

async function readText(host: Host, source: string, options: Options): Promise<string> {
  if (!/^https?:\/\//.test(source)) {
    const { readFile } = await import('node:fs/promises');
    try {
      return await readFile(source, 'utf8');
    } catch (cause) {
      throw new SignalboxError('INVALID_INPUT', `${source} cannot be read: ${(cause as Error).message}`, { cause });
    }
  }
  const signal = AbortSignal.any([host.interrupted, AbortSignal.timeout(options.requestTimeout)]);
  const accept = 'application/json, application/yaml, text/yaml, */*;q=0.5';
  let answer: Response;
  try {
    answer = await fetch(source, { headers: { accept, ...options.header }, signal });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    if (/event-stream/.test(answer.headers.get('content-type') ?? '')) throw new Error('it is a stream of events');
    const text = await answer.text();
    if (text.length > DOCUMENT_BYTES_MAX) throw new Error('it is over 16 MiB');
    return text;
  } catch (cause) {
    throw new SignalboxError('TOOL_UNAVAILABLE', `${source} cannot be read: ${(cause as Error).message}`, { cause });
  }
}
