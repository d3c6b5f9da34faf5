// Owns: JSON on the wire.
import { SignalboxError } from '../../api/errors.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

export function encode(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value ?? null));
}

/** @throws SignalboxError INVALID_INPUT when the bytes are no JSON. */
export function decode(bytes: Uint8Array, what: string): unknown {
  if (bytes.length === 0) return null;
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new SignalboxError('INVALID_INPUT', `${what}: the payload is no JSON (${bytes.length} bytes)`, { cause });
  }
}
