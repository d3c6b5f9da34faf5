// Owns: saying that this engine lives, looking who has what, and telling each partition whether it is wanted here.
import { balance } from '../../core/journal/balance.ts';
import type { Ownership, Seen } from '../../ports/journal.ts';
import type { Clock, Log } from '../../ports/system.ts';

const ROUND_MS = 1_000;
/** While another engine is about to let go of something, or NATS does not answer. */
const SOON_MS = 200;

/** A partition that can be wanted. */
export interface Wantable {
  readonly number: number;
  readonly wanted: boolean;
  want(wanted: boolean): void;
}

export interface BalancerOptions {
  readonly ports: { readonly ownership: Ownership; readonly clock: Clock; readonly log: Log };
  readonly name: string;
  /** Until then nobody lets go of anything for this engine. */
  readonly ready: () => boolean;
}

export class Balancer {
  readonly #options: BalancerOptions;
  readonly #partitions: readonly Wantable[];
  readonly #running: Promise<void>;
  #stopped = false;
  #wake: () => void = () => undefined;

  constructor(options: BalancerOptions, partitions: readonly Wantable[]) {
    this.#options = options;
    this.#partitions = partitions;
    this.#running = this.#run();
  }

  /** Nobody counts on this engine any more; what it has it keeps until its partitions are stopped. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#running;
    await this.#options.ports.ownership.withdraw(this.#options.name).catch(() => undefined);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const soon = await this.#round();
      if (!this.#stopped) await this.#pause(soon ? SOON_MS : ROUND_MS);
    }
  }

  /** True when the next look should come soon. */
  async #round(): Promise<boolean> {
    const { ports, name, ready } = this.#options;
    try {
      if (ready()) await ports.ownership.announce(name);
      const seen = await ports.ownership.seen();
      return !this.#stopped && this.#apply(seen);
    } catch (error) {
      ports.log.debug('it could not be seen who has which partition', { error });
      return true;
    }
  }

  #apply({ holders: leases, engines }: Seen): boolean {
    const { name } = this.#options;
    const holders = new Map(leases);
    // One whose lease is just being taken, or is gone because NATS was started again, is not free.
    for (const { number, wanted } of this.#partitions) if (wanted && !holders.has(number)) holders.set(number, name);
    const { take, letGo, expecting } = balance(name, { partitions: this.#partitions.length, holders, engines });
    for (const partition of this.#partitions) {
      const mine = holders.get(partition.number) === name && partition.number !== letGo;
      partition.want(mine || take.includes(partition.number));
    }
    return expecting;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      void this.#options.ports.clock.sleep(ms).then(resolve);
    });
  }
}
