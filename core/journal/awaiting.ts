// Owns: which runs wait for which event: places of runs by the number of the event. Most events are awaited by one run.

export class Awaiting {
  readonly #slots = new Map<number, number | Set<number>>();

  of(event: number): readonly number[] {
    const found = this.#slots.get(event) ?? [];
    return typeof found === 'number' ? [found] : [...found];
  }

  add(event: number, slot: number): void {
    const known = this.#slots.get(event);
    if (known === undefined) this.#slots.set(event, slot);
    else if (typeof known === 'number') this.#slots.set(event, new Set([known, slot]));
    else known.add(slot);
  }

  delete(event: number, slot: number): void {
    const known = this.#slots.get(event);
    if (known === slot) this.#slots.delete(event);
    else if (known instanceof Set && known.delete(slot) && known.size === 0) this.#slots.delete(event);
  }
}
