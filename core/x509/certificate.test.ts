import { generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { authorityCertificate, leafCertificate, type Leaf } from './certificate.ts';
import { pem, time } from './der.ts';

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const publicKey = keys.publicKey.export({ type: 'spki', format: 'der' });
const signed = (bytes: Uint8Array): Uint8Array => sign('sha256', bytes, keys.privateKey);
const about = {
  issuer: 'Zürich authority',
  publicKey,
  serial: Uint8Array.of(0xff, ...Array<number>(15).fill(7)),
  notBefore: '2026-06-01T12:00:00.000Z',
  notAfter: '2051-06-01T12:00:00.000Z',
};
const ca = new X509Certificate(authorityCertificate({ ...about, subject: about.issuer }, signed));
const leafOf = (differing: Partial<Leaf> = {}) =>
  new X509Certificate(
    leafCertificate({ ...about, subject: 'etcd', hosts: ['127.0.0.1', 'a.b'], ends: ['server'], ...differing }, signed),
  );

test('an authority signs itself and others', () => {
  expect(ca.ca).toBe(true);
  expect(ca.subject).toBe('CN=Zürich authority');
  expect(ca.verify(keys.publicKey)).toBe(true);
  const leaf = leafOf();
  expect(leaf.ca).toBe(false);
  expect(leaf.verify(keys.publicKey)).toBe(true);
  expect(leaf.checkIssued(ca)).toBe(true);
});

test('a serial whose first bit is set stays positive', () => {
  expect(ca.serialNumber).toBe(`FF${'07'.repeat(15)}`);
});

test('instants before and after 2050', () => {
  expect(ca.validFrom).toBe('Jun  1 12:00:00 2026 GMT');
  expect(ca.validTo).toBe('Jun  1 12:00:00 2051 GMT');
  expect([time('2049-12-31T23:59:59Z')[0], time('2050-01-01T00:00:00Z')[0]]).toEqual([0x17, 0x18]);
});

describe('a leaf', () => {
  test('has its hosts: addresses and names', () => {
    expect(leafOf().subjectAltName).toBe('IP Address:127.0.0.1, DNS:a.b');
    expect(leafOf({ hosts: [] }).subjectAltName).toBeUndefined();
  });
  test('is for the ends it says', () => {
    expect(leafOf().keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(leafOf({ ends: ['server', 'client'] }).keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  });
  test('of many hosts needs lengths of two bytes', () => {
    const hosts = Array.from({ length: 40 }, (_, index) => `host-${index}.example.com`);
    expect(leafOf({ hosts }).subjectAltName?.split(', ')).toHaveLength(40);
  });
});

test.each([0, 1, 2, 3, 48, 49])('PEM of %i bytes', (length) => {
  const bytes = Uint8Array.from({ length }, (_, index) => (index * 89 + 250) & 0xff);
  const body = pem('X', bytes).replaceAll(/-----[A-Z ]+-----|\n/g, '');
  expect(body).toBe(Buffer.from(bytes).toString('base64'));
});
