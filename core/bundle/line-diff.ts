// Owns: the lines in which two texts differ: a shortest edit (Myers), within a bound.

export interface Line {
  readonly kind: 'same' | 'removed' | 'added';
  readonly text: string;
}

/** Edits that are looked for; two texts with more share no line worth showing. */
const editsMax = 1_000;

export function diffLines(before: string, after: string): readonly Line[] {
  const [left, right] = [linesOf(before), linesOf(after)];
  const trace = shortest(left, right);
  if (trace === undefined) {
    return [...left.map((text) => line('removed', text)), ...right.map((text) => line('added', text))];
  }
  return walkBack(trace, left, right);
}

const line = (kind: Line['kind'], text: string): Line => ({ kind, text });
const linesOf = (text: string): readonly string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'));

/** For each number of edits, how far each diagonal gets; the last one reaches the end. */
function shortest(
  left: readonly string[],
  right: readonly string[],
): readonly ReadonlyMap<number, number>[] | undefined {
  const trace: ReadonlyMap<number, number>[] = [];
  let reach = new Map([[1, 0]]);
  for (let edits = 0; edits <= Math.min(editsMax, left.length + right.length); edits += 1) {
    const next = new Map<number, number>();
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      const [below, above] = [reach.get(diagonal + 1) ?? -1, reach.get(diagonal - 1) ?? -1];
      let x = diagonal === -edits || (diagonal !== edits && above < below) ? below : above + 1;
      while (x < left.length && x - diagonal < right.length && left[x] === right[x - diagonal]) x += 1;
      next.set(diagonal, x);
      if (x >= left.length && x - diagonal >= right.length) return [...trace, next];
    }
    trace.push(next);
    reach = next;
  }
  return undefined;
}

function walkBack(
  trace: readonly ReadonlyMap<number, number>[],
  left: readonly string[],
  right: readonly string[],
): readonly Line[] {
  const lines: Line[] = [];
  let [x, y] = [left.length, right.length];
  const same = (to: number): void => {
    for (; x > to; x -= 1, y -= 1) lines.push(line('same', left[x - 1] ?? ''));
  };
  for (let edits = trace.length - 1; edits > 0; edits -= 1) {
    const reach = trace[edits - 1] ?? new Map<number, number>();
    const diagonal = x - y;
    const [below, above] = [reach.get(diagonal + 1) ?? -1, reach.get(diagonal - 1) ?? -1];
    const down = diagonal === -edits || (diagonal !== edits && above < below);
    same(down ? below : above + 1);
    if (down) lines.push(line('added', right[(y -= 1)] ?? ''));
    else lines.push(line('removed', left[(x -= 1)] ?? ''));
  }
  same(0);
  return lines.toReversed();
}
