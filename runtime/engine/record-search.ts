// Owns: finding where to begin in a long list of records, so that a page of a history costs what is on it, not what is before it.

/**
 * Index of the record in which the event `after + 1` is, or after which nothing comes. `firstEvent`: number of the run's first
 * event in a record; undefined when the record is not there any more. Undefined: it cannot be said.
 */
export async function recordWith(
  records: readonly number[],
  after: number,
  firstEvent: (seq: number) => Promise<number | undefined>,
): Promise<number | undefined> {
  if (after === 0) return 0;
  let [low, high] = [0, records.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const first = await firstEvent(records[middle] ?? 0);
    if (first === undefined) return undefined;
    if (first <= after + 1) low = middle;
    else high = middle - 1;
  }
  return low;
}
