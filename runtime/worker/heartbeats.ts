// Owns: telling the engine every second of each activity at work. One timer for all of them, so that a short activity costs none,
// and what is said at one moment shares a message.
import { isSignalboxError } from '../../api/errors.ts';
import type { ReportReply } from '../../api/messages/asks.ts';
import type { Clock, Log } from '../../ports/system.ts';

const heartbeatMs = 1_000;

export interface Beat {
  /** Tells the engine, and the stream where the task came from. */
  readonly say: () => Promise<ReportReply>;
  /** The engine said stop, or the worker stops. */
  readonly letGo: AbortController;
}

export class Heartbeats {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stop: AbortSignal;
  readonly #beats = new Set<Beat>();
  /** Those whose last word is not answered yet. */
  readonly #unheard = new Set<Beat>();
  #running = false;

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }, stop: AbortSignal) {
    this.#clock = clock;
    this.#log = log;
    this.#stop = stop;
    stop.addEventListener('abort', () => {
      for (const { letGo } of this.#beats) letGo.abort(stop.reason);
    });
  }

  /** Until the returned function is called. */
  begin(beat: Beat): () => void {
    if (this.#stop.aborted) beat.letGo.abort(this.#stop.reason);
    this.#beats.add(beat);
    if (!this.#running) void this.#run();
    return () => this.#beats.delete(beat);
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#beats.size > 0 && !this.#stop.aborted) {
      await this.#clock.sleep(heartbeatMs, this.#stop).catch(() => undefined);
      for (const beat of this.#beats) if (!this.#unheard.has(beat)) void this.#say(beat);
    }
    this.#running = false;
  }

  async #say(beat: Beat): Promise<void> {
    const { say, letGo } = beat;
    this.#unheard.add(beat);
    try {
      const reply = await say();
      const stopped = reply.kind === 'Stop' || (reply.kind === 'Error' && reply.code === 'STALE');
      if (stopped && this.#beats.has(beat)) letGo.abort(new Error(reply.message));
    } catch (error) {
      // The engine may be away: reports wait for it. A stop is said again when it is back.
      if (this.#beats.has(beat) && !isSignalboxError(error)) this.#log.debug('heartbeat failed', { error });
    } finally {
      this.#unheard.delete(beat);
    }
  }
}
