// Owns: what somebody outside a partition's journal knows of its end. Written behind the commits, so it is a lower bound: a
// journal that ends before it has lost facts.
import { buckets } from '../../api/messages/subjects.ts';
import { newest, type Witness } from '../../core/journal/witness.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import type { Log } from '../../ports/system.ts';

const WRITE_MS = 1_000;

export class Witnesses {
  readonly #control: Bus;
  readonly #log: Log;
  readonly #ends = new Map<number, () => Witness>();
  readonly #written = new Map<number, number>();
  /** Over all reloads of this engine. */
  readonly #own = new Map<number, Witness>();
  readonly #writing: NodeJS.Timeout;
  #bucket: Promise<Bucket<Witness>> | undefined;

  constructor(control: Bus, log: Log) {
    this.#control = control;
    this.#log = log;
    this.#writing = setInterval(() => void this.#write(), WRITE_MS);
  }

  /** Everything that is known to have been committed to the partition. */
  async known(partition: number): Promise<readonly Witness[]> {
    const stored = await (await this.#open()).get(keyOf(partition));
    return [this.#own.get(partition), stored?.value].filter((witness) => witness !== undefined);
  }

  /** From now on the end of this partition is written down. */
  follow(partition: number, end: () => Witness): void {
    this.#ends.set(partition, end);
  }

  /** The partition is let go: its last end stays known here. */
  leave(partition: number): void {
    this.#remember(partition);
    this.#ends.delete(partition);
  }

  async stop(): Promise<void> {
    clearInterval(this.#writing);
    await this.#write();
  }

  #open(): Promise<Bucket<Witness>> {
    this.#bucket ??= this.#control.bucket<Witness>(buckets.witness).catch((error: unknown) => {
      this.#bucket = undefined;
      throw error;
    });
    return this.#bucket;
  }

  #remember(partition: number): Witness | undefined {
    const end = this.#ends.get(partition)?.();
    const known = newest(this.#own.get(partition), end);
    if (known !== undefined) this.#own.set(partition, known);
    return end;
  }

  async #write(): Promise<void> {
    for (const partition of this.#ends.keys()) {
      const end = this.#remember(partition);
      if (end === undefined || end.seq === (this.#written.get(partition) ?? 0)) continue;
      try {
        await (await this.#open()).put(keyOf(partition), { seq: end.seq, digest: end.digest });
        this.#written.set(partition, end.seq);
      } catch (error) {
        this.#log.debug('the end of a journal could not be written down; it is tried again', { partition, error });
      }
    }
  }
}

const keyOf = (partition: number): string => `p${partition}`;
