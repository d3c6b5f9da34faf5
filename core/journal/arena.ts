// Owns: many small byte strings in few large pages: a million waiting runs as objects would cost the engine several gigabytes.

const pageBytes = 1 << 20;
/** The first page begins small, so that a partition with few runs costs little. */
const firstPageBytes = 1 << 12;
const emptyPage = new Uint8Array(0);

/** Where a string of bytes is; its length is kept by whoever put it there. */
export type Place = number;

export class Arena {
  #pages: Uint8Array[] = [];
  /** Used bytes of the last page. */
  #used = pageBytes;
  #held = 0;
  #live = 0;

  put(bytes: Uint8Array): Place {
    this.#live += bytes.length;
    if (bytes.length > pageBytes) {
      // A page of its own, below the one that is being filled.
      this.#pages.push(bytes.slice());
      this.#held += bytes.length;
      const place = (this.#pages.length - 1) * pageBytes;
      this.#used = pageBytes;
      return place;
    }
    if (this.#used + bytes.length > pageBytes) {
      this.#addPage(this.#pages.length === 0 ? firstPageBytes : pageBytes);
      this.#used = 0;
    }
    this.#reach(this.#used + bytes.length);
    const page = this.#pages.length - 1;
    this.#pages[page]?.set(bytes, this.#used);
    const place = page * pageBytes + this.#used;
    this.#used += bytes.length;
    return place;
  }

  #addPage(bytes: number): void {
    this.#pages.push(new Uint8Array(bytes));
    this.#held += bytes;
  }

  /** Lets the last page have so many bytes. */
  #reach(bytes: number): void {
    const page = this.#pages.at(-1);
    if (page === undefined || page.length >= bytes) return;
    const larger = new Uint8Array(Math.min(pageBytes, Math.max(bytes, 2 * page.length)));
    larger.set(page);
    this.#pages[this.#pages.length - 1] = larger;
    this.#held += larger.length - page.length;
  }

  /** A view, valid until the next `take`. */
  get(place: Place, length: number): Uint8Array {
    const page = Math.floor(place / pageBytes);
    const at = place - page * pageBytes;
    return (this.#pages[page] ?? emptyPage).subarray(at, at + length);
  }

  /** The bytes there are needed no more. */
  free(length: number): void {
    this.#live -= length;
  }

  /** True when more than half of what is held is free: then all strings should be put into a new arena. */
  get wasteful(): boolean {
    return this.#held > 4 * pageBytes && this.#live < this.#held / 2;
  }

  get heldBytes(): number {
    return this.#held;
  }
}
