// Owns: the engine's HTTP API as calls. Errors of the engine keep their code and words.
import { type ErrorCode, errorCodes, SignalboxError } from '../../api/errors.ts';
import type { DeadLetter } from '../../api/messages/dead-letter.ts';
import type { HistoryEvent, JsonObject, RunSummary } from '../../api/messages/history.ts';
import type { ScheduleSummary } from '../../api/messages/schedule.ts';
import type { SignalResult } from '../../api/messages/incoming.ts';
import { VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import { again, type EngineOptions } from '../options.ts';
import { findEngine } from './address.ts';

export interface RunQuery {
  readonly workflow?: string;
  readonly status?: string;
  readonly limit?: number;
  readonly where?: string;
  readonly since?: string;
}

export interface StartOptions {
  readonly key?: string;
  readonly priority?: string;
  readonly startAt?: string;
  readonly delay?: string;
}

export interface LetterQuery {
  readonly reason?: string;
  readonly group?: string;
  readonly all?: boolean;
  readonly limit?: number;
}

export interface EngineClient {
  readonly namespace: string;
  /** Flags for hints: ` -n clinic --name demo`. */
  readonly again: string;
  start(workflow: string, input: JsonObject, options?: StartOptions): Promise<RunSummary>;
  signal(run: string, signal: string, body: { readonly id: string; readonly data: JsonObject }): Promise<SignalResult>;
  list(query: RunQuery): Promise<readonly RunSummary[]>;
  /** With `after`: answered when there is more than up to that event, or a few seconds later. */
  show(run: string, after?: number): Promise<RunSummary>;
  history(run: string): Promise<readonly HistoryEvent[]>;
  cancel(run: string, reason: string): Promise<RunSummary>;
  schedules(): Promise<readonly ScheduleSummary[]>;
  pause(workflow: string, schedule: string, reason: string): Promise<ScheduleSummary>;
  resume(workflow: string, schedule: string): Promise<ScheduleSummary>;
  trigger(workflow: string, schedule: string): Promise<RunSummary>;
  freezeRun(run: string, reason: string): Promise<RunSummary>;
  resumeRun(run: string, reason: string): Promise<RunSummary>;
  setReadOnly(run: string, readOnly: boolean, reason: string): Promise<RunSummary>;
  letters(query: LetterQuery): Promise<readonly DeadLetter[]>;
  letter(id: string): Promise<DeadLetter>;
  decideLetter(id: string, what: 'retry' | 'drop', reason: string): Promise<DeadLetter>;
}

/** How long one look waits for news, in milliseconds. */
const waitMsMax = 5_000;
/** Runs that one request asks for. */
const pageMax = 500;

export async function openEngine(host: Host, options: EngineOptions): Promise<EngineClient> {
  const address = await findEngine(host, options);
  const { wire } = await import('./wire.ts');
  const root = `${address.base}/v1/namespaces/${encodeURIComponent(address.namespace)}`;
  const call = async <T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> => {
    const answer = await wire({
      method,
      url: root + path,
      headers: address.headers,
      timeoutMs: options.requestTimeout,
      signal: host.interrupted,
      ...(body === undefined ? {} : { body }),
      ...(address.tls === undefined ? {} : { tls: address.tls }),
    });
    if (answer.status >= 200 && answer.status < 300) return answer.body as T;
    throw refusal(answer.status, answer.body, `${method} ${path}`);
  };
  const waitMs = Math.floor(Math.min(waitMsMax, options.requestTimeout / 2));
  const on = (workflow: string, schedule: string): string =>
    `/schedules/${encodeURIComponent(workflow)}/${encodeURIComponent(schedule)}`;
  const at = (run: string): string => `/runs/${encodeURIComponent(run)}`;
  const letterAt = (id: string): string => `/deadletters/${encodeURIComponent(id)}`;
  return {
    namespace: address.namespace,
    again: again(options, address.namespace),
    start: (workflow, input, more) =>
      call('POST', `/workflows/${encodeURIComponent(workflow)}/runs`, { input, ...more }),
    signal: (run, signal, body) => call('POST', `${at(run)}/signals/${encodeURIComponent(signal)}`, body),
    list: async ({ limit = pageMax, ...query }) => {
      const found: RunSummary[] = [];
      for (let cursor: string | undefined = ''; cursor !== undefined && found.length < limit;) {
        const page: { items: RunSummary[]; next?: string } = await call(
          'GET',
          `/runs${queryText({ ...query, limit: Math.min(pageMax, limit - found.length), ...(cursor === '' ? {} : { cursor }) })}`,
        );
        found.push(...page.items);
        cursor = page.next;
      }
      return found;
    },
    show: (run, after) => call('GET', after === undefined ? at(run) : `${at(run)}?waitMs=${waitMs}&after=${after}`),
    history: async (run) => (await call<{ events: HistoryEvent[] }>('GET', `${at(run)}/history`)).events,
    freezeRun: (run, reason) => call('POST', `${at(run)}/freeze`, { reason }),
    resumeRun: (run, reason) => call('POST', `${at(run)}/resume`, { reason }),
    setReadOnly: (run, readOnly, reason) => call('POST', `${at(run)}/readonly`, { readOnly, reason }),
    letters: async (query) => (await call<{ items: DeadLetter[] }>('GET', `/deadletters${queryText(query)}`)).items,
    letter: (id) => call('GET', letterAt(id)),
    decideLetter: (id, what, reason) => call('POST', `${letterAt(id)}/${what}`, { reason }),
    cancel: (run, reason) => call('POST', `${at(run)}/cancel`, { reason }),
    schedules: async () => (await call<{ items: ScheduleSummary[] }>('GET', '/schedules')).items,
    pause: (workflow, schedule, reason) => call('POST', `${on(workflow, schedule)}/pause`, { reason }),
    resume: (workflow, schedule) => call('POST', `${on(workflow, schedule)}/resume`, {}),
    trigger: (workflow, schedule) => call('POST', `${on(workflow, schedule)}/trigger`, {}),
  };
}

function queryText(query: (RunQuery & { readonly cursor?: string }) | LetterQuery): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  return parameters.size === 0 ? '' : `?${parameters.toString()}`;
}

const byStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'INVALID_INPUT',
  401: 'UNAUTHENTICATED',
  403: 'DENIED',
  404: 'NOT_FOUND',
  408: 'TIMEOUT',
  504: 'TIMEOUT',
};

function refusal(status: number, body: unknown, what: string): SignalboxError {
  const answer = (typeof body === 'object' && body !== null ? body : {}) as { code?: unknown; message?: unknown };
  const known = typeof answer.code === 'string' && answer.code in errorCodes ? (answer.code as ErrorCode) : undefined;
  const code = known ?? byStatus[status] ?? 'BUS_UNREACHABLE';
  const words = typeof answer.message === 'string' ? answer.message : `HTTP ${status} to ${what}`;
  return status === 404 && known === undefined && typeof answer.code !== 'number'
    ? new VerbError('NOT_FOUND', words, { attempt: 'check --server: is it the engine?' })
    : new SignalboxError(code, words);
}
