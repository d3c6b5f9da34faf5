// Owns: the keys of the webhook: an authority that all replicas share, and a serving certificate of each replica.
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { authorityCertificate, leafCertificate, type Sign, type Statement } from '../../core/x509/certificate.ts';

const DAY_MS = 24 * 3_600_000;
const authorityMs = 3_650 * DAY_MS;
/** Far beyond the life of a pod; a replica makes a new one at each start. */
const servingMs = 365 * DAY_MS;
const backdateMs = 3_600_000;
const authorityName = 'signalbox webhook';

export interface KeyPair {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export function newAuthority(now: number): KeyPair {
  const { privateKey, publicKey } = newKey();
  const statement = stated({ subject: authorityName, publicKey, lifetimeMs: authorityMs }, now);
  return { certificate: authorityCertificate(statement, signer(privateKey)), key: pemOf(privateKey) };
}

/** `hosts`: DNS names and IPv4 addresses. */
export function newServing(authority: KeyPair, hosts: readonly string[], now: number): KeyPair {
  const { privateKey, publicKey } = newKey();
  const statement = stated({ subject: 'signalbox-operator', publicKey, lifetimeMs: servingMs }, now);
  const sealed = leafCertificate({ ...statement, hosts, ends: ['server'] }, signer(createPrivateKey(authority.key)));
  return { certificate: sealed, key: pemOf(privateKey) };
}

const newKey = (): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' });

const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

const signer =
  (key: KeyObject): Sign =>
  (bytes) =>
    sign('sha256', bytes, key);

function stated(
  {
    subject,
    publicKey,
    lifetimeMs,
  }: { readonly subject: string; readonly publicKey: KeyObject; readonly lifetimeMs: number },
  now: number,
): Statement {
  return {
    issuer: authorityName,
    subject,
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    serial: randomBytes(16),
    notBefore: new Date(now - backdateMs).toISOString(),
    notAfter: new Date(now + lifetimeMs).toISOString(),
  };
}
