// Owns: the keys of the webhook: an authority that all replicas share, and a serving certificate of each replica.
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { bits, explicit, implicit, integer, octets, oid, pem, sequence, set, time, truth, utf8 } from './der.ts';

const DAY_MS = 24 * 3_600_000;
const authorityMs = 3_650 * DAY_MS;
/** Far beyond the life of a pod; a replica makes a new one at each start. */
const servingMs = 365 * DAY_MS;
const backdateMs = 3_600_000;
const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));
const authorityName = 'signalbox webhook';

export interface KeyPair {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export function newAuthority(now: number): KeyPair {
  const { privateKey, publicKey } = newKey();
  const extensions = [
    extension('2.5.29.19', sequence(truth()), true),
    // keyCertSign and cRLSign: bits 5 and 6, one unused bit.
    extension('2.5.29.15', Buffer.from([0x03, 0x02, 0x01, 0x06]), true),
  ];
  const subject = authorityName;
  return certify({ subject, publicKey, privateKey, signer: privateKey, extensions, now, lifetimeMs: authorityMs });
}

/** `hosts`: DNS names and IPv4 addresses. */
export function newServing(authority: KeyPair, hosts: readonly string[], now: number): KeyPair {
  const { privateKey, publicKey } = newKey();
  const names = hosts.map((host) =>
    isIPv4(host) ? implicit(7, Buffer.from(host.split('.').map(Number))) : implicit(2, Buffer.from(host, 'ascii')),
  );
  const extensions = [
    // digitalSignature: bit 0, seven unused bits.
    extension('2.5.29.15', Buffer.from([0x03, 0x02, 0x07, 0x80]), true),
    extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1')), false),
    extension('2.5.29.17', sequence(...names), false),
  ];
  const signer = createPrivateKey(authority.key);
  return certify({
    subject: 'signalbox-operator',
    publicKey,
    privateKey,
    signer,
    extensions,
    now,
    lifetimeMs: servingMs,
  });
}

const newKey = (): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' });

interface Statement {
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  readonly signer: KeyObject;
  readonly extensions: readonly Buffer[];
  readonly now: number;
  readonly lifetimeMs: number;
}

function certify(statement: Statement): KeyPair {
  const { now, lifetimeMs } = statement;
  const body = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([0x01]), randomBytes(15)])),
    ecdsaWithSha256,
    distinguishedName(authorityName),
    sequence(time(new Date(now - backdateMs)), time(new Date(now + lifetimeMs))),
    distinguishedName(statement.subject),
    statement.publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...statement.extensions)),
  );
  return {
    certificate: pem('CERTIFICATE', sequence(body, ecdsaWithSha256, bits(sign('sha256', body, statement.signer)))),
    key: statement.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

const distinguishedName = (commonName: string): Buffer => sequence(set(sequence(oid('2.5.4.3'), utf8(commonName))));

const extension = (id: string, value: Buffer, critical: boolean): Buffer =>
  sequence(oid(id), ...(critical ? [truth()] : []), octets(value));
