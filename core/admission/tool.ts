// Owns: the static checks of a Tool.
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { type Finding, finding, quote } from './finding.ts';
import { checkHost } from './host.ts';
import { checkObjectSchema } from './json-schema.ts';

const runFields = ['run.id', 'run.namespace', 'run.workflow', 'run.key'];
const inputField = /^input\.[A-Za-z_][A-Za-z0-9_]*$/;
const allowedPlaceholders = `{${runFields.join('}, {')}} and {input.FIELD}`;

export function checkTool(name: string, spec: ToolSpec): readonly Finding[] {
  return [
    ...checkUrl('spec.http.url', spec.http?.url, requiredArguments(spec)),
    ...checkUrl('spec.mcp.url', spec.mcp?.url),
    ...checkObjectSchema('spec.input', spec.input),
    ...(spec.output === undefined ? [] : checkObjectSchema('spec.output', spec.output)),
    ...queriesItself(name, spec),
  ];
}

/** `args.NAME` of each argument that every call has: only such may stand in the URL of an HTTP tool. */
function requiredArguments(spec: ToolSpec): readonly string[] {
  const required = spec.input['required'];
  return Array.isArray(required) ? required.map((member) => `args.${String(member)}`) : [];
}

function checkUrl(field: string, url: string | undefined, args: readonly string[] = []): readonly Finding[] {
  if (url === undefined) return [];
  const placeholders = [...url.matchAll(/\{([^{}]*)\}/g)].map(([, inside]) => inside ?? '');
  const known = [...runFields, ...args];
  const unknown = placeholders.filter((inside) => !known.includes(inside) && !inputField.test(inside));
  const findings = unknown.map((inside) =>
    finding('urlInvalid', field, {
      found: `the placeholder {${inside}}`,
      allowed: inside.startsWith('args.') ? 'with http: {args.NAME} of a required argument' : allowedPlaceholders,
    }),
  );
  const rest = url.replaceAll(/\{[^{}]*\}/g, '');
  if (/[{}]/.test(rest)) {
    findings.push(
      finding('urlInvalid', field, { found: `a single brace in ${quote(url)}`, allowed: allowedPlaceholders }),
    );
  }
  const host = 'a fixed host and port without credentials; placeholders only in path and query';
  return [...findings, ...checkHost(field, url, host)];
}

function queriesItself(name: string, spec: ToolSpec): readonly Finding[] {
  if (spec.onAmbiguous?.query?.tool !== name) return [];
  return [
    finding('queriesItself', 'spec.onAmbiguous.query.tool', {
      found: `${quote(name)}, the tool itself`,
      allowed: 'another Tool with effect read, which tells whether the call took effect',
    }),
  ];
}
