// Owns: the identity of one call. An approval binds to it, and the ledger keys an effect by it, so it never holds the attempt:
// a call that is made again by a later attempt is the same call.
import type { JsonObject } from '../../api/messages/history.ts';
import { digest } from '../canonical/canonical.ts';

export interface CallIdentity {
  readonly run: string;
  readonly activity: string;
  readonly tool: string;
  readonly args: JsonObject;
}

/** `sha256:` over canonical {run, activity, tool, args}. */
export const callDigest = ({ run, activity, tool, args }: CallIdentity): string =>
  digest({ run, activity, tool, args });

/** The ledger's key of the call, a NATS subject token: the digest's 64 hexadecimal digits. Also sent as idempotency key. */
export const effectKey = (call: CallIdentity): string => callDigest(call).replace(/^sha256:/, '');
