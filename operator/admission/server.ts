// Owns: the HTTPS server of the webhook. It answers what it can parse and refuses the rest; a fault of ours is a 500, which
// the API server turns into a refusal.
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Log } from '../../ports/system.ts';
import type { KeyPair } from './certificates.ts';
import { type NamespaceLook, review } from './review.ts';

export interface WebhookServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface WebhookOptions {
  readonly host: string;
  readonly port: number;
  readonly serving: KeyPair;
  readonly namespaces: NamespaceLook;
  readonly log: Log;
}

/** The API server sends whole objects: at most 3 MiB, and the old one with it. */
const bodyBytesMax = 8 * 1024 * 1024;
const requestMs = 10_000;

export async function serveWebhook({ host, port, serving, namespaces, log }: WebhookOptions): Promise<WebhookServer> {
  const server = createServer(
    { cert: serving.certificate, key: serving.key, minVersion: 'TLSv1.2', requestTimeout: requestMs },
    (request, response) => {
      answer(request, response, namespaces).catch((error: unknown) => {
        log.warn('an admission review could not be answered', { error });
        if (!response.headersSent) response.writeHead(400, { 'content-type': 'text/plain' });
        response.end('this is no admission review that can be read\n');
      });
    },
  );
  await listen(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, namespaces: NamespaceLook): Promise<void> {
  const reply = await review(JSON.parse(await bodyOf(request)), namespaces);
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(reply));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > bodyBytesMax) throw new RangeError(`a review of more than ${bodyBytesMax} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
