// Owns: who may call now, when all processes together may make so many calls a minute.
//   M1: in no 60 seconds, wherever they begin, are more calls granted than the limit. Counted in slots of a second; whatever may
//       still be within the minute counts.
//   M2: clocks that disagree never give more: time goes on from the newest slot anybody has written.

export const slotMs = 1_000;
/** A minute touches this many slots at most. */
const slotsOfAMinute = 60_000 / slotMs + 1;

/** What all processes share: calls granted per slot, only of the last minute, oldest first. */
export interface MinuteCount {
  readonly slots: readonly { readonly slot: number; readonly calls: number }[];
}

export interface Grant {
  readonly granted: number;
  /** Write this, by compare-and-set, before the calls are made; undefined when nothing changed. */
  readonly next?: MinuteCount;
  /** With nothing granted: when it is worth asking again. */
  readonly retryAt?: number;
}

export function grantCalls(
  count: MinuteCount | undefined,
  asked: { readonly wanted: number; readonly perMinute: number; readonly now: number },
): Grant {
  const newest = count?.slots.at(-1)?.slot ?? Number.NEGATIVE_INFINITY;
  const slot = Math.max(Math.floor(asked.now / slotMs), newest);
  const recent = (count?.slots ?? []).filter((known) => known.slot > slot - slotsOfAMinute);
  const used = recent.reduce((sum, known) => sum + known.calls, 0);
  const granted = Math.min(asked.wanted, asked.perMinute - used);
  if (granted <= 0) {
    const oldest = recent[0]?.slot ?? slot;
    return { granted: 0, retryAt: Math.max(asked.now + 1, (oldest + slotsOfAMinute) * slotMs) };
  }
  const before = recent.filter((known) => known.slot !== slot);
  const same = recent.find((known) => known.slot === slot)?.calls ?? 0;
  return { granted, next: { slots: [...before, { slot, calls: same + granted }] } };
}

/** Calls that may be within the minute before now. */
export function callsOfMinute(count: MinuteCount | undefined, now: number): number {
  const slot = Math.floor(now / slotMs);
  const recent = (count?.slots ?? []).filter((known) => known.slot > slot - slotsOfAMinute);
  return recent.reduce((sum, known) => sum + known.calls, 0);
}
