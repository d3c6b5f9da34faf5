// Owns: a binary heap: the smallest first, equal ones in the order they came; O(log n) to add and to take.

interface Node<T> {
  readonly entry: T;
  readonly rank: number;
  readonly number: number;
}

export class Heap<T> {
  readonly #order: (entry: T) => number;
  #nodes: Node<T>[] = [];
  #added = 0;

  constructor(order: (entry: T) => number) {
    this.#order = order;
  }

  get size(): number {
    return this.#nodes.length;
  }

  get first(): T | undefined {
    return this.#nodes[0]?.entry;
  }

  push(entry: T): void {
    this.#nodes.push({ entry, rank: this.#order(entry), number: (this.#added += 1) });
    for (let at = this.#nodes.length - 1; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) break;
      this.#swap(parent, at);
      at = parent;
    }
  }

  pop(): T | undefined {
    const first = this.#nodes[0]?.entry;
    const last = this.#nodes.pop();
    if (last === undefined || this.#nodes.length === 0) return first;
    this.#nodes[0] = last;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const smaller = this.#before(left + 1, left) ? left + 1 : left;
      if (!this.#before(smaller, at)) break;
      this.#swap(smaller, at);
      at = smaller;
    }
    return first;
  }

  /** Drops every entry that is not wanted any more. */
  keep(wanted: (entry: T) => boolean): void {
    const kept = this.#nodes.filter(({ entry }) => wanted(entry));
    // Sorted is a heap.
    this.#nodes = kept.toSorted((a, b) => a.rank - b.rank || a.number - b.number);
  }

  clear(): void {
    this.#nodes = [];
  }

  #before(left: number, right: number): boolean {
    const [a, b] = [this.#nodes[left], this.#nodes[right]];
    if (a === undefined || b === undefined) return b === undefined && a !== undefined;
    return a.rank < b.rank || (a.rank === b.rank && a.number < b.number);
  }

  #swap(left: number, right: number): void {
    const [a, b] = [this.#nodes[left], this.#nodes[right]];
    if (a === undefined || b === undefined) return;
    this.#nodes[left] = b;
    this.#nodes[right] = a;
  }
}
