// Owns: what every part of the demo shares: where the plane is, how long anything may take, and what is on the board.
import { isSignalboxError } from '../../api/errors.ts';
import type { ClusterAccess, Host, OpenKube } from '../host.ts';
import type { LocalPlane } from '../local-plane.ts';
import type { EngineOptions } from '../options.ts';
import type { Board } from './board.ts';

export const namespace = 'clinic';
/** Nothing waits longer than this for the whole demo. */
export const totalMs = 240_000;
const pollMs = 150;

export interface Stage {
  readonly host: Host;
  readonly plane: LocalPlane;
  /** Name of the instance. */
  readonly instance: string;
  readonly engine: EngineOptions;
  readonly access: ClusterAccess;
  readonly kube: OpenKube;
  readonly board: Board;
  /** Fires when the time of the whole demo is over, or on Ctrl-C. */
  readonly over: AbortSignal;
}

/** What the demo was to show and what it found instead. */
export class DemoFailure extends Error {
  readonly expected: string;
  readonly found: string;
  /** Run to be traced. */
  readonly run: string | undefined;

  constructor(expected: string, found: string, run?: string) {
    super(`expected ${expected}; found ${found}`);
    this.expected = expected;
    this.found = found;
    this.run = run;
  }
}

export interface Wait {
  /** What is waited for, as the end of the sentence "expected …". */
  readonly expected: string;
  readonly withinMs: number;
  readonly run?: string;
}

/**
 * Tries until `look` has an answer. What cannot be reached now (a process was killed, an object is not there yet) is tried
 * again; the last reason is told when the time is over.
 */
export async function eventually<T>(
  stage: Pick<Stage, 'host' | 'over'>,
  wait: Wait,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const { clock } = stage.host;
  const end = clock.now() + wait.withinMs;
  let found = 'nothing';
  for (;;) {
    try {
      const answer = await look();
      if (answer !== undefined) return answer;
      found = 'nothing';
    } catch (error) {
      if (error instanceof DemoFailure) throw error;
      found = isSignalboxError(error) ? `${error.code}: ${error.message}` : String(error);
    }
    const seconds = Math.round(wait.withinMs / 1000);
    if (stage.over.aborted || clock.now() > end) {
      throw new DemoFailure(`${wait.expected} within ${seconds} s`, found, wait.run);
    }
    await clock.sleep(pollMs, stage.over).catch(() => undefined);
  }
}
