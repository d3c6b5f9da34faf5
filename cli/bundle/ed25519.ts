// Owns: Ed25519 keys and signatures with the library of Node. Keys are PEM files, as `openssl genpkey -algorithm ed25519` makes.
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { SignalboxError } from '../../api/errors.ts';
import type { VerifyBytes } from '../../core/bundle/signature.ts';
import { readText } from './source.ts';

export interface SigningKey {
  /** DER, SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly sign: (bytes: Uint8Array) => Uint8Array;
}

export async function readSigningKey(path: string): Promise<SigningKey> {
  const key = await read(path, createPrivateKey, 'a private');
  return { publicKey: derOf(createPublicKey(key)), sign: (bytes) => sign(null, bytes, key) };
}

/** Of a public or a private key. */
export const readPublicKey = async (path: string): Promise<Uint8Array> => derOf(await read(path, createPublicKey, 'a'));

const derOf = (key: KeyObject): Uint8Array => key.export({ type: 'spki', format: 'der' });

async function read(path: string, parse: (pem: string) => KeyObject, what: string): Promise<KeyObject> {
  const text = await readText(path);
  const allowed = `allowed: ${what} Ed25519 key in PEM, as openssl genpkey -algorithm ed25519 makes one`;
  let key: KeyObject;
  try {
    key = parse(text);
  } catch (cause) {
    throw new SignalboxError('INVALID_INPUT', `--key ${path}: found no key that can be read; ${allowed}`, { cause });
  }
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw new SignalboxError('INVALID_INPUT', `--key ${path}: found a key of type ${key.asymmetricKeyType}; ${allowed}`);
}

export const verifyEd25519: VerifyBytes = (key, bytes, signature) =>
  verify(null, bytes, createPublicKey({ key: Buffer.from(key), format: 'der', type: 'spki' }), signature);
