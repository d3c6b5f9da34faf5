// Owns: `make simulate`: many worlds on all processors, or one seed in detail.
//   SEEDS (20,000), FROM (1), TIMES (2: each seed is played twice), SEED=n (one seed: shrunk when it fails), TRACE=1.
import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { addCoverage, noCoverage, vacuous } from '../../core/invariants/vacuity.ts';
import { moments } from '../../ports/failpoint.ts';
import type { Batch, Failure, Played, Playing } from './batch.ts';
import { shrink, unkind } from './shrink.ts';
import { installTimers, realNow } from './timers.ts';

installTimers();
const { simulate } = await import('./simulation.ts');
const { expected, seedsEnough } = await import('./expected.ts');

const batchSize = 100;
/** Measured beside 192: a world took less time. */
const youngMb = 64;
// Every processor plays worlds: threads that help to collect garbage would only take it from another one.
setFlagsFromString('--no-parallel-scavenge');
// Nearly all of the product runs in a world, most of it not often enough for an optimiser.
setFlagsFromString('--always-sparkplug');
const shownFailuresMax = 3;
const numberOf = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Plays one seed in this thread; a failure is shrunk and told step by step. */
function detail(seed: number): boolean {
  const outcome = simulate(seed, { trace: true });
  const again = simulate(seed);
  const same = outcome.hash === again.hash;
  const failed = outcome.violations.length > 0;
  const { outcome: shrunk, plays } = failed
    ? shrink(outcome, (choices) => simulate(seed, { choices, trace: true }))
    : { outcome, plays: 0 };
  if (failed || process.env['TRACE'] === '1') for (const line of shrunk.trace) say(line.slice(0, 400));
  for (const { invariant, run, sentence } of shrunk.violations) say(`${invariant} ${run ?? ''}: ${sentence}`);
  if (failed)
    say(`shrunk in ${plays} plays from ${unkind(outcome).length} unkind choices to: ${unkind(shrunk).join(', ')}`);
  if (!same) say(`the seed gave hash ${outcome.hash} and then ${again.hash}`);
  say(JSON.stringify({ seed, hash: outcome.hash, steps: outcome.steps, failures: failed || !same ? 1 : 0 }));
  return !failed && same;
}

/** Plays batches on `threads` threads. */
async function playAll(batches: readonly Batch[], threads: number, playing: Playing): Promise<readonly Played[]> {
  const waiting = [...batches];
  const played: Played[] = [];
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./batch.ts', import.meta.url), {
        workerData: playing,
        resourceLimits: { maxYoungGenerationSizeMb: youngMb },
      });
      const next = (): void => {
        const batch = waiting.shift();
        if (batch === undefined) void worker.terminate().then(() => resolve());
        else worker.postMessage(batch);
      };
      worker.on('message', (done: Played) => {
        played.push(done);
        if (done.failures.length > 0 && process.env['KEEP_GOING'] !== '1') waiting.length = 0;
        next();
      });
      worker.on('error', reject);
      next();
    });
  await Promise.all(Array.from({ length: threads }, one));
  return played.toSorted((left, right) => left.from - right.from);
}

async function many(): Promise<boolean> {
  const started = realNow();
  const [from, seeds, times] = [numberOf('FROM', 1), numberOf('SEEDS', 20_000), numberOf('TIMES', 2)];
  const batches: Batch[] = [];
  for (let at = from; at < from + seeds; at += batchSize) {
    batches.push({ from: at, count: Math.min(batchSize, from + seeds - at) });
  }
  const played = await playAll(batches, numberOf('JOBS', availableParallelism()), { times });
  const coverage = noCoverage();
  const failures: Failure[] = [];
  let [steps, done, hash] = [0, 0, 0];
  for (const part of played) {
    addCoverage(coverage, part.coverage);
    failures.push(...part.failures);
    steps += part.steps;
    done += part.count;
    hash = (Math.imul(hash, 31) + Number.parseInt(part.hash, 16)) | 0;
  }
  for (const { seed, violations } of failures.slice(0, shownFailuresMax)) {
    for (const { invariant, run, sentence } of violations.slice(0, 3))
      say(`seed ${seed}: ${invariant} ${run ?? ''}: ${sentence}`);
    say(`replay: make simulate SEED=${seed}`);
  }
  say(table('faults', coverage.faults));
  say(table('events', coverage.events));
  const problems = done >= seedsEnough ? vacuous(coverage, expected(done, moments())) : [];
  for (const problem of problems) say(`vacuous: ${problem}`);
  const faults = [...coverage.faults.values()].reduce((sum, count) => sum + count, 0);
  const seconds = Math.round((realNow() - started) / 100) / 10;
  say(
    JSON.stringify({
      seeds: done,
      failures: failures.length,
      vacuous: problems.length,
      steps,
      faults,
      hash: (hash >>> 0).toString(16),
      seconds,
    }),
  );
  return failures.length === 0 && problems.length === 0;
}

const table = (title: string, counts: ReadonlyMap<string, number>): string =>
  `${title}: ${[...counts]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')}`;

// As a task of its own: promises of a world can be run to their end inside it.
setImmediate(() => {
  const seed = process.env['SEED'];
  const done = seed === undefined || seed === '' ? many() : Promise.resolve(detail(Number(seed)));
  done.then(
    (good) => process.exit(good ? 0 : 1),
    (error: unknown) => {
      say(error instanceof Error ? (error.stack ?? error.message) : String(error));
      process.exit(1);
    },
  );
});
