// Owns: where a schedule stands: one entry per schedule in bucket `schedules`, changed by compare-and-set.

export const overlaps = ['skip', 'bufferOne', 'allow', 'cancelOther'] as const;
export type Overlap = (typeof overlaps)[number];

export interface ScheduleSkip {
  readonly due: number;
  readonly at: number;
  readonly reason: string;
}

/** Key `<ns>.<workflow>.<name>`. Times in milliseconds since the epoch. */
export interface SchedulePosition {
  readonly v: 1;
  /** The timetable the position is of; with another one it begins anew. */
  readonly timetable: string;
  /** Every due time up to here is started or skipped. */
  readonly until: number;
  /** Written, and started again until the start is confirmed. */
  readonly pending: readonly { readonly due: number; readonly run: string }[];
  /** Runs that are cancelled before the pending ones start. */
  readonly cancels: readonly string[];
  /** Runs that had not ended when they were last looked at. */
  readonly open: readonly string[];
  /** Waits for the open runs to end. */
  readonly buffered?: number;
  readonly paused?: { readonly by: string; readonly at: number; readonly reason: string };
  readonly started: number;
  readonly skipped: number;
  /** Of the skipped ones: looks that found due times which nobody was there for. */
  readonly missed?: number;
  readonly last?: { readonly due: number; readonly at: number; readonly run: string };
  readonly lastSkip?: ScheduleSkip;
  /** Why nothing is started. */
  readonly problem?: string;
}

/** A schedule as lists show it. */
export interface ScheduleSummary {
  readonly namespace: string;
  readonly workflow: string;
  readonly name: string;
  readonly cron: string;
  readonly timeZone: string;
  readonly overlap: Overlap;
  /** Undefined: it is paused, or no time is left. */
  readonly next?: number;
  readonly paused?: { readonly by: string; readonly at?: number; readonly reason: string };
  readonly open: readonly string[];
  readonly buffered?: number;
  readonly started: number;
  readonly skipped: number;
  /** Of the skipped ones: looks that found due times which nobody was there for. */
  readonly missed?: number;
  readonly last?: { readonly due: number; readonly at: number; readonly run: string };
  readonly lastSkip?: ScheduleSkip;
  readonly problem?: string;
}
