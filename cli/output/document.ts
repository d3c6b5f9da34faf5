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
