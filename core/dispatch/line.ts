// Owns: a waiting line: first come, first served; whoever is in it can leave from any place at once.

interface Place<T> {
  readonly member: T;
  before: Place<T> | undefined;
  after: Place<T> | undefined;
}

export class Line<T> {
  readonly #places = new Map<T, Place<T>>();
  #head: Place<T> | undefined;
  #tail: Place<T> | undefined;

  get length(): number {
    return this.#places.size;
  }

  get first(): T | undefined {
    return this.#head?.member;
  }

  add(member: T): void {
    if (this.#places.has(member)) return;
    const place: Place<T> = { member, before: this.#tail, after: undefined };
    if (this.#tail === undefined) this.#head = place;
    else this.#tail.after = place;
    this.#tail = place;
    this.#places.set(member, place);
  }

  addFirst(member: T): void {
    if (this.#places.has(member)) return;
    const place: Place<T> = { member, before: undefined, after: this.#head };
    if (this.#head === undefined) this.#tail = place;
    else this.#head.before = place;
    this.#head = place;
    this.#places.set(member, place);
  }

  remove(member: T): boolean {
    const place = this.#places.get(member);
    if (place === undefined) return false;
    this.#places.delete(member);
    if (place.before === undefined) this.#head = place.after;
    else place.before.after = place.after;
    if (place.after === undefined) this.#tail = place.before;
    else place.after.before = place.before;
    return true;
  }

  /** Everybody in it, in order; whoever is looked at may leave. */
  *members(): Generator<T> {
    for (let place = this.#head; place !== undefined; place = place.after) yield place.member;
  }

  shift(): T | undefined {
    const member = this.#head?.member;
    if (member !== undefined) this.remove(member);
    return member;
  }
}
