// Owns: what went wrong, in the words of the error registry.
import { JetStreamApiError } from '@nats-io/jetstream';
import { NoRespondersError, RequestError, TimeoutError } from '@nats-io/transport-node';
import { SignalboxError } from '../../api/errors.ts';

/** JetStream's error codes that this adapter tells apart. */
export const apiCodes = {
  streamNotFound: 10059,
  consumerNotFound: 10014,
  messageNotFound: 10037,
  streamNameInUse: 10058,
  consumerExists: 10013,
  consumerNameInUse: 10148,
  wrongLastSequence: 10071,
  wrongLastSequenceUnknown: 10164,
  storageFull: 10047,
  maximumBytes: 10054,
  storeFailed: 10077,
} as const;

export function apiCode(error: unknown): number | undefined {
  return error instanceof JetStreamApiError ? error.code : undefined;
}

export function isNoResponders(error: unknown): boolean {
  if (error instanceof NoRespondersError) return true;
  if (error instanceof RequestError) return error.isNoResponders();
  // A publish to a subject of no stream: the client wraps it as "jetstream is not enabled".
  return error instanceof Error && error.cause instanceof Error && isNoResponders(error.cause);
}

/** True when the stream or bucket is not there: a memory stream vanishes with its server. */
export function isMissingStream(error: unknown): boolean {
  return apiCode(error) === apiCodes.streamNotFound || (error instanceof Error && error.message === 'stream not found');
}

/** True when compare-and-set lost, on one replica (10071) or on several (10164). */
export function isWrongSequence(error: unknown): boolean {
  const code = apiCode(error);
  return code === apiCodes.wrongLastSequence || code === apiCodes.wrongLastSequenceUnknown;
}

/** True when nobody can say whether the server stored the message. */
export function isUnknownOutcome(error: unknown): boolean {
  return apiCode(error) === undefined;
}

export function busFailure(error: unknown, what: string): SignalboxError {
  if (error instanceof SignalboxError) return error;
  const why = error instanceof Error ? error.message : String(error);
  if (error instanceof TimeoutError) {
    return new SignalboxError('TIMEOUT', `${what}: no answer in time. Try again.`, { cause: error });
  }
  if (isNoResponders(error)) {
    return new SignalboxError('BUS_UNREACHABLE', `${what}: nobody serves it right now. Try again.`, { cause: error });
  }
  return new SignalboxError('BUS_UNREACHABLE', `${what}: ${why}`, { cause: error });
}
