// Owns: the keys of one instance: its certificate authority, serving and client certificates, the key that signs
// service-account tokens. Made once, kept in the instance's folder with mode 0600, never shared between instances.
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { bits, explicit, implicit, integer, octets, oid, pem, sequence, set, time, truth, utf8 } from './der.ts';

const lifetimeMs = 10 * 365 * 24 * 3_600_000;
const backdateMs = 3_600_000;
const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));

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
  const extensions = [
    extension('2.5.29.19', sequence(truth()), true),
    // keyCertSign and cRLSign: bits 5 and 6, one unused bit.
    extension('2.5.29.15', Buffer.from([0x03, 0x02, 0x01, 0x06]), true),
    extension('2.5.29.14', octets(keyId(publicKey)), false),
  ];
  const certificatePem = certify({ issuer: name, subject: name, publicKey, signer: privateKey, extensions, now });
  return { name, certificatePem, key: privateKey };
}

/** A certificate for both ends of TLS, since etcd's peers use one for both. */
export function issue(authority: Authority, subject: Subject, now: number): Certificate {
  const { privateKey, publicKey } = newKey();
  const hosts = subject.hosts.map((host) =>
    isIPv4(host) ? implicit(7, Buffer.from(host.split('.').map(Number))) : implicit(2, Buffer.from(host, 'ascii')),
  );
  const extensions = [
    // digitalSignature: bit 0, seven unused bits.
    extension('2.5.29.15', Buffer.from([0x03, 0x02, 0x07, 0x80]), true),
    extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'), oid('1.3.6.1.5.5.7.3.2')), false),
    ...(hosts.length > 0 ? [extension('2.5.29.17', sequence(...hosts), false)] : []),
  ];
  const certificatePem = certify({
    issuer: authority.name,
    subject: subject.commonName,
    publicKey,
    signer: authority.key,
    extensions,
    now,
  });
  return { certificatePem, keyPem: privatePem(privateKey) };
}

interface Statement {
  readonly issuer: string;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly extensions: readonly Buffer[];
  readonly now: number;
}

function certify(statement: Statement): string {
  const body = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([0x01]), randomBytes(15)])),
    ecdsaWithSha256,
    distinguishedName(statement.issuer),
    sequence(time(new Date(statement.now - backdateMs)), time(new Date(statement.now + lifetimeMs))),
    distinguishedName(statement.subject),
    statement.publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...statement.extensions)),
  );
  return pem('CERTIFICATE', sequence(body, ecdsaWithSha256, bits(sign('sha256', body, statement.signer))));
}

function distinguishedName(commonName: string): Buffer {
  return sequence(set(sequence(oid('2.5.4.3'), utf8(commonName))));
}

function extension(id: string, value: Buffer, critical: boolean): Buffer {
  return sequence(oid(id), ...(critical ? [truth()] : []), octets(value));
}

function keyId(key: KeyObject): Buffer {
  return createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest();
}
