// Owns: what is asked of each engine under measurement. All of them do the same work: five steps one after another, each a
// no-op that returns 200 bytes of JSON, each durable before the next begins; whoever asked gets the end of the run.

export interface Pids {
  readonly server: readonly number[];
  readonly worker: readonly number[];
}

/** An engine that is up: its server, one worker, and how the driver asks it. */
export interface Arena {
  readonly versions: string;
  /** Roots of the process trees; the driver is not among them. */
  pids(): Pids;
  /** One run to its end; rejects unless it came to five results. Its third step takes `slowMs`. */
  run(slowMs: number): Promise<void>;
  /** Kills the worker with SIGKILL and starts another at once. */
  readonly replaceWorker?: () => Promise<void>;
  /** Starts a run that does one step and then waits for an event that does not come; resolves when it is accepted. */
  readonly startWaiting?: () => Promise<void>;
  /** Runs that are open. */
  readonly waiting?: () => Promise<number>;
  /** Durable writes of the server so far, where it counts them. */
  readonly durableWrites?: () => Promise<number>;
  stop(): Promise<void>;
}

export interface Peer {
  readonly name: string;
  /** What is on disk when a step counts as done. */
  readonly durability: string;
  /** Starts from nothing in the empty folder. Rejects with a sentence that says what to install when something is missing. */
  start(folder: string): Promise<Arena>;
}

/** Bytes that each step returns. */
export const resultBytes = 200;
export const stepsOfRun = 5;
