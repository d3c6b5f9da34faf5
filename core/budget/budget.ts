// Owns: arithmetic on a run's budget. Money is integer micro-units.

export interface Budget {
  readonly limitMicros: number;
  readonly spentMicros: number;
}

/** What may still be spent; never below 0. */
export function leftMicros({ limitMicros, spentMicros }: Budget): number {
  return Math.max(0, limitMicros - spentMicros);
}

/** Whole percent spent, rounded down; a limit of 0 is spent from the start. */
export function percentSpent({ limitMicros, spentMicros }: Budget): number {
  return limitMicros <= 0 ? 100 : Math.floor((spentMicros * 100) / limitMicros);
}
