// Owns: one HTTP request with a deadline, over TLS with the caller's certificates where there are any.
import { Agent, request as send } from 'undici';
import { SignalboxError } from '../../api/errors.ts';
import type { ClusterCredentials } from '../host.ts';

export interface Tls extends Pick<ClusterCredentials, 'ca' | 'cert' | 'key' | 'passphrase'> {
  readonly insecure?: boolean;
  readonly serverName?: string;
}

export interface WireRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly tls?: Tls;
}

export interface WireAnswer {
  readonly status: number;
  /** Parsed JSON, or the text where it is none. */
  readonly body: unknown;
}

const CONNECT_MAX_MS = 10_000;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

export type Wire = (request: WireRequest) => Promise<WireAnswer>;

/** Throws TIMEOUT, or BUS_UNREACHABLE when nobody answered. */
export const wire: Wire = async (request) => {
  const connect = { timeout: Math.min(request.timeoutMs, CONNECT_MAX_MS), ...tlsOptions(request.tls ?? {}) };
  const agent = new Agent({ connect, maxResponseSize: ANSWER_BYTES_MAX });
  try {
    const answer = await send(request.url, {
      method: request.method,
      headers: { accept: 'application/json', 'content-type': 'application/json', ...request.headers },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      dispatcher: agent,
      signal: AbortSignal.any([request.signal, AbortSignal.timeout(request.timeoutMs)]),
    });
    return { status: answer.statusCode, body: parse(await answer.body.text()) };
  } catch (cause) {
    throw failed(request, cause);
  } finally {
    await agent.destroy();
  }
};

/** Under the names Node has for them; what is absent keeps Node's default. */
function tlsOptions({ insecure, serverName, ...material }: Tls): Record<string, string | boolean> {
  return {
    ...Object.fromEntries(Object.entries(material).filter(([, value]) => value !== undefined)),
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(insecure === true ? { rejectUnauthorized: false } : {}),
  };
}

function failed(request: WireRequest, cause: unknown): SignalboxError {
  const where = new URL(request.url).origin;
  if (cause instanceof Error && cause.name === 'TimeoutError') {
    return new SignalboxError(
      'TIMEOUT',
      `the engine at ${where} did not answer within ${request.timeoutMs} ms; look again later or give it longer with --request-timeout`,
      { cause },
    );
  }
  const why = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new SignalboxError('BUS_UNREACHABLE', `the engine at ${where} cannot be reached: ${why}`, { cause });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
