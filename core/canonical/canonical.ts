// Owns: the identity of content. Canonical JSON after RFC 8785 (members sorted by UTF-16 code units, shortest numbers,
// minimal escapes), and its SHA-256. Equal content has one digest on every machine and in every release: golden vectors.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/**
 * @throws TypeError for what JSON cannot carry: NaN, infinities, bigint, functions, lone surrogates, cycles. Members that
 * are `undefined` are left out, as in JSON.stringify.
 */
export function canonicalJson(value: unknown): string {
  return write(value, []);
}

/** `sha256:` and 64 hexadecimal digits over the canonical JSON in UTF-8. */
export function digest(value: unknown): string {
  return `sha256:${bytesToHex(sha256(utf8ToBytes(canonicalJson(value))))}`;
}

function write(value: unknown, parents: object[]): string {
  switch (typeof value) {
    case 'string':
      return writeString(value);
    case 'boolean':
      return String(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`${value} is no JSON number`);
      return JSON.stringify(value);
    case 'object':
      return value === null ? 'null' : writeObject(value, parents);
    case 'bigint':
    case 'undefined':
    case 'function':
    case 'symbol':
      throw new TypeError(`a ${typeof value} is no JSON`);
  }
}

/** `parents` is one list for the whole value, so that depth costs nothing. */
function writeObject(value: object, parents: object[]): string {
  if (parents.includes(value)) throw new TypeError('a cycle is no JSON');
  parents.push(value);
  const text = Array.isArray(value) ? writeArray(value, parents) : writeMembers(value, parents);
  parents.pop();
  return text;
}

function writeArray(items: readonly unknown[], parents: object[]): string {
  let text = '';
  for (const item of items) text += `${text === '' ? '' : ','}${write(item ?? null, parents)}`;
  return `[${text}]`;
}

function writeMembers(value: object, parents: object[]): string {
  let text = '';
  for (const key of Object.keys(value).sort()) {
    const member = (value as Readonly<Record<string, unknown>>)[key];
    if (member === undefined) continue;
    text += `${text === '' ? '' : ','}${writeString(key)}:${write(member, parents)}`;
  }
  return `{${text}}`;
}

function writeString(value: string): string {
  if (!value.isWellFormed()) throw new TypeError('a lone surrogate is no Unicode text');
  return JSON.stringify(value);
}
