// Owns: chance.
import { randomBytes } from 'node:crypto';
import type { Ids } from '../../ports/system.ts';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const LENGTH = 22;
/** The largest multiple of 62 in a byte: bytes at or above it are thrown away, so every letter is equally likely. */
const FAIR = 248;

/** Random ids of 22 base62 characters (131 bits). */
export function systemIds(): Ids {
  return { random };
}

function random(): string {
  let id = '';
  while (id.length < LENGTH) {
    for (const byte of randomBytes(32)) {
      if (byte < FAIR && id.length < LENGTH) id += ALPHABET[byte % 62];
    }
  }
  return id;
}
