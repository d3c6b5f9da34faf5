// Owns: the timers of Node while a world runs: the real shells set timers, and get virtual ones that belong to the process that
// set them.
import { Died, type Scheduled, type Ticker, type World } from './world.ts';

let world: World | undefined;

class Timer {
  readonly event: Scheduled | undefined;
  readonly ticker: Ticker | undefined;
  readonly of: World;

  constructor(of: World, event: Scheduled | undefined, ticker?: Ticker) {
    this.of = of;
    this.event = event;
    this.ticker = ticker;
  }

  unref(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  cancel(): void {
    if (this.event !== undefined) this.event.cancelled = true;
    if (this.ticker !== undefined) this.of.stopTicker(this.ticker);
  }
}

type Act = (...args: unknown[]) => void;
const real = {
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
  setImmediate,
  now: performance.now.bind(performance),
};

const clear = (otherwise: (timer: never) => void) => (timer: unknown) => {
  if (timer instanceof Timer) timer.cancel();
  else otherwise(timer as never);
};

/** Installs the virtual timers in this thread, once; they stand back while no world runs. */
export function installTimers(): void {
  Object.assign(globalThis, {
    setTimeout: (act: Act, ms = 0, ...args: unknown[]) =>
      world === undefined
        ? real.setTimeout(act, ms, ...args)
        : new Timer(
            world,
            world.after(Math.max(1, ms), 'timer', world.current, () => act(...args)),
          ),
    setImmediate: (act: Act, ...args: unknown[]) =>
      world === undefined
        ? real.setImmediate(act, ...args)
        : new Timer(
            world,
            world.after(0, 'immediate', world.current, () => act(...args)),
          ),
    setInterval: (act: Act, ms = 0, ...args: unknown[]) =>
      world === undefined
        ? real.setInterval(act, ms, ...args)
        : new Timer(
            world,
            undefined,
            world.every(Math.max(1, ms), () => act(...args)),
          ),
    clearTimeout: clear(real.clearTimeout),
    clearInterval: clear(real.clearInterval),
  });
  // The last breath of a dying process; any other rejection that nobody handles would end a real one, and ends the simulator.
  process.on('unhandledRejection', (error) => {
    if (!(error instanceof Died)) throw error;
  });
  Object.defineProperty(performance, 'now', { value: () => (world === undefined ? real.now() : world.now) });
}

/** Until the next call, timers are of this world. */
export function timersOf(next: World | undefined): void {
  world = next;
}

/** The real clock, for measuring the simulator itself. */
export const realNow = (): number => real.now();
