// Owns: placeholders in a tool's URL. Only declared run and input fields fill them, percent-encoded, one path segment at most.
import type { Json } from '../../api/messages/history.ts';
import type { ToolRequest } from '../../ports/agent.ts';

export type FilledUrl = { readonly ok: true; readonly url: URL } | { readonly ok: false; readonly error: string };

/** Fills `{run.FIELD}` and `{input.FIELD}`. A value that would leave its place (empty, ".", "..") is refused. */
export function fillUrl(template: string, fields: ToolRequest['fields']): FilledUrl {
  const problems: string[] = [];
  const text = template.replaceAll(
    /\{(run|input)\.([A-Za-z0-9_-]+)\}/g,
    (whole, from: 'run' | 'input', name: string) => {
      const value = plain(Object.hasOwn(fields[from], name) ? fields[from][name] : undefined);
      if (value === undefined) problems.push(`${whole} has no plain value: ${from} lacks a text or number "${name}"`);
      else if (value === '' || value === '.' || value === '..') problems.push(`${whole} must not be "${value}"`);
      return encodeURIComponent(value ?? '');
    },
  );
  if (problems.length > 0) return { ok: false, error: `the tool's URL cannot be filled in: ${problems.join('; ')}` };
  const url = URL.parse(text);
  return url === null ? { ok: false, error: "the tool's URL is not valid" } : { ok: true, url };
}

function plain(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? value : undefined;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}
