// Owns: what somebody outside a partition's journal knows of its end. Written behind the commits, so it is a lower bound: a
// journal that ends before it has lost facts.
import { buckets } from '../../api/messages/subjects.ts';
import { newest, toldPartition, type ToldWitness, type Witness, witnessKeys } from '../../core/journal/witness.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import type { Log } from '../../ports/system.ts';

const WRITE_MS = 1_000;
const WATCH_AGAIN_MS = 1_000;

export class Witnesses {
  readonly #control: Bus;
  readonly #log: Log;
  readonly #ends = new Map<number, () => Witness>();
  readonly #written = new Map<number, number>();
  /** Over all reloads of this engine. */
  readonly #own = new Map<number, Witness>();
  /** What the operator has told of a partition and was looked at, as JSON. */
  readonly #told = new Map<number, string>();
  readonly #accepted = new Map<number, string>();
  readonly #writing: NodeJS.Timeout;
  #bucket: Promise<Bucket<ToldWitness>> | undefined;

  constructor(control: Bus, log: Log) {
    this.#control = control;
    this.#log = log;
    this.#writing = setInterval(() => void this.#write(), WRITE_MS);
  }

  /** Everything that is known to have been committed to the partition. */
  async known(partition: number): Promise<readonly Witness[]> {
    const bucket = await this.#open();
    const told = (await bucket.get(witnessKeys.told(partition)))?.value;
    if (told !== undefined) this.#take(partition, told);
    const stored = await bucket.get(witnessKeys.end(partition));
    return [this.#own.get(partition), stored?.value, told].filter((witness) => witness !== undefined);
  }

  /** Calls back when the operator tells something of a partition that was not looked at yet; ends with the signal. */
  async watch(signal: AbortSignal, told: (partition: number) => void): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const change of (await this.#open()).watch(signal)) {
          if (change.kind !== 'Put') continue;
          const partition = toldPartition(change.entry.key);
          if (partition !== undefined && this.#take(partition, change.entry.value)) told(partition);
        }
      } catch (error) {
        this.#log.debug('what the operator tells of journals is not seen; it is tried again', { error });
      }
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, WATCH_AGAIN_MS));
    }
  }

  /** The partition is not served, since it ends too early: what only this engine knew is written down. */
  async insist(partition: number): Promise<void> {
    const own = this.#own.get(partition);
    if (own === undefined) return;
    try {
      const bucket = await this.#open();
      const stored = await bucket.get(witnessKeys.end(partition));
      if (own.seq <= (stored?.value.seq ?? 0)) return;
      const { seq, digest } = own;
      await bucket.update(witnessKeys.end(partition), { seq, digest }, stored?.revision ?? 0);
    } catch (error) {
      this.#log.debug('the end of a journal could not be written down', { partition, error });
    }
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

  #open(): Promise<Bucket<ToldWitness>> {
    this.#bucket ??= this.#control.bucket<ToldWitness>(buckets.witness).catch((error: unknown) => {
      this.#bucket = undefined;
      throw error;
    });
    return this.#bucket;
  }

  /** True when it is news. An accepted loss takes away what this engine knew before. */
  #take(partition: number, told: ToldWitness): boolean {
    const text = JSON.stringify(told);
    if (this.#told.get(partition) === text) return false;
    this.#told.set(partition, text);
    if (told.accepted !== undefined && this.#accepted.get(partition) !== told.accepted) {
      this.#accepted.set(partition, told.accepted);
      this.#own.delete(partition);
      this.#written.delete(partition);
    }
    return true;
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
        await (await this.#open()).put(witnessKeys.end(partition), { seq: end.seq, digest: end.digest });
        this.#written.set(partition, end.seq);
      } catch (error) {
        this.#log.debug('the end of a journal could not be written down; it is tried again', { partition, error });
      }
    }
  }
}
