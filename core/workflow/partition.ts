// Owns: where a run lives and what it is called. Both follow from its identity alone, on every machine and for ever.
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { canonicalJson } from '../canonical/canonical.ts';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const runIdLength = 22;

/** The partition of a run among `partitions`. */
export function partitionOf(run: string, partitions: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = sha256(utf8ToBytes(run));
  return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) % partitions;
}

/** 22 characters of base62: a second start with the same business key is the same run. */
export function runIdFor(namespace: string, workflow: string, key: string): string {
  let rest = 0n;
  for (const byte of sha256(utf8ToBytes(canonicalJson([namespace, workflow, key])))) rest = (rest << 8n) | BigInt(byte);
  let id = '';
  while (id.length < runIdLength) {
    id += alphabet[Number(rest % 62n)] ?? '0';
    rest /= 62n;
  }
  return id;
}

/** A number between 0 and 1 that depends on the text alone: jitter without chance. */
export function fraction(text: string): number {
  return partitionOf(text, 1_000_000) / 1_000_000;
}
