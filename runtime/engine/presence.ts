// Owns: noticing that a worker's connection is gone, long before its silence would tell.
//   P1: it is for speed: who is seen as gone only loses claims, and its reports are refused once another worker has them.
//   P2: only workers that say so are looked at, twice before one counts as gone, and never shortly after our own reconnect,
//       when everybody is away. What is asked stays below `perSecondMax`, however many workers there are.
import { presenceSubject } from '../../api/messages/subjects.ts';
import type { Presence } from '../../ports/bus.ts';
import type { Log } from '../../ports/system.ts';

const roundMs = 150;
/** Between the two looks. */
const againMs = 100;
const waitMs = 100;
const perSecondMax = 400;
const graceMs = 2_000;

/** A worker as claims name it: pods of two namespaces may have one name. */
export const workerKey = (namespace: string, worker: string): string => `${namespace}/${worker}`;

export interface WatchOptions {
  readonly presence: Presence;
  readonly log: Log;
  /** Workers that have something. */
  readonly atWork: () => Iterable<string>;
  readonly gone: (worker: string) => void;
}

export class PresenceWatch {
  readonly #options: WatchOptions;
  readonly #shown = new Set<string>();
  readonly #looking = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  #queue: string[] = [];
  #from = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#round(), roundMs);
  }

  /** The worker can be seen. Its name is a token of a subject, or it is not looked at. */
  shown(namespace: string, worker: string): void {
    if (/^[A-Za-z0-9_-]{1,253}$/.test(worker)) this.#shown.add(workerKey(namespace, worker));
  }

  reconnected(): void {
    this.#from = performance.now() + graceMs;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #round(): void {
    if (performance.now() < this.#from) return;
    if (this.#queue.length === 0) {
      const atWork = new Set(this.#options.atWork());
      for (const worker of this.#shown) if (!atWork.has(worker)) this.#shown.delete(worker);
      this.#queue = [...this.#shown];
    }
    for (const worker of this.#queue.splice(0, (perSecondMax * roundMs) / 1_000)) {
      if (!this.#looking.has(worker)) void this.#look(worker);
    }
  }

  async #look(worker: string): Promise<void> {
    this.#looking.add(worker);
    try {
      if (!(await this.#absent(worker))) return;
      await new Promise((resolve) => setTimeout(resolve, againMs));
      if (performance.now() < this.#from || !(await this.#absent(worker))) return;
      this.#shown.delete(worker);
      this.#options.log.info('the connection of a worker is gone; its tasks go to others', { worker });
      this.#options.gone(worker);
    } finally {
      this.#looking.delete(worker);
    }
  }

  #absent(worker: string): Promise<boolean> {
    const [namespace = '', name = ''] = worker.split('/');
    return this.#options.presence.absent(presenceSubject(namespace, name), waitMs);
  }
}
