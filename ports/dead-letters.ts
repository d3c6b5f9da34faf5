// Owns: where what nobody can handle is kept for people: bounded, in account CONTROL, never lost silently.
import type { DeadLetter, DeadLetterReason } from '../api/messages/dead-letter.ts';
import type { GivenUp } from '../core/dead-letter/letter.ts';

export interface DeadLetterQuery {
  readonly namespace?: string;
  readonly reason?: DeadLetterReason;
}

export interface StoredLetter {
  readonly letter: DeadLetter;
  readonly revision: number;
}

export interface DeadLetters {
  /**
   * Keeps what is given up; resolves when it is on disk, and only then may the message be acknowledged. The same again grows
   * the letter's attempts. `content`: what was carried, any JSON, kept apart from the letter. Rejects with OVERLOADED at the
   * bound of the stream: leave the message where it is, so that its producers feel it.
   */
  note(given: GivenUp, content?: unknown): Promise<DeadLetter>;
  /** Newest first; at most `limit`. */
  list(query: DeadLetterQuery, limit: number): Promise<readonly DeadLetter[]>;
  read(namespace: string, id: string): Promise<StoredLetter | undefined>;
  /** What was carried; undefined when nothing was kept. */
  content(letter: DeadLetter): Promise<unknown>;
  /** Compare-and-set of a decision about it; resolves false when it changed meanwhile. */
  decide(stored: StoredLetter, decided: DeadLetter): Promise<boolean>;
  /** Forgets decided letters older than `before`; resolves with how many. */
  sweep(before: number): Promise<number>;
  /** Open letters by reason; read again only when the stream has changed, so cheap enough for a gauge. */
  counts(): Promise<Readonly<Record<DeadLetterReason, number>>>;
}
