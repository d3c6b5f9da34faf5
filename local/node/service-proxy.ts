// Owns: the forward proxy that stands in for cluster DNS and kube-proxy. A Pod's namespace comes as the proxy user name.
// Service names go to a ready Pod; everything else goes where it asks. A request is sent once, never repeated.
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Backend } from './services.ts';

/** Where `host:port` leads for a client in `namespace`; undefined: not a Service, go there directly. */
export type Resolve = (host: string, port: number, namespace: string) => Backend | undefined;

const connectTimeoutMs = 10_000;
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Listens on exactly this address; rejects when somebody else does. */
export function startServiceProxy(host: string, port: number, resolve: Resolve): Promise<Server> {
  const server = createServer({ requestTimeout: 0, headersTimeout: 30_000 }, (message, response) =>
    forward(message, response, resolve),
  );
  server.on('connect', (message: IncomingMessage, socket: Duplex, head: Buffer) =>
    tunnel(message, socket, head, resolve),
  );
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen({ host, port, exclusive: true }, () => done(server));
  });
}

function namespaceOf(message: IncomingMessage): string {
  const [scheme, encoded = ''] = (message.headers['proxy-authorization'] ?? '').split(' ');
  const user = scheme?.toLowerCase() === 'basic' ? Buffer.from(encoded, 'base64').toString('utf8').split(':')[0] : '';
  return user === undefined || user === '' ? 'default' : decodeURIComponent(user);
}

function forward(message: IncomingMessage, response: ServerResponse, resolve: Resolve): void {
  const url = URL.canParse(message.url ?? '') ? new URL(message.url as string) : undefined;
  if (url?.protocol !== 'http:') {
    refuse(response, 400, `this is a forward proxy: ask for an absolute http:// URL, found "${message.url}"`);
    return;
  }
  const port = url.port === '' ? 80 : Number(url.port);
  const backend = resolve(url.hostname, port, namespaceOf(message)) ?? { host: url.hostname, port };
  if ('refusal' in backend) {
    refuse(response, 502, backend.refusal);
    return;
  }
  const onward = httpRequest({
    host: backend.host,
    port: backend.port,
    method: message.method,
    path: `${url.pathname}${url.search}`,
    headers: { ...endToEnd(message.headers), host: url.host },
    // A connection of its own: an idle one that just closed would make a call fail that may not be repeated.
    agent: false,
  });
  onward.once('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers));
    answer.pipe(response);
    answer.once('error', () => response.destroy());
  });
  onward.once('error', (error) => {
    if (response.headersSent) response.destroy();
    else refuse(response, 502, `${url.host} (${backend.host}:${backend.port}): ${error.message}`);
  });
  response.once('close', () => onward.destroy());
  message.pipe(onward);
}

function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hopByHop.has(name)));
}

function refuse(response: ServerResponse, status: number, reason: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`signalbox local node: ${reason}\n`);
}

function tunnel(message: IncomingMessage, socket: Duplex, head: Buffer, resolve: Resolve): void {
  const target = /^\[?([^\]]+)\]?:(\d+)$/.exec(message.url ?? '');
  const port = Number(target?.[2]);
  const host = target?.[1] ?? '';
  const backend =
    target === null ? { refusal: `not a host and port: "${message.url}"` } : resolve(host, port, namespaceOf(message));
  socket.on('error', () => socket.destroy());
  if (backend !== undefined && 'refusal' in backend) {
    refuseTunnel(socket, backend.refusal);
    return;
  }
  const onward = connect({ host: backend?.host ?? host, port: backend?.port ?? port, timeout: connectTimeoutMs });
  let connected = false;
  onward.once('connect', () => {
    connected = true;
    onward.setTimeout(0);
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    onward.write(head);
    onward.pipe(socket).pipe(onward);
  });
  onward.once('timeout', () => onward.destroy(new Error(`no connection within ${connectTimeoutMs / 1000} s`)));
  onward.once('error', (error) => {
    if (connected) socket.destroy();
    else refuseTunnel(socket, `${host}:${port}: ${error.message}`);
  });
  socket.once('close', () => onward.destroy());
}

/** To the client this is a failed connection: nothing was sent, so nothing can have happened. */
function refuseTunnel(socket: Duplex, reason: string): void {
  const body = `signalbox local node: ${reason}\n`;
  const length = Buffer.byteLength(body);
  socket.end(
    `HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/plain\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${body}`,
  );
}
