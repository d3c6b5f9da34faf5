// Owns: the three pages every process serves: /healthz (is the event loop alive), /readyz (may it get work), /metrics.
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { AddressInfo } from 'node:net';
import type { Metrics } from '../../ports/system.ts';

export interface HealthOptions {
  /** Default 0.0.0.0. */
  readonly host?: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly metrics: Metrics;
  /** Undefined when ready; otherwise the reason, which is the body of the 503. */
  readonly ready: () => string | undefined;
  /** What whoever looks should know although it is ready; follows "ok" in the body. */
  readonly note?: () => string | undefined;
  /** Answers every other path; default 404. */
  readonly other?: (request: IncomingMessage, response: ServerResponse) => void;
  /** The event loop may stand still this many milliseconds before /healthz fails; default 5,000. */
  readonly lagMaxMs?: number;
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts serving; resolves once the port is open. */
export async function serveHealth(options: HealthOptions): Promise<HealthServer> {
  const delay = monitorEventLoopDelay({ resolution: 100 });
  delay.enable();
  const server = createServer((request, response) => {
    if (options.other !== undefined && !pages.includes(pathOf(request))) options.other(request, response);
    else void answer(request, options, () => longestStallMs(delay)).then((page) => send(response, page));
  });
  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        delay.disable();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const pages: readonly string[] = ['/healthz', '/readyz', '/metrics'];
const pathOf = (request: IncomingMessage): string => (request.url ?? '/').split('?', 1)[0] ?? '/';

interface Page {
  readonly status: number;
  readonly contentType?: string;
  readonly body: string;
}

async function answer(request: IncomingMessage, options: HealthOptions, stallMs: () => number): Promise<Page> {
  const path = pathOf(request);
  try {
    if (path === '/healthz') {
      const stalled = stallMs();
      const allowed = options.lagMaxMs ?? 5_000;
      return stalled <= allowed
        ? { status: 200, body: 'ok\n' }
        : {
            status: 503,
            body: `the event loop stood still for ${Math.round(stalled)} ms, allowed are ${allowed} ms\n`,
          };
    }
    if (path === '/readyz') {
      const reason = options.ready();
      if (reason !== undefined) return { status: 503, body: `not ready: ${reason}\n` };
      const note = options.note?.();
      return { status: 200, body: note === undefined ? 'ok\n' : `ok, but ${note}\n` };
    }
    if (path === '/metrics') return { status: 200, ...(await options.metrics.render()) };
    return { status: 404, body: 'not found: this port serves /healthz, /readyz and /metrics\n' };
  } catch (error) {
    return { status: 500, body: `${error instanceof Error ? error.message : String(error)}\n` };
  }
}

/** The longest stall since the last question. */
function longestStallMs(delay: ReturnType<typeof monitorEventLoopDelay>): number {
  const ms = delay.count === 0 ? 0 : delay.max / 1e6;
  delay.reset();
  return ms;
}

function send(response: ServerResponse, page: Page): void {
  response.writeHead(page.status, { 'content-type': page.contentType ?? 'text/plain; charset=utf-8' });
  response.end(page.body);
}

function listen(server: Server, options: HealthOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host ?? '0.0.0.0', () => {
      server.off('error', reject);
      resolve();
    });
  });
}
