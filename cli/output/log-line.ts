// Owns: how a line of a structured log reads to people: time, level when it matters, sentence, fields. Other lines stay.
import { oneLine, type Paint, plain, printable } from './style.ts';

const tones = { warn: 'yellow', error: 'red', fatal: 'red' } as const;
/** Said by the line itself or by the pod it came from. */
const silent = new Set(['level', 'time', 'name', 'process', 'message', 'pid', 'hostname']);

/** `06:54:41 warn ask failed verb=model error="BUS_UNREACHABLE: …"`. */
export function logText(line: string, paint: Paint = plain): string {
  const entry = parse(line);
  if (entry === undefined) return printable(line);
  const level = typeof entry['level'] === 'string' ? entry['level'] : 'info';
  const tone = tones[level as keyof typeof tones] as 'yellow' | 'red' | undefined;
  const time = typeof entry['time'] === 'string' ? entry['time'].slice(11, 19) : '';
  const words = oneLine(entry.message);
  const fields = Object.entries(entry)
    .filter(([name]) => !silent.has(name))
    .map(([name, value]) => paint('dim', `${oneLine(name)}=${fieldText(value)}`));
  const shown = level === 'info' || level === 'debug' ? words : `${level} ${words}`;
  return [paint('dim', time), tone === undefined ? shown : paint(tone, shown), ...fields]
    .filter((part) => part !== '')
    .join(' ');
}

type Entry = Readonly<Record<string, unknown>> & { readonly message: string };

function parse(line: string): Entry | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const entry = JSON.parse(line) as Entry;
    return typeof entry.message === 'string' ? entry : undefined;
  } catch {
    return undefined;
  }
}

/** Errors as code and message; text in quotes where it has spaces. */
function fieldText(value: unknown): string {
  if (isError(value)) {
    return JSON.stringify(oneLine(value.code === undefined ? value.message : `${value.code}: ${value.message}`));
  }
  if (typeof value === 'string' && /^[^\s"]+$/.test(value)) return printable(value);
  return oneLine(JSON.stringify(value) ?? '');
}

const isError = (value: unknown): value is { readonly message: string; readonly code?: string } =>
  typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string';
