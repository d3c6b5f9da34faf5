// Owns: checking Ed25519 signatures with the library of Node. What cannot be checked is not signed.
import { createPublicKey, verify } from 'node:crypto';
import type { VerifyBytes } from '../../core/bundle/signature.ts';

export const verifyEd25519: VerifyBytes = (key, bytes, signature) => {
  try {
    return verify(null, bytes, createPublicKey({ key: Buffer.from(key), format: 'der', type: 'spki' }), signature);
  } catch {
    return false;
  }
};
