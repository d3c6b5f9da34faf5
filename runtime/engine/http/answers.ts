// Owns: errors as HTTP answers: a status, a code of the registry and a sentence.
import type { ErrorRequestHandler, RequestHandler } from 'express';
import { type ErrorCode, isSignalboxError, SignalboxError } from '../../../api/errors.ts';
import type { Log } from '../../../ports/system.ts';

const statuses: Partial<Readonly<Record<ErrorCode, number>>> = {
  INVALID_INPUT: 400,
  UNAUTHENTICATED: 401,
  DENIED: 403,
  NOT_FOUND: 404,
  STALE: 409,
  FROZEN: 409,
  JOURNAL_FULL: 429,
  OVERLOADED: 429,
  JOURNAL_CORRUPT: 500,
  JOURNAL_ROLLED_BACK: 500,
  JOURNAL_UNWRITABLE: 503,
  JOURNAL_NEWER: 503,
  JOURNAL_FENCED: 503,
  NOT_OWNER: 503,
  BUS_UNREACHABLE: 503,
  KUBE_UNREACHABLE: 503,
  TIMEOUT: 504,
};

const retryAfterSeconds = 1;

export const notFound: RequestHandler = (request, _response, next) => {
  next(new SignalboxError('NOT_FOUND', `nothing is served at ${request.method} ${request.path}`));
};

export function errorAnswers(log: Log): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const known = asKnown(error);
    if (known === undefined) log.error('a request failed', { error });
    const code = known?.code ?? 'BUS_UNREACHABLE';
    const status = known === undefined ? 500 : (statuses[known.code] ?? 500);
    if (status === 429 || status === 503) response.setHeader('retry-after', secondsUntil(known));
    response.status(status).json({ code, message: known?.message ?? 'an internal error; see the engine’s log' });
  };
}

/** As whoever refused it says, in whole seconds; else a second. */
function secondsUntil(error: SignalboxError | undefined): string {
  const ms = error?.fields['retryAfterMs'];
  return String(typeof ms === 'number' ? Math.max(1, Math.ceil(ms / 1_000)) : retryAfterSeconds);
}

function asKnown(error: unknown): SignalboxError | undefined {
  if (isSignalboxError(error)) return error;
  // The body parser's own refusals: too large, no JSON.
  const { status, message } = (typeof error === 'object' && error !== null ? error : {}) as Partial<
    Record<'status' | 'message', unknown>
  >;
  if (typeof status !== 'number' || status < 400 || status > 499) return undefined;
  return new SignalboxError('INVALID_INPUT', `the body cannot be read: ${String(message)}`);
}
