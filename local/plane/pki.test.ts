import { X509Certificate } from 'node:crypto';
import { createServer, connect } from 'node:tls';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { issue, newAuthority } from './pki.ts';

const now = Date.parse('2026-06-01T12:00:00Z');
const authority = newAuthority('signalbox test', now);
const issued = issue(authority, { commonName: 'etcd', hosts: ['127.0.0.1', 'localhost'] }, now);

test('a certificate is signed by its authority, for its hosts, for ten years', () => {
  const ca = new X509Certificate(authority.certificatePem);
  const leaf = new X509Certificate(issued.certificatePem);
  expect(ca.ca).toBe(true);
  expect(leaf.ca).toBe(false);
  expect(leaf.verify(ca.publicKey)).toBe(true);
  expect(leaf.checkIssued(ca)).toBe(true);
  expect(leaf.subjectAltName).toBe('IP Address:127.0.0.1, DNS:localhost');
  expect(leaf.subject).toBe('CN=etcd');
  expect(Date.parse(leaf.validFrom)).toBe(now - 3_600_000);
  expect(new Date(leaf.validTo).getUTCFullYear()).toBe(2036);
});

test('both ends of a TLS connection accept it, and a stranger is refused', async () => {
  const identity = { cert: issued.certificatePem, key: issued.keyPem, ca: authority.certificatePem };
  const server = createServer({ ...identity, requestCert: true, rejectUnauthorized: true }, (socket) =>
    socket.end('hi'),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const friend = connect({ ...identity, host: '127.0.0.1', port });
  expect(String((await once(friend, 'data'))[0])).toBe('hi');
  friend.destroy();
  const stranger = connect({ host: '127.0.0.1', port, ca: newAuthority('other', now).certificatePem });
  await expect(once(stranger, 'secureConnect')).rejects.toThrow(/unable to verify|self-signed/);
  server.close();
});
