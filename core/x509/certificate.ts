// Owns: X.509 certificates of ECDSA keys, for TLS inside one installation. The keys stay with the caller, who signs.
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { bits, explicit, implicit, integer, octets, oid, pem, sequence, set, time, truth, utf8 } from './der.ts';

export interface Statement {
  /** Common names. An authority's own certificate has the same twice. */
  readonly issuer: string;
  readonly subject: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** Random, 16 bytes: no two certificates of an issuer may share it. */
  readonly serial: Uint8Array;
  /** RFC 3339 in UTC, to the second. */
  readonly notBefore: string;
  readonly notAfter: string;
}

export interface Leaf extends Statement {
  /** DNS names and IPv4 addresses a server of this certificate is reached by; none for a mere client. */
  readonly hosts: readonly string[];
  /** Which ends of a TLS connection may show it. */
  readonly ends: readonly ('server' | 'client')[];
}

/** ECDSA with SHA-256, made with the issuer's key; DER. */
export type Sign = (bytes: Uint8Array) => Uint8Array;

const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));
const endOids = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;

/** Certificate of an authority, PEM. */
export function authorityCertificate(statement: Statement, sign: Sign): string {
  return certificate(statement, sign, [
    extension('2.5.29.19', sequence(truth()), true),
    // keyCertSign and cRLSign: bits 5 and 6, one unused bit.
    extension('2.5.29.15', bits(Uint8Array.of(0x06), 1), true),
    // RFC 7093: the first 160 bits of a SHA-256.
    extension('2.5.29.14', octets(sha256(statement.publicKey).subarray(0, 20)), false),
  ]);
}

/** Certificate of a server, a client or both, PEM. */
export function leafCertificate(leaf: Leaf, sign: Sign): string {
  const { hosts, ends } = leaf;
  return certificate(leaf, sign, [
    // digitalSignature: bit 0, seven unused bits.
    extension('2.5.29.15', bits(Uint8Array.of(0x80), 7), true),
    extension('2.5.29.37', sequence(...ends.map((end) => oid(endOids[end]))), false),
    ...(hosts.length > 0 ? [extension('2.5.29.17', sequence(...hosts.map(generalName)), false)] : []),
  ]);
}

function certificate(statement: Statement, sign: Sign, extensions: readonly Uint8Array[]): string {
  const body = sequence(
    explicit(0, integer(Uint8Array.of(2))),
    integer(statement.serial),
    ecdsaWithSha256,
    distinguishedName(statement.issuer),
    sequence(time(statement.notBefore), time(statement.notAfter)),
    distinguishedName(statement.subject),
    statement.publicKey,
    explicit(3, sequence(...extensions)),
  );
  return pem('CERTIFICATE', sequence(body, ecdsaWithSha256, bits(sign(body))));
}

const distinguishedName = (commonName: string): Uint8Array => sequence(set(sequence(oid('2.5.4.3'), utf8(commonName))));

const extension = (id: string, value: Uint8Array, critical: boolean): Uint8Array =>
  sequence(oid(id), ...(critical ? [truth()] : []), octets(value));

const generalName = (host: string): Uint8Array =>
  /^[0-9]{1,3}(\.[0-9]{1,3}){3}$/.test(host)
    ? implicit(7, Uint8Array.from(host.split('.').map(Number)))
    : implicit(2, utf8ToBytes(host));
