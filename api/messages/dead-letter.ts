// Owns: what was given up, as people and wires see it. A letter never holds what was carried: that lies in the object store by
// its digest, and is read for a retry only.

/** Why nothing is tried any more. */
export const deadLetterReasons = {
  malformed: 'It cannot be read: no JSON, or without what every message of its kind has.',
  failing: 'It failed more often than its bound.',
  poison: 'Who took it died of it more often than its bound.',
  unstartable: 'The run that a schedule, hook or event asks for cannot start.',
  unwritable: 'A projection of it cannot be written.',
} as const;
export type DeadLetterReason = keyof typeof deadLetterReasons;

export const deadLetterOrigins = ['event', 'schedule', 'hook', 'activity', 'projection'] as const;

/** Where it came from, enough to try it again. */
export interface DeadLetterOrigin {
  readonly kind: (typeof deadLetterOrigins)[number];
  /** Subject of the event, name of the schedule, path of the hook, agent of the activity, name of the bucket. */
  readonly name: string;
  /** Which one of them: the event's id, the time of the schedule, the activity, the key in the bucket. */
  readonly item: string;
  readonly workflow?: string;
  readonly run?: string;
}

/** Open: waits for a person. Retried and Dropped: a person has decided; kept as the record of that for seven days. */
export type DeadLetterState = 'Open' | 'Retried' | 'Dropped';

export interface DeadLetter {
  /** Follows from group and origin: the same thing given up again for the same cause is the same letter. */
  readonly id: string;
  readonly namespace: string;
  readonly reason: DeadLetterReason;
  readonly origin: DeadLetterOrigin;
  /** What failed; never a value of what was carried. */
  readonly cause: { readonly code: string; readonly message: string };
  /** Equal for letters of the same reason, origin and code: people are asked once for all of them. */
  readonly group: string;
  readonly state: DeadLetterState;
  readonly attempts: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /** What was carried; absent when there was nothing to keep, or when its group had reached its bound. */
  readonly content?: { readonly digest: string; readonly bytes: number };
  readonly decided?: { readonly by: string; readonly reason: string; readonly at: number };
}
