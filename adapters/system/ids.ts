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

/** Bytes that are asked of the system at once: asking costs more than the bytes. */
const POOL = 4_096;
let pool = Buffer.alloc(0);
let used = 0;

function random(): string {
  let id = '';
  while (id.length < LENGTH) {
    if (used >= pool.length) {
      pool = randomBytes(POOL);
      used = 0;
    }
    const byte = pool[used] ?? FAIR;
    used += 1;
    if (byte < FAIR) id += ALPHABET[byte % 62];
  }
  return id;
}
