// Owns: the loopback addresses of Pods. Each instance has a /16 below 127, claimed by the service proxy that listens on
// 127.<network>.0.1; each Pod gets one address of it. Addresses are handed out in turn, so that a closed one rests.
import { canBind } from '../plane/ports.ts';
import { stableNumber } from '../plane/paths.ts';

const networkLowest = 16;
const networkCount = 224;
/** The port that claims a network for the whole machine: whoever listens on it owns the /16. */
export const claimPort = 10_099;

/** A network nobody has claimed: the kept one if it is free, else from one derived from the folder onwards. */
export async function choosePodNetwork(instanceRoot: string, kept: number | undefined): Promise<number> {
  if (kept !== undefined && (await canBind(nodeAddress(kept), claimPort))) return kept;
  const first = stableNumber(instanceRoot, networkCount);
  for (let step = 0; step < networkCount; step += 1) {
    const network = networkLowest + ((first + step) % networkCount);
    if (await canBind(nodeAddress(network), claimPort)) return network;
  }
  throw new Error(
    `port ${claimPort} is taken on every 127.x.0.1 from 127.16 to 127.239: does something listen on 0.0.0.0?`,
  );
}

/** Where the local node itself listens within its network. */
export function nodeAddress(network: number): string {
  return `127.${network}.0.1`;
}

export class PodAddresses {
  readonly #network: number;
  readonly #taken = new Set<number>();
  #last = 255;

  constructor(network: number) {
    this.#network = network;
  }

  /** An address no Pod has; `wished` when it is free, so that a Pod keeps its address over a restart of the node. */
  take(wished?: string): string {
    const [first, second, third, fourth] = (wished ?? '').split('.').map(Number);
    const index = (third ?? 0) * 256 + (fourth ?? 0);
    if (first === 127 && second === this.#network && index > 255 && !this.#taken.has(index)) return this.#give(index);
    for (let tries = 0; tries < 65_000; tries += 1) {
      this.#last = this.#last >= 65_000 ? 256 : this.#last + 1;
      if (this.#last % 256 !== 0 && this.#last % 256 !== 255 && !this.#taken.has(this.#last))
        return this.#give(this.#last);
    }
    throw new Error(`no free address in 127.${this.#network}.0.0/16`);
  }

  release(address: string): void {
    const [, , third, fourth] = address.split('.').map(Number);
    this.#taken.delete((third ?? 0) * 256 + (fourth ?? 0));
  }

  #give(index: number): string {
    this.#taken.add(index);
    return `127.${this.#network}.${Math.floor(index / 256)}.${index % 256}`;
  }
}
