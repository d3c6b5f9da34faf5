// Owns: placeholders in a tool's URL. Only declared run and input fields, and for HTTP the call's own arguments, fill them,
// percent-encoded, one path segment at most.
import type { Json, JsonObject } from '../../api/messages/history.ts';
import type { ToolRequest } from '../../ports/agent.ts';

/** `used`: arguments that stand in the URL and are not sent a second time. */
export type FilledUrl =
  | { readonly ok: true; readonly url: URL; readonly used: ReadonlySet<string> }
  | { readonly ok: false; readonly error: string };

/** Whom to call is never the model's choice. */
const argsInHost = /^[a-z]+:\/\/[^/?#]*\{args\./i;

/** Fills `{run.FIELD}`, `{input.FIELD}` and, where `args` are given, `{args.NAME}`. A value that would leave its place (empty, ".", "..") is refused. */
export function fillUrl(template: string, fields: ToolRequest['fields'], args: JsonObject = {}): FilledUrl {
  const problems: string[] = [];
  if (argsInHost.test(template)) problems.push('arguments of a model may fill the path and query, not the host');
  const used = new Set<string>();
  const sources = { ...fields, args };
  const text = template.replaceAll(
    /\{(run|input|args)\.([A-Za-z0-9_.-]+)\}/g,
    (whole, from: 'run' | 'input' | 'args', name: string) => {
      if (from === 'args') used.add(name);
      const value = plain(Object.hasOwn(sources[from], name) ? sources[from][name] : undefined);
      if (value === undefined) problems.push(`${whole} has no plain value: ${from} lacks a text or number "${name}"`);
      else if (value === '' || value === '.' || value === '..') problems.push(`${whole} must not be "${value}"`);
      return encodeURIComponent(value ?? '');
    },
  );
  if (problems.length > 0) return { ok: false, error: `the tool's URL cannot be filled in: ${problems.join('; ')}` };
  const url = URL.parse(text);
  return url === null ? { ok: false, error: "the tool's URL is not valid" } : { ok: true, url, used };
}

function plain(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? value : undefined;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}
