// Owns: the small part of DER that an X.509 certificate needs. Values in, bytes out.
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { base64 } from '../canonical/base64.ts';

function element(tag: number, content: Uint8Array): Uint8Array {
  const { length } = content;
  if (length < 0x80) return concatBytes(Uint8Array.of(tag, length), content);
  const size: number[] = [];
  for (let rest = length; rest > 0; rest >>= 8) size.unshift(rest & 0xff);
  return concatBytes(Uint8Array.of(tag, 0x80 | size.length, ...size), content);
}

export const sequence = (...parts: readonly Uint8Array[]): Uint8Array => element(0x30, concatBytes(...parts));
export const set = (...parts: readonly Uint8Array[]): Uint8Array => element(0x31, concatBytes(...parts));
export const octets = (content: Uint8Array): Uint8Array => element(0x04, content);
export const utf8 = (text: string): Uint8Array => element(0x0c, utf8ToBytes(text));
export const truth = (): Uint8Array => Uint8Array.of(0x01, 0x01, 0xff);
/** The last byte has `unused` bits that do not count. */
export const bits = (content: Uint8Array, unused = 0): Uint8Array =>
  element(0x03, concatBytes(Uint8Array.of(unused), content));
/** Context tag: constructed for EXPLICIT wrapping, primitive for IMPLICIT values. */
export const explicit = (number: number, content: Uint8Array): Uint8Array => element(0xa0 | number, content);
export const implicit = (number: number, content: Uint8Array): Uint8Array => element(0x80 | number, content);

/** A non-negative INTEGER given as big-endian bytes. */
export function integer(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  const short = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  return element(0x02, (short[0] ?? 0) & 0x80 ? concatBytes(Uint8Array.of(0), short) : short);
}

export function oid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return element(0x06, Uint8Array.from(bytes));
}

/** `instant`: RFC 3339 in UTC. GeneralizedTime from 2050 on, UTCTime before, as RFC 5280 asks. */
export function time(instant: string): Uint8Array {
  const digits = `${instant.replaceAll(/[-:T]/g, '').slice(0, 14)}Z`;
  return digits >= '2050' ? element(0x18, utf8ToBytes(digits)) : element(0x17, utf8ToBytes(digits.slice(2)));
}

export function pem(label: string, der: Uint8Array): string {
  const lines = base64(der).match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
