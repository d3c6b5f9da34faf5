// Owns: chance from a seed, so that a soak says what it chose and can choose it again.

export interface Chance {
  /** From `low` up to, not including, `high`. */
  between(low: number, high: number): number;
  pick<T>(list: readonly T[]): T;
}

/** Mulberry32. */
export function chanceOf(seed: number): Chance {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const between = (low: number, high: number): number => low + next() * (high - low);
  return {
    between,
    pick: (list) => {
      const found = list[Math.floor(between(0, list.length))];
      if (found === undefined) throw new RangeError('nothing to pick from');
      return found;
    },
  };
}
