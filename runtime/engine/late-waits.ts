// Owns: runs of one partition that begin to wait for a bus event: each looks into the inbox once.
import type { Definition } from '../../core/workflow/definition.ts';
import { type Awaited, awaited, deliverEvent } from '../../core/workflow/deliver.ts';
import { Line } from '../../core/dispatch/line.ts';
import type { RunState } from '../../core/workflow/state.ts';
import { isSignalboxError } from '../../api/errors.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { Inbox, type KeptEvent } from './inbox.ts';
import type { EnginePorts } from './ports.ts';
import type { Serving } from './serving.ts';

const RETRY_MS = 500;
/** Looks at once. */
const parallelMax = 32;

export class LateWaits {
  readonly #inbox: Inbox;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #serving: Pick<Serving, 'act'>;
  /** Runs that look, and those that will: never more than one look of a run. */
  readonly #looking = new Set<string>();
  readonly #next = new Line<string>();
  readonly #waits = new Map<string, { readonly namespace: string; readonly wait: Awaited }>();
  #stopped = false;

  constructor({ control, clock }: Pick<EnginePorts, 'control' | 'clock'>, log: Log, serving: Pick<Serving, 'act'>) {
    this.#inbox = new Inbox(control);
    this.#clock = clock;
    this.#log = log;
    this.#serving = serving;
  }

  /** After each commit of the run. */
  committed(state: RunState, definition: Definition): void {
    const wait = awaited({ state, definition });
    if (wait === undefined) return;
    this.#waits.set(state.run, { namespace: state.namespace, wait });
    this.#next.add(state.run);
    void this.#work();
  }

  /**
   * After a takeover: whoever had the partition may have died before it looked. Costs what is kept, not what waits.
   * `awaiting`: the runs that wait for an event, and perhaps others.
   */
  takenOver(awaiting: (event: KeptEvent) => Iterable<string>): Promise<void> {
    return this.#patiently(async () => {
      for (const event of await this.#inbox.all()) for (const run of awaiting(event)) await this.#give(run, event);
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#waits.clear();
  }

  /** A few at a time: many runs may begin to wait at once. */
  async #work(): Promise<void> {
    if (this.#looking.size >= parallelMax) return;
    const run = this.#next.shift();
    const asked = run === undefined ? undefined : this.#waits.get(run);
    if (run === undefined || asked === undefined) return;
    if (this.#looking.has(run)) return;
    this.#waits.delete(run);
    this.#looking.add(run);
    await this.#patiently(() => this.#look(run, asked.namespace, asked.wait));
    this.#looking.delete(run);
    if (this.#waits.has(run)) this.#next.add(run);
    if (!this.#stopped) void this.#work();
  }

  async #look(run: string, namespace: string, wait: Awaited): Promise<void> {
    for await (const event of this.#inbox.find(namespace, wait)) if (await this.#give(run, event)) return;
  }

  /** True when the run has no need of another event: it took this one now, or is gone. */
  async #give(run: string, event: KeptEvent): Promise<boolean> {
    try {
      const { taken, known } = await this.#serving.act(run, (given) => deliverEvent(given, event));
      return taken && known !== true;
    } catch (error) {
      if (isSignalboxError(error, 'NOT_FOUND')) return true;
      throw error;
    }
  }

  /** Until it is done: a look that is given up would lose an event. */
  async #patiently(action: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      try {
        await action();
        return;
      } catch (error) {
        if (this.#stopped) return;
        this.#log.warn('the inbox of bus events could not be looked at; it is tried again', { error });
        await this.#clock.sleep(RETRY_MS);
      }
    }
  }
}
