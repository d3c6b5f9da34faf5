// Owns: output for programs: JSON, YAML and names. Stable: members keep the order the server or the schema gave them.
import { SignalboxError } from '../../api/errors.ts';

export const formats = ['table', 'wide', 'json', 'yaml', 'name'] as const;
export type Format = (typeof formats)[number];

export function isDocument(format: Format): format is 'json' | 'yaml' {
  return format === 'json' || format === 'yaml';
}

/** Text with a line break at its end. */
export async function documentText(value: unknown, format: 'json' | 'yaml'): Promise<string> {
  if (format === 'json') return `${JSON.stringify(value, undefined, 2)}\n`;
  const { stringify } = await import('./yaml.ts');
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

/** Manifests for kubectl, which reads YAML 1.1: there `yes` unquoted is no text. Several are YAML documents, or a List. */
export async function manifestText(manifests: readonly object[], format: 'json' | 'yaml'): Promise<string> {
  if (format === 'json') {
    const [only, ...more] = manifests;
    const value = more.length === 0 ? only : { apiVersion: 'v1', kind: 'List', items: manifests };
    return `${JSON.stringify(value, undefined, 2)}\n`;
  }
  const { stringify } = await import('./yaml.ts');
  const texts = manifests.map((one) => stringify(one, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false }));
  return texts.join('---\n');
}

/** Reads JSON or YAML; `from` names the source in the error. */
export async function parseDocument(text: string, from: string): Promise<unknown> {
  try {
    return JSON.parse(text);
  } catch (cause) {
    if (/^\s*[{[]/.test(text)) {
      throw new SignalboxError('INVALID_INPUT', `${from} is no JSON: ${(cause as Error).message}`, { cause });
    }
  }
  const { parse } = await import('./yaml.ts');
  try {
    return parse(text, { maxAliasCount: 100 });
  } catch (cause) {
    throw new SignalboxError('INVALID_INPUT', `${from} is no YAML: ${(cause as Error).message}`, { cause });
  }
}
