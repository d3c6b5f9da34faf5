// Owns: "did you mean": the name among those allowed that somebody probably wanted to write.

/** Edits between two names that still look like a slip; short names allow one. */
const editsMax = 2;

export function nearest(wrong: string, names: readonly string[]): string | undefined {
  const bound = wrong.length <= 4 ? 1 : editsMax;
  let best: { readonly name: string; readonly found: number } | undefined;
  for (const name of names) {
    const found = edits(wrong.toLowerCase(), name.toLowerCase());
    if (found <= bound && (best === undefined || found < best.found)) best = { name, found };
  }
  return best?.name;
}

/** Inserted, left out, changed or swapped characters; more than `editsMax` is not counted exactly. */
export function edits(left: string, right: string): number {
  if (Math.abs(left.length - right.length) > editsMax) return editsMax + 1;
  const rows: number[][] = [Array.from({ length: right.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= left.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const same = left[i - 1] === right[j - 1] ? 0 : 1;
      let least = Math.min(at(rows, i - 1, j) + 1, (row[j - 1] ?? 0) + 1, at(rows, i - 1, j - 1) + same);
      const swapped = left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      if (i > 1 && j > 1 && swapped) least = Math.min(least, at(rows, i - 2, j - 2) + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return at(rows, left.length, right.length);
}

const at = (rows: readonly (readonly number[])[], i: number, j: number): number => rows[i]?.[j] ?? 0;
