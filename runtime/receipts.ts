// Owns: receipts. The gateway signs what it did; the engine believes nothing else. The key is in the bucket `keys`, which
// workers cannot read.
import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { SignalboxError } from '../api/errors.ts';
import type { Receipt } from '../api/messages/history.ts';
import { buckets } from '../api/messages/subjects.ts';
import { canonicalJson } from '../core/canonical/canonical.ts';
import type { Bus } from '../ports/bus.ts';

const receiptKeyName = 'receipts';
const keyBytes = 32;

/** The key of this installation; made once, by whoever is first. */
export async function loadReceiptKey(bus: Bus): Promise<Uint8Array> {
  const bucket = await bus.bucket<string>(buckets.keys);
  const stored = await bucket.get(receiptKeyName);
  if (stored !== undefined) return parseKey(stored.value);
  const fresh = randomBytes(keyBytes).toString('base64');
  if ((await bucket.update(receiptKeyName, fresh, 0)) !== undefined) return parseKey(fresh);
  const first = await bucket.get(receiptKeyName);
  return parseKey(first?.value);
}

function parseKey(value: string | undefined): Uint8Array {
  const key = Buffer.from(typeof value === 'string' ? value : '', 'base64');
  if (key.length === keyBytes) return key;
  throw new SignalboxError(
    'CONFIG_INVALID',
    `bucket keys, entry ${receiptKeyName}: expected ${keyBytes} bytes in base64, found ${key.length}; delete the entry while gateway and engine are stopped`,
  );
}

/** Made once per key: it costs more than the digest. */
const keyObjects = new WeakMap<Uint8Array, KeyObject>();

function keyObjectOf(key: Uint8Array): KeyObject {
  const known = keyObjects.get(key) ?? createSecretKey(key);
  keyObjects.set(key, known);
  return known;
}

const macOf = (key: Uint8Array, receipt: Omit<Receipt, 'mac'>): Buffer =>
  createHmac('sha256', keyObjectOf(key)).update(canonicalJson(receipt)).digest();

export function signReceipt(key: Uint8Array, receipt: Omit<Receipt, 'mac'>): Receipt {
  return { ...receipt, mac: macOf(key, receipt).toString('hex') };
}

/** True only for an unchanged receipt of the gateway. Never throws, whatever came over the wire. */
export function isGenuine(key: Uint8Array, receipt: Receipt): boolean {
  const { mac, ...rest } = receipt;
  if (typeof mac !== 'string' || !/^[0-9a-f]{64}$/.test(mac)) return false;
  try {
    return timingSafeEqual(Buffer.from(mac, 'hex'), macOf(key, rest));
  } catch {
    return false;
  }
}
