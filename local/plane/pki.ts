// Owns: the keys of one instance: its certificate authority, serving and client certificates, the key that signs
// service-account tokens. Made once, kept in the instance's folder with mode 0600, never shared between instances.
import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { authorityCertificate, leafCertificate, type Sign, type Statement } from '../../core/x509/certificate.ts';

const lifetimeMs = 10 * 365 * 24 * 3_600_000;
const backdateMs = 3_600_000;

export interface Authority {
  readonly name: string;
  readonly certificatePem: string;
  readonly key: KeyObject;
}

export interface Certificate {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface Subject {
  readonly commonName: string;
  /** Names and IPv4 addresses a server of this certificate is reached by. */
  readonly hosts: readonly string[];
}

export function newKey(): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

export function privatePem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export function newAuthority(name: string, now: number): Authority {
  const { privateKey, publicKey } = newKey();
  const statement = stated({ issuer: name, subject: name, publicKey }, now);
  return { name, certificatePem: authorityCertificate(statement, signer(privateKey)), key: privateKey };
}

/** A certificate for both ends of TLS, since etcd's peers use one for both. */
export function issue(authority: Authority, { commonName, hosts }: Subject, now: number): Certificate {
  const { privateKey, publicKey } = newKey();
  const statement = stated({ issuer: authority.name, subject: commonName, publicKey }, now);
  const certificatePem = leafCertificate({ ...statement, hosts, ends: ['server', 'client'] }, signer(authority.key));
  return { certificatePem, keyPem: privatePem(privateKey) };
}

const signer =
  (key: KeyObject): Sign =>
  (bytes) =>
    sign('sha256', bytes, key);

function stated(
  who: { readonly issuer: string; readonly subject: string; readonly publicKey: KeyObject },
  now: number,
): Statement {
  return {
    ...who,
    publicKey: who.publicKey.export({ type: 'spki', format: 'der' }),
    serial: randomBytes(16),
    notBefore: new Date(now - backdateMs).toISOString(),
    notAfter: new Date(now + lifetimeMs).toISOString(),
  };
}
