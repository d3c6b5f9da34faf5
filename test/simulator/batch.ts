// Owns: one thread of the simulator: plays its seeds, each twice, and says what it saw.
import { parentPort, workerData } from 'node:worker_threads';
import type { Violation } from '../../core/invariants/facts.ts';
import { addCoverage, type Coverage, noCoverage } from '../../core/invariants/vacuity.ts';
import { installTimers } from './timers.ts';

export interface Batch {
  readonly from: number;
  readonly count: number;
}

export interface Failure {
  readonly seed: number;
  readonly violations: readonly Violation[];
}

export interface Played extends Batch {
  readonly failures: readonly Failure[];
  readonly steps: number;
  /** Over all hashes, in order of seeds. */
  readonly hash: string;
  readonly coverage: Coverage;
}

export interface Playing {
  /** Each seed is played so often, and must be the same each time. */
  readonly times: number;
}

installTimers();
const { simulate } = await import('./simulation.ts');

export function play({ from, count }: Batch, times: number): Played {
  const coverage = noCoverage();
  const failures: Failure[] = [];
  let [steps, hash] = [0, 0];
  for (let seed = from; seed < from + count; seed += 1) {
    const first = simulate(seed);
    steps += first.steps;
    addCoverage(coverage, first.coverage);
    for (const char of first.hash) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) | 0;
    if (first.violations.length > 0) failures.push({ seed, violations: first.violations });
    for (let time = 1; time < times; time += 1) {
      const again = simulate(seed);
      if (again.hash === first.hash) continue;
      const sentence = `the seed gave hash ${first.hash} and then ${again.hash}`;
      failures.push({ seed, violations: [{ invariant: 'I10', sentence }] });
    }
  }
  return { from, count, failures, steps, hash: (hash >>> 0).toString(16), coverage };
}

if (parentPort !== null) {
  const port = parentPort;
  const { times } = workerData as Playing;
  // A message is handled as a task of its own: promises of a world can be run to their end inside it.
  port.on('message', (batch: Batch) => port.postMessage(play(batch, times)));
}
