// Owns: what a journal of a newer release looks like to this code: whole, but not to be folded. It is no damage: nothing is
// dropped or guessed, and whoever knows the version goes on with it.
import { SignalboxError } from '../../api/errors.ts';

/** The newest commit record that this code can fold, and the one that it writes. */
export const recordVersion = 1;

/** The version of what was read, when it is a later one than `upTo`. */
export function newerVersion(read: unknown, upTo: number = recordVersion): number | undefined {
  const { v } = (typeof read === 'object' && read !== null ? read : {}) as { readonly v?: unknown };
  return Number.isSafeInteger(v) && Number(v) > upTo ? Number(v) : undefined;
}

/** `what`: the stream and the message. */
export function writtenByNewer(what: string, version: number): SignalboxError {
  return new SignalboxError(
    'JOURNAL_NEWER',
    `${what} has version ${version}, which a newer engine has written and this one cannot read. Its partition stands still: nothing is lost, and nothing of it is served. Bring every engine to that release (roll forward, not back); then it goes on by itself`,
  );
}
