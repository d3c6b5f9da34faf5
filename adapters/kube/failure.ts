// Owns: what an answer of the API server that is not 2xx means.
import { SignalboxError } from '../../api/errors.ts';
import type { ErrorCode } from '../../api/errors.ts';

/** The `Status` object the API server sends instead of what was asked. */
export interface ApiStatus {
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: { readonly retryAfterSeconds?: number };
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: 'KUBE_INVALID',
  401: 'KUBE_FORBIDDEN',
  403: 'KUBE_FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'KUBE_INVALID',
  406: 'KUBE_INVALID',
  409: 'KUBE_CONFLICT',
  410: 'KUBE_GONE',
  413: 'KUBE_INVALID',
  415: 'KUBE_INVALID',
  422: 'KUBE_INVALID',
};

/** Server-side apply to a namesake of what we saw is a 422 on the uid, where every other write answers 409. */
const OTHER_UID = /metadata\.uid: Invalid value/;

/** The error for a status code and the server's own words. `what` says the request: `PATCH agents.signalbox.dev demo/a`. */
export function failure(what: string, status: number, body: string): SignalboxError {
  const answer = parseStatus(body);
  const words = answer?.message ?? body.slice(0, 500);
  const code = OTHER_UID.test(words) ? 'KUBE_CONFLICT' : (CODES[status] ?? 'KUBE_UNREACHABLE');
  return new SignalboxError(code, `${what}: ${words || `HTTP ${status}`}`, {
    fields: { status, ...(answer?.reason === undefined ? {} : { reason: answer.reason }) },
  });
}

/** The error when no usable answer came at all. */
export function unreachable(what: string, cause: unknown): SignalboxError {
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new SignalboxError('KUBE_UNREACHABLE', `${what}: no answer from the API server: ${reason}`, { cause });
}

/** HTTP status carried by an error of this adapter. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof SignalboxError)) return undefined;
  const status = error.fields['status'];
  return typeof status === 'number' ? status : undefined;
}

function parseStatus(body: string): ApiStatus | undefined {
  try {
    const parsed = JSON.parse(body) as ApiStatus & { kind?: string };
    return parsed.kind === 'Status' ? parsed : undefined;
  } catch {
    return undefined;
  }
}
