// Owns: the small part of DER that an X.509 certificate needs. Values in, bytes out.

function element(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const size: number[] = [];
  for (let rest = length; rest > 0; rest >>= 8) size.unshift(rest & 0xff);
  return Buffer.concat([Buffer.from([tag, 0x80 | size.length, ...size]), content]);
}

export const sequence = (...parts: readonly Buffer[]): Buffer => element(0x30, Buffer.concat(parts));
export const set = (...parts: readonly Buffer[]): Buffer => element(0x31, Buffer.concat(parts));
export const octets = (content: Buffer): Buffer => element(0x04, content);
export const utf8 = (text: string): Buffer => element(0x0c, Buffer.from(text, 'utf8'));
export const truth = (): Buffer => Buffer.from([0x01, 0x01, 0xff]);
/** Whole bytes only: no unused bits at the end. */
export const bits = (content: Buffer): Buffer => element(0x03, Buffer.concat([Buffer.from([0]), content]));
export const explicit = (number: number, content: Buffer): Buffer => element(0xa0 | number, content);
export const implicit = (number: number, content: Buffer): Buffer => element(0x80 | number, content);

/** A positive INTEGER given as big-endian bytes whose first bit is 0. */
export const integer = (bytes: Buffer): Buffer => element(0x02, bytes);

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return element(0x06, Buffer.from(bytes));
}

/** GeneralizedTime from 2050 on, UTCTime before, as RFC 5280 asks. */
export function time(date: Date): Buffer {
  const digits = `${date.toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}Z`;
  return date.getUTCFullYear() >= 2050
    ? element(0x18, Buffer.from(digits, 'ascii'))
    : element(0x17, Buffer.from(digits.slice(2), 'ascii'));
}

export function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
