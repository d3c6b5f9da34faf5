// Owns: bytes between us and one API server: pooled connections in three lanes, deadlines, bounded retries, credentials.
// A lane never waits for another: a saturated request pool must not stop a Lease renewal, and a dead watch nothing at all.
import { Agent } from 'undici';
import type { Dispatcher } from 'undici';
import { isSignalboxError } from '../../api/errors.ts';
import type { Log, Metrics } from '../../ports/system.ts';
import type { Credentials, KubeAccess } from './access.ts';
import { failure, unreachable } from './failure.ts';

export type Lane = 'requests' | 'watches' | 'leases';

export interface TransportOptions {
  readonly access: KubeAccess;
  /** User-Agent and default field manager: `signalbox-<component>`. */
  readonly component: string;
  readonly metrics?: Metrics;
  readonly log?: Log;
  /** Deadline of one call with all its retries; default 30,000. Calls about Leases have 3,000 and no retry. */
  readonly timeoutMs?: number;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** From the API server's root, with query. */
  readonly path: string;
  /** The request in words, for errors. */
  readonly what: string;
  readonly lane: Lane;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Media type asked for; default application/json. */
  readonly accept?: string;
  /** Sending it twice does no harm, even when the first answer was lost. */
  readonly repeatable: boolean;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface Transport {
  /** The answer of a 2xx; throws a SignalboxError otherwise. */
  send(call: Call): Promise<Answer>;
  /** One attempt, any status. */
  attempt(call: Call): Promise<Answer>;
  /** The open body of a watch; throws unless 200. */
  open(call: Call, signal: AbortSignal): Promise<Dispatcher.ResponseData['body']>;
  close(): Promise<void>;
}

interface LaneLimits {
  readonly connections: number;
  readonly attempts: number;
  readonly timeoutMs: number;
}

const LANES: Readonly<Record<Lane, LaneLimits>> = {
  requests: { connections: 16, attempts: 5, timeoutMs: 30_000 },
  watches: { connections: 64, attempts: 1, timeoutMs: 30_000 },
  leases: { connections: 2, attempts: 1, timeoutMs: 3_000 },
};
const RETRY_STATUS = new Set([429, 500, 502, 503, 504]);
/** The server says it did not begin: safe to repeat even for a create. */
const NOT_BEGUN_STATUS = new Set([429]);
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 2_000;
const RETRY_AFTER_MAX_MS = 10_000;

interface RawAnswer extends Answer {
  readonly retryAfterMs: number | undefined;
}

/** Opens no connection yet; the first call does. */
export function openTransport(options: TransportOptions): Transport {
  const { access } = options;
  const { origin, prefix } = splitServer(access.server);
  const agents = agentPool(access);
  const count = requestCounter(options, origin);
  const warn = warningLog(options.log);

  const request = async (call: Call, refresh: boolean, signal: AbortSignal): Promise<Dispatcher.ResponseData> => {
    const credentials = await access.credentials(refresh);
    const watching = call.lane === 'watches';
    const response = await agents.get(call.lane, credentials).request({
      origin,
      path: prefix + call.path,
      method: call.method,
      headers: headersOf(call, credentials, options.component),
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      signal,
      headersTimeout: LANES[call.lane].timeoutMs,
      bodyTimeout: watching ? 0 : LANES[call.lane].timeoutMs,
    });
    count(call.method, String(response.statusCode));
    warn(response.headers['warning']);
    return response;
  };

  const once = async (call: Call, refresh: boolean, timeoutMs: number): Promise<RawAnswer> => {
    try {
      const response = await request(call, refresh, AbortSignal.timeout(Math.max(1, Math.round(timeoutMs))));
      const body = await response.body.text();
      return { status: response.statusCode, body, retryAfterMs: retryAfter(response.headers['retry-after']) };
    } catch (cause) {
      if (isSignalboxError(cause)) throw cause;
      count(call.method, '<error>');
      throw unreachable(call.what, cause);
    }
  };

  return {
    send: (call) => sendWithRetries(call, once, options.timeoutMs),
    async attempt(call) {
      const limit = Math.min(options.timeoutMs ?? Infinity, LANES[call.lane].timeoutMs);
      const answer = await once(call, false, limit);
      return answer.status === 401 ? once(call, true, limit) : answer;
    },
    async open(call, signal) {
      try {
        let response = await request(call, false, signal);
        if (response.statusCode === 401) {
          await response.body.dump();
          response = await request(call, true, signal);
        }
        if (response.statusCode !== 200) {
          throw failure(call.what, response.statusCode, await response.body.text());
        }
        return response.body;
      } catch (cause) {
        if (isSignalboxError(cause)) throw cause;
        throw unreachable(call.what, cause);
      }
    },
    close: () => agents.close(),
  };
}

type Once = (call: Call, refresh: boolean, timeoutMs: number) => Promise<RawAnswer>;

async function sendWithRetries(call: Call, once: Once, timeoutMs: number | undefined): Promise<Answer> {
  const lane = LANES[call.lane];
  const deadline = performance.now() + Math.min(timeoutMs ?? lane.timeoutMs, lane.timeoutMs);
  let attempts = 0;
  let refresh = false;
  for (;;) {
    const verdict = await judge(call, once, refresh, deadline - performance.now());
    if (verdict.kind === 'answer') return verdict.answer;
    if (verdict.kind === 'unauthorized' && !refresh) {
      refresh = true;
      continue;
    }
    attempts += 1;
    const waitMs = (verdict.kind === 'again' ? verdict.waitMs : undefined) ?? backoffMs(attempts);
    const last = attempts >= lane.attempts || performance.now() + waitMs >= deadline;
    if (verdict.kind !== 'again' || last) throw verdict.problem;
    refresh = false;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

type Verdict =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'unauthorized' | 'final'; readonly problem: Error }
  | { readonly kind: 'again'; readonly problem: Error; readonly waitMs: number | undefined };

/** One attempt, and whether another could do better without doing anything twice. */
async function judge(call: Call, once: Once, refresh: boolean, timeoutMs: number): Promise<Verdict> {
  let answer: RawAnswer;
  try {
    answer = await once(call, refresh, timeoutMs);
  } catch (error) {
    const problem = error as Error;
    const safe = isSignalboxError(error, 'KUBE_UNREACHABLE') && (call.repeatable || neverSent(error.cause));
    return safe ? { kind: 'again', problem, waitMs: undefined } : { kind: 'final', problem };
  }
  if (answer.status >= 200 && answer.status < 300) return { kind: 'answer', answer };
  const problem = failure(call.what, answer.status, answer.body);
  if (answer.status === 401) return { kind: 'unauthorized', problem };
  const safe = (call.repeatable ? RETRY_STATUS : NOT_BEGUN_STATUS).has(answer.status);
  return safe ? { kind: 'again', problem, waitMs: answer.retryAfterMs } : { kind: 'final', problem };
}

/** Full jitter, so that many callers do not come back together. */
function backoffMs(attempt: number): number {
  return Math.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** attempt);
}

function neverSent(cause: unknown): boolean {
  const code = (cause as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' && NOT_SENT.has(code);
}

function retryAfter(header: string | string[] | undefined): number | undefined {
  const seconds = Number(Array.isArray(header) ? header[0] : header);
  return header === undefined || !Number.isFinite(seconds)
    ? undefined
    : Math.min(RETRY_AFTER_MAX_MS, Math.max(0, seconds) * 1_000);
}

function headersOf(call: Call, credentials: Credentials, component: string): Record<string, string> {
  const headers: Record<string, string> = {
    accept: call.accept ?? 'application/json',
    'user-agent': `signalbox-${component}/v1alpha1`,
  };
  if (call.body !== undefined) headers['content-type'] = call.contentType ?? 'application/json';
  if (credentials.token !== undefined) headers['authorization'] = `Bearer ${credentials.token}`;
  else if (credentials.basic !== undefined) {
    headers['authorization'] = `Basic ${Buffer.from(credentials.basic).toString('base64')}`;
  }
  return headers;
}

function splitServer(server: string): { readonly origin: string; readonly prefix: string } {
  const url = new URL(server);
  return { origin: url.origin, prefix: url.pathname.replace(/\/+$/, '') };
}

/** Agents by lane, made anew when the certificates change: a connection keeps those it was opened with. */
function agentPool(access: KubeAccess): {
  get(lane: Lane, credentials: Credentials): Agent;
  close(): Promise<void>;
} {
  let material = '';
  const agents = new Map<Lane, Agent>();
  const drop = async (): Promise<void> => {
    const old = [...agents.values()];
    agents.clear();
    await Promise.all(old.map((agent) => agent.destroy()));
  };
  return {
    get(lane, credentials) {
      const ca = credentials.ca ?? access.ca;
      const now = [ca, credentials.cert, credentials.key].join('\n');
      if (now !== material) {
        material = now;
        for (const [name, agent] of agents) if (name !== 'watches') void agent.close();
        agents.clear();
      }
      let agent = agents.get(lane);
      if (agent === undefined) {
        agent = openAgent(lane, access, { ...credentials, ...(ca === undefined ? {} : { ca }) });
        agents.set(lane, agent);
      }
      return agent;
    },
    close: drop,
  };
}

function openAgent(lane: Lane, access: KubeAccess, tls: Credentials): Agent {
  return new Agent({
    allowH2: false,
    connections: LANES[lane].connections,
    keepAliveTimeout: 30_000,
    connect: {
      timeout: 5_000,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
      ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }),
      ...(access.serverName === undefined ? {} : { servername: access.serverName }),
      ...(access.insecure === true ? { rejectUnauthorized: false } : {}),
    },
  });
}

function requestCounter(options: TransportOptions, origin: string): (method: string, code: string) => void {
  const host = new URL(origin).host;
  const add = options.metrics?.counter(
    'rest_client_requests_total',
    'Requests to the API server by status code, method and host; a code of <error> means no answer.',
    ['code', 'method', 'host'],
  );
  return (method, code) => add?.({ code, method, host });
}

const WARNINGS_MAX = 200;

/** Logs each distinct warning of the server once. */
function warningLog(log: Log | undefined): (header: string | string[] | undefined) => void {
  const seen = new Set<string>();
  return (header) => {
    if (header === undefined || log === undefined) return;
    const text = Array.isArray(header) ? header.join('; ') : header;
    if (seen.has(text) || seen.size >= WARNINGS_MAX) return;
    seen.add(text);
    log.warn('the API server warns', { warning: text });
  };
}
