// Owns: keeping credentials out of what leaves the gateway: a tool may echo the header it was sent.
import type { Json } from '../../api/messages/history.ts';

/** Shorter values would redact ordinary text. */
const secretMin = 6;
export const redacted = '[redacted]';

/** The value with every occurrence of the secret replaced. */
export function redact<T extends Json>(value: T, secret: string | undefined): T {
  if (secret === undefined || secret.length < secretMin) return value;
  return walk(value, secret) as T;
}

function walk(value: Json, secret: string): Json {
  if (typeof value === 'string') return value.replaceAll(secret, redacted);
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item: Json) => walk(item, secret));
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key.replaceAll(secret, redacted), walk(member as Json, secret)]),
  );
}
