// Owns: JSON pointers (RFC 6901): looking into a document, and a changed copy of it.
import type { Json, JsonObject } from '../../api/messages/history.ts';

/** The parts of a pointer; undefined when it is none. */
export function partsOf(pointer: string): readonly string[] | undefined {
  if (pointer === '') return [];
  if (!/^(\/([^~]|~[01])*)$/.test(pointer)) return undefined;
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** What is at the pointer; undefined when nothing is. */
export function at(document: Json, pointer: string): Json | undefined {
  const parts = partsOf(pointer);
  if (parts === undefined) return undefined;
  let found: Json | undefined = document;
  for (const part of parts) found = found === undefined ? undefined : member(found, part);
  return found;
}

function member(value: Json, part: string): Json | undefined {
  if (Array.isArray(value))
    return /^(0|[1-9][0-9]*)$/.test(part) ? (value as readonly Json[])[Number(part)] : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.hasOwn(value, part) ? (value as JsonObject)[part] : undefined;
}

export type Changed = { readonly ok: true; readonly value: Json } | { readonly ok: false; readonly message: string };

/** `value` undefined: it is taken away. Objects on the way are made; a last part "-" appends to a list. */
export function change(document: Json, pointer: string, value: Json | undefined): Changed {
  const parts = partsOf(pointer);
  if (parts === undefined) return { ok: false, message: `"${pointer}" is no JSON pointer` };
  try {
    return { ok: true, value: changed(document, parts, value) ?? null };
  } catch (error) {
    return { ok: false, message: `${pointer}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function changed(document: Json | undefined, parts: readonly string[], value: Json | undefined): Json | undefined {
  const [part, ...rest] = parts;
  if (part === undefined) return value;
  if (Array.isArray(document)) return inList(document as readonly Json[], part, (old) => changed(old, rest, value));
  if (document !== undefined && (typeof document !== 'object' || document === null))
    throw new Error(`"${part}" is looked for in ${JSON.stringify(document)}`);
  const members = (document ?? {}) as JsonObject;
  const next = changed(Object.hasOwn(members, part) ? members[part] : undefined, rest, value);
  const others = Object.entries(members).filter(([name]) => name !== part);
  return next === undefined ? Object.fromEntries(others) : { ...members, [part]: next };
}

function inList(list: readonly Json[], part: string, next: (old: Json | undefined) => Json | undefined): Json {
  const index = part === '-' ? list.length : /^(0|[1-9][0-9]*)$/.test(part) ? Number(part) : -1;
  if (index < 0 || index > list.length) throw new Error(`the list has ${list.length} items, and no "${part}"`);
  const item = next(list[index]);
  return item === undefined ? list.toSpliced(index, 1) : list.toSpliced(index, 1, item);
}
