// Owns: what a dead letter is called, which belong together, and how one comes about again.
//   D1: the same thing given up again is the same letter: its attempts grow, and it is open again.
//   D2: nothing has more than its bound: a group beyond it is counted in one letter without content.
import type { DeadLetter, DeadLetterOrigin, DeadLetterReason } from '../../api/messages/dead-letter.ts';
import { digest } from '../canonical/canonical.ts';

/** What somebody gives up. */
export interface GivenUp {
  readonly namespace: string;
  readonly reason: DeadLetterReason;
  readonly origin: DeadLetterOrigin;
  readonly cause: { readonly code: string; readonly message: string };
  /** How often it was tried since the letter was last noted; default 1. */
  readonly attempts?: number;
}

/** Letters of one group that are kept with their content. */
export const groupMax = 100;
/** Letters in all; the stream takes no more. */
export const lettersMax = 10_000;
export const decidedKeptMs = 7 * 24 * 3_600_000;

const messageMax = 1_024;
const nameMax = 256;
const idLength = 20;
/** Of the letter that stands for all those beyond the bound of its group. */
const restItem = '(more)';

const short = (value: unknown): string => digest(value).slice('sha256:'.length, 'sha256:'.length + idLength);
const cut = (text: string, max: number): string => (text.length > max ? `${text.slice(0, max - 1)}…` : text);

export function groupOf({ namespace, reason, origin, cause }: GivenUp): string {
  return short([namespace, reason, origin.kind, origin.name, origin.workflow ?? '', cause.code]);
}

export function letterId(given: GivenUp): string {
  return short([groupOf(given), given.origin.item, given.origin.run ?? '']);
}

/** Stands for everything of a group beyond its bound. */
export function restOf(given: GivenUp): GivenUp {
  const { run: _run, ...origin } = given.origin;
  const message = `more than ${groupMax} of the same are given up: these are counted here and not kept`;
  return { ...given, origin: { ...origin, item: restItem }, cause: { ...given.cause, message } };
}

/** The letter as it is to be written. */
export function letterOf(
  given: GivenUp,
  known: DeadLetter | undefined,
  now: number,
  content?: DeadLetter['content'],
): DeadLetter {
  const { namespace, reason, origin, cause } = given;
  const kept = content ?? known?.content;
  return {
    id: letterId(given),
    namespace,
    reason,
    origin: { ...origin, name: cut(origin.name, nameMax), item: cut(origin.item, nameMax) },
    cause: { code: cause.code, message: cut(cause.message, messageMax) },
    group: groupOf(given),
    state: 'Open',
    attempts: (known?.attempts ?? 0) + (given.attempts ?? 1),
    firstAt: known?.firstAt ?? now,
    lastAt: now,
    ...(kept === undefined ? {} : { content: kept }),
  };
}
